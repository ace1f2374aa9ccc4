"""Cards for the parts of a list: one under the other, or side by side; dim until they are spoken of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill
from stages.layouts.element import Element
from stages.layouts.grid import centred, columns, rows
from stages.layouts.pieces import card, ghost, icon_paint, icons_for, noted, over, text_paint
from stages.lettering import MEDIUM, fit_all

if TYPE_CHECKING:
    from stages.layouts.element import Paint, Text
    from stages.layouts.page import Page


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


def grid_cards(texts: list[str], across: int, page: Page) -> list[Element]:
    """Cards side by side, each with a large icon over its text, or beside it where a card is flat."""
    lines = -(-len(texts) // across)
    places: list[Rect] = []
    for index, row in enumerate(rows(page.body, lines, page.gap, page.tall(540))):
        here = min(across, len(texts) - index * across)
        places += columns(row, here, page.gap)
    flat = places[0].w > places[0].h * 2.1
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
