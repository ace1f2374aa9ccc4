"""Three to six parts, a card each, beside a figure that shows the part spoken of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stages.layouts.cards import grid_cards, part_cards
from stages.layouts.element import Element
from stages.layouts.figure import figure
from stages.layouts.grid import first_that_fits, panes
from stages.layouts.pieces import icons_for

if TYPE_CHECKING:
    from stages.layouts.page import Page
    from stages.scenes import Bullets


def elements(content: Bullets, page: Page) -> list[Element]:
    if page.format == "square" and len(content.items) > 3:
        return _alone(content.items, page)
    if page.format == "wide" and len(content.items) in (2, 4) and page.variant % 3 == 1:
        return first_that_fits(
            partial(grid_cards, content.items, 2, page), partial(_beside_figure, content.items, page, 0.0)
        )
    return first_that_fits(
        partial(_beside_figure, content.items, page, 36.0),
        partial(_beside_figure, content.items, page, 30.0),
        partial(_alone, content.items, page),
    )


def _beside_figure(texts: list[str], page: Page, smallest: float) -> list[Element]:
    cards, picture = panes(page, 8, 0.3 if page.format == "vertical" else 0.26)
    chosen = icons_for(page, texts)
    first = icons_for(page, [page.words])[0]
    return [
        *figure(page, picture, [first, *chosen], parts=True),
        *part_cards(texts, chosen, cards, page, smallest),
    ]


def _alone(texts: list[str], page: Page) -> list[Element]:
    return part_cards(texts, icons_for(page, texts), page.body, page, 0.0)
