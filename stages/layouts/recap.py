"""What to take away: a card with a figure for each point, side by side where they fit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import MEDIUM, Rect, fill, fit_all
from stages.layouts.base import (
    Element,
    card,
    centred,
    columns,
    first_that_fits,
    ghost,
    icon_paint,
    icons_for,
    noted,
    over,
    rows,
    text_paint,
)
from stages.layouts.bullets import part_cards
from stages.layouts.figure import figure

if TYPE_CHECKING:
    from stages.layouts.base import Page, Paint, Text
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
    return first_that_fits(partial(_grid, content.items, across if wide else 2, page), stacked)


def _single(texts: list[str], page: Page) -> list[Element]:
    body = page.body
    picture = Rect(body.x, body.y, body.w, body.h * 0.55)
    below = Rect(body.x, body.y + body.h * 0.6, body.w, body.h * 0.4)
    chosen = icons_for(page, texts)
    return [*figure(page, picture, chosen), *part_cards(texts, ["check"], below, page, 0.0)]


def _grid(texts: list[str], across: int, page: Page) -> list[Element]:
    lines = -(-len(texts) // across)
    places: list[Rect] = []
    for index, row in enumerate(rows(page.body, lines, page.gap, page.tall(540))):
        here = min(across, len(texts) - index * across)
        places += columns(row, here, page.gap)
    flat = places[0].w > places[0].h * 1.35
    u = page.unit
    icon = min(places[0].h * (0.44 if flat else 0.3), 150 * u)
    spaces = [
        (p.w - icon - 120 * u, p.h - 40 * u) if flat else (p.w - 72 * u, p.h - icon - 120 * u) for p in places
    ]
    blocks = fit_all(texts, MEDIUM, spaces, page.sizes(page.theme.type.body * 1.3), 1.26)
    made: list[Element] = []
    for index, name in enumerate(icons_for(page, texts)):
        place, space = places[index], spaces[index]
        if flat:
            spot = Rect(place.x + 40 * u, place.y + (place.h - icon) / 2, icon, icon)
            room = Rect(spot.right + 44 * u, place.y, space[0], place.h)
        else:
            spot = Rect(place.x + 36 * u, place.y + 44 * u, icon, icon)
            room = Rect(place.x + 36 * u, spot.bottom + 30 * u, space[0], space[1])
        where = centred(blocks[index], room) if flat else Rect(room.x, room.y, room.w, blocks[index].height)
        shown = text_paint(blocks[index], where, page.theme.colours.ink)
        made += _card(index, place, name, spot, shown, page)
        made[-1] = _with_text(made[-1], noted(blocks[index], where, page.theme.colours.ink, _lit(page)))
    return made


def _lit(page: Page) -> str:
    return page.theme.colours.surface_lit


def _with_text(element: Element, text: Text) -> Element:
    return replace(element, texts=(text,))


def _card(index: int, place: Rect, name: str, spot: Rect, shown: Paint, page: Page) -> list[Element]:
    colours = page.theme.colours

    def plate(colour: str) -> Paint:
        return lambda canvas: canvas.drawCircle(*spot.centre, spot.w / 2, fill(colour))

    inner = spot.inset(spot.w * 0.24)
    return [
        ghost(page, f"outline_{index}", place, (name, inner), shown),
        Element(
            f"part_{index}",
            place,
            over(
                card(page, place), plate(colours.surface_lit), icon_paint(name, inner, colours.accent), shown
            ),
            part=index,
            lit=over(
                card(page, place, lit=True),
                plate(colours.accent),
                icon_paint(name, inner, colours.accent_ink),
                shown,
            ),
            entrance=("wipe", "fade")[page.variant % 2],
        ),
    ]
