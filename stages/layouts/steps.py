"""A sequence: numbered stations on a line that grows from one to the next."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, stroke
from stages.layouts.element import Element
from stages.layouts.grid import centred, columns, first_that_fits, rows
from stages.layouts.pieces import card, ghost, growing_line, icon_paint, icons_for, noted, over, text_paint
from stages.lettering import BOLD, MEDIUM, block, draw_block, fit_all

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.element import Paint
    from stages.layouts.page import Page
    from stages.lettering import Align, Block
    from stages.scenes import Steps


def elements(content: Steps, page: Page) -> list[Element]:
    down = partial(_down, content.items, page)
    if page.format == "wide" and len(content.items) <= 5:
        roomy, tight = (partial(_across, content.items, page, least) for least in (38.0, 30.0))
        return first_that_fits(roomy, down, tight)
    return down()


def _across(texts: list[str], page: Page, smallest: float) -> list[Element]:
    """Stations along a horizontal line, a card hanging from each."""
    u, body = page.unit, page.body
    places = columns(body, len(texts), page.gap)
    disc = 92 * u
    height = min(body.h - disc - page.gap, 520 * u)
    top = body.y + (body.h - height - disc - page.gap) / 2
    cards = [Rect(place.x, top + disc + page.gap, place.w, height) for place in places]
    icon = min(height * 0.30, places[0].w * 0.42, 150 * u)
    space = (places[0].w - 56 * u, height - icon - 92 * u)
    blocks = fit_all(
        texts,
        MEDIUM,
        [space] * len(texts),
        page.sizes(page.theme.type.body, smallest),
        1.24,
        whole_words=smallest > 30,
    )
    spots = [Rect(place.x + (place.w - disc) / 2, top, disc, disc) for place in places]
    made = [_track(page, spots, across=True)]
    for index, name in enumerate(icons_for(page, texts)):
        box = cards[index]
        picture = Rect(box.x, box.y + 34 * u, box.w, icon)
        # All begin at the height at which the longest is in the middle.
        first = picture.bottom + 24 * u + (space[1] - max(block.height for block in blocks)) / 2
        where = Rect(box.x + 28 * u, first, space[0], blocks[index].height)
        made += _station(index, spots, box, (name, picture), (blocks[index], where), page, across=True)
    return made


def _down(texts: list[str], page: Page) -> list[Element]:
    """Stations down the left, a card beside each."""
    u, body = page.unit, page.body
    places = rows(body, len(texts), page.gap * 0.8, page.tall(205))
    disc = min(places[0].h * 0.8, 92 * u)
    indent = disc + page.gap
    icon = min(places[0].h * 0.5, 84 * u)
    space = (body.w - indent - icon - 110 * u, places[0].h - 10 * u)
    blocks = fit_all(texts, MEDIUM, [space] * len(texts), page.sizes(page.theme.type.body * 1.1), 1.22)
    spots = [Rect(place.x, place.y + (place.h - disc) / 2, disc, disc) for place in places]
    made = [_track(page, spots, across=False)]
    for index, name in enumerate(icons_for(page, texts)):
        place = places[index]
        box = Rect(place.x + indent, place.y, place.w - indent, place.h)
        picture = Rect(box.right - icon - 36 * u, place.y + (place.h - icon) / 2, icon, icon)
        where = centred(blocks[index], Rect(box.x + 36 * u, place.y, space[0], place.h))
        made += _station(index, spots, box, (name, picture), (blocks[index], where), page, across=False)
    return made


def _station(
    index: int,
    spots: list[Rect],
    box: Rect,
    icon: tuple[str, Rect],
    text: tuple[Block, Rect],
    page: Page,
    *,
    across: bool,
) -> list[Element]:
    colours = page.theme.colours
    align: Align = "center" if across else "left"
    shown = text_paint(text[0], text[1], colours.ink, align)
    made = [ghost(page, f"outline_{index}", box, icon, shown)]
    if index:
        start, end = _ends(spots[index - 1], spots[index], across=across)
        made.append(growing_line(index, start, end, page, 1.25))
    made += [
        _disc(index, spots[index], page),
        Element(
            f"part_{index}",
            box,
            over(card(page, box), icon_paint(icon[0], icon[1], colours.second, 1.7), shown),
            part=index,
            lit=over(card(page, box, lit=True), icon_paint(icon[0], icon[1], colours.accent, 1.7), shown),
            delay=0.1,
            texts=(noted(text[0], text[1], colours.ink, colours.surface_lit, align),),
        ),
    ]
    return made


def _disc(index: int, box: Rect, page: Page) -> Element:
    colours, radius = page.theme.colours, box.w / 2
    number = block(str(index + 1), BOLD, max(box.h * 0.5, 30 * page.unit), box.w)
    where = centred(number, box)

    def face(ground: str, ink: str) -> Paint:
        def paint(canvas: Canvas) -> None:
            canvas.drawCircle(*box.centre, radius - page.line, fill(ground))
            canvas.drawCircle(*box.centre, radius - page.line, stroke(colours.accent, page.line))
            draw_block(canvas, number, where, ink, "center")

        return paint

    return Element(
        f"number_{index}",
        box,
        face(colours.surface, colours.accent),
        part=index,
        lit=face(colours.accent, colours.accent_ink),
        entrance="pop",
        texts=(noted(number, where, colours.accent, colours.surface, "center"),),
    )


def _track(page: Page, spots: list[Rect], *, across: bool) -> Element:
    """The whole way, faint, from the start, with an empty ring for each station."""
    first, last = spots[0], spots[-1]
    whole = first.union(last)
    line = stroke(page.theme.colours.line, page.line * 0.75)

    def paint(canvas: Canvas) -> None:
        for one, other in pairwise(spots):
            start, end = _ends(one, other, across=across)
            canvas.drawLine(*start, *end, line)
        for spot in spots:
            canvas.drawCircle(*spot.centre, spot.w / 2 - page.line, line)

    return Element("track", whole, paint, entrance="fade")


def _ends(one: Rect, other: Rect, *, across: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    if across:
        return (one.right, one.centre[1]), (other.x, other.centre[1])
    return (one.centre[0], one.bottom), (other.centre[0], other.y)
