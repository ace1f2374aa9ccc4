"""What to take away: a card with a figure for each point, side by side where they fit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import Rect
from stages.layouts.cards import grid_cards, part_cards
from stages.layouts.element import Element
from stages.layouts.figure import figure
from stages.layouts.grid import first_that_fits
from stages.layouts.pieces import icons_for

if TYPE_CHECKING:
    from stages.layouts.page import Page
    from stages.scenes import Recap


def elements(content: Recap, page: Page) -> list[Element]:
    count = len(content.items)
    if count == 1:
        return _single(content.items, page)
    stacked = partial(part_cards, content.items, ["check"] * count, page.body, page, 0.0)
    if page.format == "vertical" or (page.format == "square" and count % 2):
        return stacked()
    wide = page.format == "wide"
    across = count if wide and count <= 4 and count != 4 else 2 if count in (2, 4) else 3
    return first_that_fits(partial(grid_cards, content.items, across if wide else 2, page), stacked)


def _single(texts: list[str], page: Page) -> list[Element]:
    body = page.body
    picture = Rect(body.x, body.y, body.w, body.h * 0.55)
    below = Rect(body.x, body.y + body.h * 0.6, body.w, body.h * 0.4)
    chosen = icons_for(page, texts)
    return [*figure(page, picture, chosen), *part_cards(texts, ["check"], below, page, 0.0)]
