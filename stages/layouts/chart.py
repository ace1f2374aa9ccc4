"""Bars of numbers that a source gives: each grows when it is spoken of, on a scale that begins at zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Element
from stages.layouts.grid import columns, first_that_fits, rows
from stages.layouts.pieces import noted
from stages.lettering import BOLD, MEDIUM, Unfit, draw_block, fit_all

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.element import Growing, Paint
    from stages.layouts.page import Page
    from stages.lettering import Align, Block
    from stages.scenes import Chart

_GLUED = ("%", "°", "°C", "°F", "x", "×")


def elements(content: Chart, page: Page) -> list[Element]:
    negative = any(point.value < 0 for point in content.points)
    upright, lying = partial(_columns, content, page), partial(_rows, content, page)
    if page.format == "vertical" or (page.format == "square" and len(content.points) > 4):
        return first_that_fits(partial(_stacked, content, page), lying, *([] if negative else [upright]))
    if negative:
        return lying()
    if len(content.points) > 6:
        return first_that_fits(lying, upright)
    return first_that_fits(upright, lying)


def shown_value(value: float, unit: str, decimals: int | None = None) -> str:
    """The number as a person writes it: thousands apart, its unit behind, with its decimals or as few as it needs."""
    few = f"{value:,.4f}".rstrip("0").rstrip(".")
    number = (few if decimals is None else f"{value:,.{decimals}f}").replace("-", "−")
    if not unit:
        return number
    if unit in ("$", "€", "£"):
        return f"{unit}{number}"
    return f"{number}{unit}" if unit in _GLUED else f"{number}\u00a0{unit}"


def _numbers(content: Chart) -> list[str]:
    return [shown_value(point.value, content.unit, content.decimals) for point in content.points]


def _columns(content: Chart, page: Page) -> list[Element]:
    u, body = page.unit, page.body
    count = len(content.points)
    places = columns(body.inset(body.w * (0.08 if count <= 3 else 0.0), 0), count, page.gap * 1.6)
    values = _numbers(content)
    numbers = fit_all(
        values, BOLD, [(places[0].w, 76 * u)] * count, page.sizes(page.theme.type.body * 1.2), 1.2
    )
    labels = fit_all(
        [p.label for p in content.points],
        MEDIUM,
        [(places[0].w, 92 * u)] * count,
        page.sizes(page.theme.type.body * 0.86),
        1.2,
    )
    if any(len(number.lines) > 1 for number in numbers):
        raise Unfit("numbers too wide for columns")
    foot = max(label.height for label in labels) + 18 * u
    base = body.bottom - foot
    room = base - body.y - numbers[0].height - 12 * u
    top = max(point.value for point in content.points) or 1.0
    made = [_axis(Rect(body.x, base, body.w, page.line), page)]
    for index, point in enumerate(content.points):
        place = places[index]
        width = min(place.w * 0.72, 260 * u)
        height = max(room * point.value / top, page.line)
        bar = Rect(place.x + (place.w - width) / 2, base - height, width, height)
        above = Rect(place.x, bar.y - numbers[index].height - 8 * u, place.w, numbers[index].height)
        below = Rect(place.x, base + 16 * u, place.w, labels[index].height)
        made.append(_slot(index, Rect(bar.x, base - room, width, room), page))
        made += _bar(index, bar, (numbers[index], above), (labels[index], below), page, upright=True)
    return made


def _rows(content: Chart, page: Page) -> list[Element]:
    u, body = page.unit, page.body
    count = len(content.points)
    places = rows(body, count, page.gap * 0.7, page.tall(150))
    share = 0.26 if page.format == "wide" else 0.34
    values = _numbers(content)
    space = (body.w * share, places[0].h)
    labels = fit_all(
        [p.label for p in content.points], MEDIUM, [space] * count, page.sizes(page.theme.type.body), 1.16
    )
    numbers = fit_all(
        values, BOLD, [(body.w * 0.24, places[0].h)] * count, page.sizes(page.theme.type.body), 1.1
    )
    behind = max(number.width for number in numbers) + 30 * u
    low = min(0.0, *(point.value for point in content.points))
    high = max(0.0, *(point.value for point in content.points))
    before = behind if low < 0 else 0.0
    left = body.x + max(label.width for label in labels) + 32 * u + before
    scale = (body.right - behind - left) / ((high - low) or 1.0)
    zero = left - low * scale
    made = [_axis(Rect(zero, places[0].y - 8 * u, page.line, places[-1].bottom - places[0].y + 16 * u), page)]
    for index, point in enumerate(content.points):
        place, number, label = places[index], numbers[index], labels[index]
        length = max(abs(point.value) * scale, page.line)
        thick = min(place.h * 0.72, page.tall(96))
        bar = Rect(
            zero if point.value >= 0 else zero - length, place.y + (place.h - thick) / 2, length, thick
        )
        x = bar.right + 18 * u if point.value >= 0 else bar.x - 18 * u - number.width
        value_box = Rect(x, place.y + (place.h - number.height) / 2, number.width + 4, number.height)
        label_box = Rect(body.x, place.y + (place.h - label.height) / 2, label.width + 4, label.height)
        made.append(_slot(index, Rect(left, bar.y, body.right - behind - left, thick), page))
        made += _bar(index, bar, (number, value_box), (label, label_box), page, upright=False)
    return made


def _stacked(content: Chart, page: Page) -> list[Element]:
    """For a narrow frame: each bar as long as the frame is wide, label and number above it."""
    u, body = page.unit, page.body
    count = len(content.points)
    places = rows(body, count, page.gap * 0.9, page.tall(176))
    values = _numbers(content)
    thick = min(places[0].h * 0.42, 84 * u)
    space = places[0].h - thick - 6 * u
    size = page.theme.type.body * 1.05
    numbers = fit_all(values, BOLD, [(body.w * 0.42, space)] * count, page.sizes(size), 1.15)
    widest = max(number.width for number in numbers) + 24 * u
    labels = fit_all(
        [p.label for p in content.points], MEDIUM, [(body.w - widest, space)] * count, page.sizes(size), 1.15
    )
    low = min(0.0, *(point.value for point in content.points))
    high = max(0.0, *(point.value for point in content.points))
    scale = body.w / ((high - low) or 1.0)
    made: list[Element] = []
    for index, point in enumerate(content.points):
        place, number, label = places[index], numbers[index], labels[index]
        slot = Rect(body.x, place.bottom - thick, body.w, thick)
        length = max(abs(point.value) * scale, page.line)
        zero = body.x - low * scale
        bar = Rect(zero if point.value >= 0 else zero - length, slot.y, length, thick)
        base = slot.y - 6 * u
        where = Rect(body.right - number.width - 4, base - number.height, number.width + 4, number.height)
        beside = Rect(body.x, base - label.height, label.width + 4, label.height)
        made.append(_slot(index, slot, page))
        made += _bar(index, bar, (number, where), (label, beside), page, upright=False)
    return made


def _bar(
    index: int, bar: Rect, number: tuple[Block, Rect], label: tuple[Block, Rect], page: Page, *, upright: bool
) -> list[Element]:
    """Label from the start, then the bar, then its number."""
    colours, quiet = page.theme.colours, index in page.quiet
    align: Align = "center" if upright else "left"
    name = Element(
        f"label_{index}",
        label[1],
        lambda canvas: draw_block(canvas, label[0], label[1], colours.muted, align),
        lit=lambda canvas: draw_block(
            canvas, label[0], label[1], colours.ink, "center" if upright else "left"
        ),
        texts=(noted(*label, colours.muted, colours.background, align),),
    )
    value = Element(
        f"value_{index}",
        number[1],
        lambda canvas: draw_block(canvas, number[0], number[1], colours.ink, align),
        part=index,
        lit=None if quiet else lambda canvas: draw_block(canvas, number[0], number[1], colours.accent, align),
        entrance="rise",
        delay=0.35,
        texts=(noted(*number, colours.ink if quiet else colours.accent, colours.surface, align),),
    )
    body = Element(
        f"bar_{index}",
        bar,
        _filled(bar, colours.second, page),
        part=index,
        lit=None if quiet else _filled(bar, colours.accent, page),
        grow=_growing(bar, colours.second if quiet else colours.accent, page, upright=upright),
        entrance="grow",
    )
    return [name, body, value]


def _slot(index: int, box: Rect, page: Page) -> Element:
    """The whole length of the scale, faint, from the start."""
    return Element(f"slot_{index}", box, _filled(box, page.theme.colours.surface, page), entrance="fade")


def _filled(bar: Rect, colour: str, page: Page) -> Paint:
    radius = min(page.radius * 0.5, bar.w / 2, bar.h / 2)
    return lambda canvas: rounded(canvas, bar, radius, fill(colour))


def _growing(bar: Rect, colour: str, page: Page, *, upright: bool) -> Growing:
    def grow(canvas: Canvas, share: float) -> None:
        part = (
            Rect(bar.x, bar.bottom - bar.h * share, bar.w, bar.h * share)
            if upright
            else Rect(bar.x, bar.y, bar.w * share, bar.h)
        )
        _filled(part, colour, page)(canvas)

    return grow


def _axis(box: Rect, page: Page) -> Element:
    line = stroke(page.theme.colours.line, page.line)
    start, end = (box.x, box.y), (box.right, box.y) if box.w > box.h else (box.x, box.bottom)
    return Element(
        "axis", box.inset(-page.line), lambda canvas: canvas.drawLine(*start, *end, line), entrance="wipe"
    )
