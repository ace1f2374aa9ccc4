"""Three to six parts, a card each, beside a figure that shows the part spoken of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import MEDIUM, Rect, fit_all
from stages.layouts.base import (
    Element,
    card,
    centred,
    first_that_fits,
    ghost,
    icon_paint,
    icons_for,
    noted,
    over,
    panes,
    rows,
    text_paint,
)
from stages.layouts.figure import figure

if TYPE_CHECKING:
    from stages.layouts.base import Page
    from stages.scenes import Bullets


def elements(content: Bullets, page: Page) -> list[Element]:
    if page.format == "square" and len(content.items) > 3:
        return _alone(content.items, page)
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


def part_cards(texts: list[str], chosen: list[str], box: Rect, page: Page, smallest: float) -> list[Element]:
    """A column of cards, each with its icon, outlined from the start and filled when spoken of."""
    places = rows(box, len(texts), page.gap * 0.8, page.tall(270 if len(texts) < 3 else 215))
    icon = min(places[0].h * 0.52, page.tall(84), 110 * page.unit)
    pad = min(places[0].h * 0.16, 34 * page.unit)
    indent = icon + pad * 2.6
    space = (places[0].w - indent - pad * 1.5, places[0].h - pad * 0.6)
    blocks = fit_all(
        texts,
        MEDIUM,
        [space] * len(texts),
        page.sizes(page.theme.type.body * (1.22 if len(texts) <= 3 else 1.06), smallest),
        1.24,
    )
    made: list[Element] = []
    for index, (place, text) in enumerate(zip(places, blocks, strict=True)):
        colours = page.theme.colours
        spot = Rect(place.x + pad * 1.2, place.y + (place.h - icon) / 2, icon, icon)
        where = centred(text, Rect(place.x + indent, place.y, space[0], place.h))
        shown = text_paint(text, where, colours.ink)
        made += [
            ghost(page, f"outline_{index}", place, (chosen[index], spot), shown),
            Element(
                f"part_{index}",
                place,
                over(card(page, place), icon_paint(chosen[index], spot, colours.second), shown),
                part=index,
                lit=over(card(page, place, lit=True), icon_paint(chosen[index], spot, colours.accent), shown),
                entrance=("fade", "wipe")[page.variant % 2],
                texts=(noted(text, where, colours.ink, colours.surface_lit),),
            ),
        ]
    return made
