"""Dates along a line that grows from one to the next, with what happened at each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, stroke
from stages.layouts.element import Element
from stages.layouts.grid import centred, columns, first_that_fits, rows
from stages.layouts.pieces import card, ghost, growing_line, noted, over, text_paint
from stages.lettering import MEDIUM, Unfit, draw_block, fit_all

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.page import Page
    from stages.lettering import Align, Block
    from stages.scenes import Timeline


def elements(content: Timeline, page: Page) -> list[Element]:
    down = partial(_down, content, page)
    if page.format != "wide":
        return down()
    if len(content.events) <= 3:
        return first_that_fits(partial(_below, content, page), down)
    return first_that_fits(partial(_zigzag, content, page), down)


def _below(content: Timeline, page: Page) -> list[Element]:
    """Two or three dates, large, over a line; a card hangs under each."""
    u, body = page.unit, page.body
    count = len(content.events)
    places = columns(body, count, page.gap)
    dates = _dates(content, page, [(place.w, 110 * u) for place in places], page.theme.type.heading * 1.1)
    line = body.y + max(date.height for date in dates) + 40 * u
    height = min(body.bottom - line - 56 * u, 430 * u)
    cards = [Rect(place.x, line + 56 * u, place.w, height) for place in places]
    texts = _texts(content, page, cards)
    made = [_track(page, Rect(body.x, line, body.w, 0))]
    spots = [(place.x + 20 * u, line) for place in places]
    for index, place in enumerate(places):
        date = Rect(place.x, line - 40 * u - dates[index].height, place.w, dates[index].height)
        came = spots[index - 1] if index else (body.x, line)
        made += _event(index, (came, spots[index]), (dates[index], date), (texts[index], cards[index]), page)
    return made


def _zigzag(content: Timeline, page: Page) -> list[Element]:
    """Four dates or more: cards over and under the line in turn, two columns wide each."""
    u, body = page.unit, page.body
    count = len(content.events)
    step = body.w / (count + 1)
    line = body.centre[1]
    reach = 112 * u
    height = min(body.h / 2 - reach, 300 * u)
    cards, spots, dates_at = [], [], []
    for index in range(count):
        x = body.x + step * (index + 1)
        up = index % 2 == 0
        left = body.x + step * index
        wide = step * 2 - page.gap
        cards.append(Rect(left + page.gap / 2, line - reach - height if up else line + reach, wide, height))
        spots.append((x, line))
        dates_at.append(Rect(x - step / 2, line + 30 * u if up else line - 30 * u - 64 * u, step, 64 * u))
    dates = _dates(content, page, [(step - 12 * u, 64 * u)] * count, page.theme.type.body * 1.1)
    if any(len(date.lines) > 1 for date in dates):
        raise Unfit("dates too long to stand beside each other")
    texts = _texts(content, page, cards)
    made = [_track(page, Rect(body.x, line, body.w, 0))]
    for index in range(count):
        came = spots[index - 1] if index else (body.x, line)
        edge = cards[index].bottom if cards[index].y < line else cards[index].y
        made.append(
            _track(page, Rect(spots[index][0], min(edge, line), 0, abs(edge - line)), f"stem_{index}")
        )
        place = centred(dates[index], dates_at[index])
        made += _event(
            index, (came, spots[index]), (dates[index], place), (texts[index], cards[index]), page, "center"
        )
    return made


def _down(content: Timeline, page: Page) -> list[Element]:
    """Dates on the left of an upright line, cards on its right."""
    u, body = page.unit, page.body
    count = len(content.events)
    places = rows(body, count, page.gap * 0.8, page.tall(230))
    dates = _dates(
        content, page, [(body.w * 0.3, places[0].h)] * count, page.theme.type.body * 1.25, cut=True
    )
    line = body.x + max(date.width for date in dates) + 40 * u
    cards = [Rect(line + 44 * u, place.y, body.right - line - 44 * u, place.h) for place in places]
    texts = _texts(content, page, cards)
    spots = [(line, place.centre[1]) for place in places]
    made = [_track(page, Rect(line, body.y, 0, body.h))]
    for index, place in enumerate(places):
        date = centred(dates[index], Rect(body.x, place.y, line - 40 * u - body.x, place.h))
        came = spots[index - 1] if index else (line, body.y)
        made += _event(
            index, (came, spots[index]), (dates[index], date), (texts[index], cards[index]), page, "right"
        )
    return made


def _dates(
    content: Timeline, page: Page, boxes: list[tuple[float, float]], size: float, *, cut: bool = False
) -> list[Block]:
    return fit_all(
        [event.when for event in content.events],
        page.display,
        boxes,
        page.sizes(size),
        1.1,
        whole_words=not cut,
    )


def _texts(content: Timeline, page: Page, cards: list[Rect]) -> list[Block]:
    pad = 60 * page.unit
    return fit_all(
        [event.text for event in content.events],
        MEDIUM,
        [(box.w - pad, box.h - pad * 0.25) for box in cards],
        page.sizes(page.theme.type.body * 1.1),
        1.22,
    )


def _event(
    index: int,
    way: tuple[tuple[float, float], tuple[float, float]],
    date: tuple[Block, Rect],
    text: tuple[Block, Rect],
    page: Page,
    align: Align = "left",
) -> list[Element]:
    colours, (made, box) = page.theme.colours, text
    where = centred(made, Rect(box.x + 30 * page.unit, box.y, box.w - 60 * page.unit, box.h))
    shown = text_paint(made, where, colours.ink)
    return [
        ghost(page, f"outline_{index}", box, text=shown),
        _date(f"date_{index}", date, colours.muted, page, align),
        growing_line(index, *way, page, 1.5),
        _knot(index, way[1], page),
        Element(
            f"part_{index}",
            box,
            over(card(page, box), shown),
            part=index,
            lit=over(card(page, box, lit=True), shown),
            entrance="wipe",
            delay=0.12,
            texts=(noted(made, where, colours.ink, colours.surface_lit),),
        ),
        replace(_date(f"when_{index}", date, colours.accent, page, align), part=index, texts=()),
    ]


def _date(name: str, date: tuple[Block, Rect], colour: str, page: Page, align: Align) -> Element:
    """A date in one colour: it is muted until it is spoken of."""
    named = noted(*date, colour, page.theme.colours.background, align)
    return Element(
        name,
        named.box.inset(-6 * page.unit, 0),
        lambda canvas: draw_block(canvas, *date, colour, align),
        entrance="fade",
        texts=(named,),
    )


def _track(page: Page, way: Rect, name: str = "track") -> Element:
    """A line, faint, from the start."""
    line = stroke(page.theme.colours.line, page.line)
    box = way.inset(-page.line)
    return Element(
        name,
        box,
        lambda canvas: canvas.drawLine(way.x, way.y, way.right, way.bottom, line),
        entrance="wipe",
    )


def _knot(index: int, at: tuple[float, float], page: Page) -> Element:
    colours, radius = page.theme.colours, 15 * page.unit

    def paint(colour: str, canvas: Canvas) -> None:
        canvas.drawCircle(*at, radius, fill(colour))
        canvas.drawCircle(*at, radius, stroke(colours.accent, page.line))

    box = Rect(at[0] - radius, at[1] - radius, radius * 2, radius * 2).inset(-page.line)
    return Element(
        f"knot_{index}",
        box,
        partial(paint, colours.background),
        part=index,
        lit=partial(paint, colours.accent),
        entrance="pop",
    )
