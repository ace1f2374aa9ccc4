"""Where it all comes from: every source by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, rounded
from stages.layouts.element import Element
from stages.layouts.figure import figure
from stages.layouts.grid import centred, columns, first_that_fits, panes, rows
from stages.layouts.pieces import icon_paint, icons_for, noted, over, text_paint
from stages.lettering import MEDIUM, fit_all

if TYPE_CHECKING:
    from stages.layouts.page import Page
    from stages.scenes import SourcesCard


def elements(content: SourcesCard, page: Page) -> list[Element]:
    alone = [partial(_listed, content.items, page.body, count, page) for count in (1, 2, 3)]
    if len(content.items) <= 5:
        return first_that_fits(partial(_with_figure, content.items, page), *alone)
    return first_that_fits(*(alone[1:] if page.format == "wide" else alone))


def _with_figure(names: list[str], page: Page) -> list[Element]:
    listed, picture = panes(page, 8, 0.32)
    return [*figure(page, picture, ["library"]), *_listed(names, listed, 1, page)]


def _listed(names: list[str], box: Rect, across: int, page: Page) -> list[Element]:
    lines = -(-len(names) // across)
    places = [
        place
        for column in columns(box, across, page.gap)
        for place in rows(column, lines, page.gap * 0.6, page.tall(180))
    ][: len(names)]
    colours, u = page.theme.colours, page.unit
    icon = min(places[0].h * 0.5, 56 * u)
    space = (places[0].w - icon - 90 * u, places[0].h - 8 * u)
    blocks = fit_all(names, MEDIUM, [space] * len(names), page.sizes(page.theme.type.body), 1.22)
    made: list[Element] = []
    for index, (place, text) in enumerate(zip(places, blocks, strict=True)):
        spot = Rect(place.x + 28 * u, place.y + (place.h - icon) / 2, icon, icon)
        where = centred(text, Rect(spot.right + 28 * u, place.y, space[0], place.h))
        made.append(
            Element(
                f"source_{index}",
                place,
                over(
                    _plate(place, page),
                    icon_paint(icons_for(page, ["document"])[0], spot, colours.accent),
                    text_paint(text, where, colours.ink),
                ),
                part=index,
                entrance="slide",
                texts=(noted(text, where, colours.ink, colours.surface),),
            )
        )
    return made


def _plate(box: Rect, page: Page):  # type: ignore[no-untyped-def]
    return lambda canvas: rounded(canvas, box, page.radius * 0.7, fill(page.theme.colours.surface))
