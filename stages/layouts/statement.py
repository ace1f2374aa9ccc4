"""One sentence, large, its emphasis in the accent, beside a figure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded
from stages.layouts.element import Element, Text
from stages.layouts.figure import counted, figure
from stages.layouts.grid import first_that_fits, panes
from stages.layouts.pieces import icon_paint, icons_for, words
from stages.lettering import MEDIUM, draw_line, fit, measure
from stages.lettering import baseline as baseline_of
from stages.typography import HELD

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.page import Page
    from stages.lettering import Block
    from stages.scenes import Statement

NUMBER = re.compile(r"(?P<value>\d{1,2}:\d\d|[$€£]?\d[\d,.\u00a0]*)\s*(?P<unit>%|[^\W\d_][^\d]{0,14}|)")
"""An emphasis that the figure can show: a number, and in a word or two what it counts."""


def elements(content: Statement, page: Page) -> list[Element]:
    name = icons_for(page, [f"{content.emphasis} {content.text}"])[0]
    number = NUMBER.fullmatch(content.emphasis) if _inside(content) else None
    if page.variant % 3 == 2 and not number and (page.format != "vertical"):
        return _poster(content, name, page)
    text, picture = panes(page, 7, 0.42)
    drawn = first_that_fits(
        *([lambda: _counted(page, picture, name, number)] if number else []),
        lambda: figure(page, picture, [name]),
    )
    return [*drawn, *_words(content, page, text)]


def _poster(content: Statement, name: str, page: Page) -> list[Element]:
    """The sentence over the whole width, under a badge with its icon."""
    colours, u, body = page.theme.colours, page.unit, page.body
    side = min(body.h * 0.26, 168 * u)
    words_box = Rect(body.x, body.y + side + page.gap, body.w, body.h - side - page.gap)
    lines = _words(content, page, words_box, top=True)
    bottom = max(element.box.bottom for element in lines)
    lift = (body.bottom - bottom) / 2
    badge = Rect(body.x, body.y + lift, side, side)
    inner = badge.inset(side * 0.24)
    strip = Rect(body.x, badge.y, body.w, side)

    def face(canvas: Canvas) -> None:
        rounded(canvas, badge, min(page.radius * 1.4, side / 2), fill(colours.accent))

    def drawn(canvas: Canvas, share: float) -> None:
        face(canvas)
        icons.paint_icon(canvas, name, inner, colours.accent_ink, 1.8, share)

    moved = _words(content, page, words_box.moved(0, lift), top=True)
    return [
        *_strip(page, strip, name),
        Element("badge", badge, lambda canvas: drawn(canvas, 1.0), grow=drawn, entrance="grow", delay=0.1),
        *moved,
    ]


def _strip(page: Page, box: Rect, name: str) -> list[Element]:
    """A band behind the badge, with the icons of what else is spoken of; bare where no word has one."""
    colours, count = page.theme.colours, 4 if page.format == "wide" else 2
    words_said = page.words.split()
    share = -(-len(words_said) // count)
    parts = [" ".join(words_said[at : at + share]) for at in range(0, len(words_said), share or 1)][:count]
    made = [
        Element(
            "strip",
            box,
            lambda canvas: rounded(canvas, box, min(page.radius * 1.4, box.h / 2), fill(colours.surface)),
            entrance="wipe",
        )
    ]
    side = box.h * 0.38
    said = [icon for icon in icons_for(page, [name, *parts])[1:] if icon not in icons.FALLBACKS]
    for index, icon in enumerate(said):
        x = box.x + box.w * (index + 1.35) / (count + 0.7) - side / 2
        spot = Rect(x, box.y + (box.h - side) / 2, side, side)
        made.append(
            Element(
                f"aside_{index}",
                spot.inset(-page.line),
                icon_paint(icon, spot, colours.second, 1.6),
                entrance="pop",
                delay=0.25 + 0.12 * index,
            )
        )
    return made


def _counted(page: Page, box: Rect, name: str, number: re.Match[str]) -> list[Element]:
    """An icon that makes room for the number when that is spoken."""
    large = counted(page, box, number["value"], number["unit"], part=1)
    return [*figure(page, box, [name], leaves=True), *large]


def _inside(content: Statement) -> bool:
    """Whether the emphasis is a part of the text, and not a text of its own."""
    return bool(content.emphasis) and content.emphasis.lower() in content.text.lower()


def _words(content: Statement, page: Page, box: Rect, *, top: bool = False) -> list[Element]:
    """The sentence and its emphasis, in the middle of ``box`` or at its top."""
    scale = page.theme.type
    inside = _inside(content)
    apart = bool(content.emphasis) and not inside
    made = fit(
        content.text,
        page.display,
        (box.w, box.h * (0.66 if apart else 0.96)),
        page.sizes(scale.display * (1.0 if len(content.text) < 60 else 0.84), 40),
        1.2,
    )
    extra = (
        fit(content.emphasis, MEDIUM, (box.w - page.gap * 2, box.h * 0.28), page.sizes(scale.body * 1.1), 1.3)
        if apart
        else None
    )
    height = made.height + (extra.height + page.gap * 2.4 if extra else 0)
    place = Rect(box.x, box.y + (0.0 if top else (box.h - height) / 2), box.w, made.height)
    lines = _lines(made, place, page)
    if extra is None:
        return [*lines, *(_marked(content.emphasis, made, place, page) if inside else [])]
    chip = Rect(
        box.x, place.bottom + page.gap * 1.2, extra.width + page.gap * 2, extra.height + page.gap * 1.2
    )
    return [*lines, _chip(extra, chip, page)]


def _lines(made: Block, box: Rect, page: Page) -> list[Element]:
    """The sentence, line after line."""
    colours = page.theme.colours
    single = [replace(made, lines=(line,), width=measure(line, made.face, made.size)) for line in made.lines]
    return [
        words(
            f"statement_{index}",
            line,
            box.moved(0, index * made.leading),
            page,
            colours.ink,
            colours.background,
            part=0,
            entrance="rise",
            delay=0.14 * index,
        )
        for index, line in enumerate(single)
    ]


def _chip(made: Block, box: Rect, page: Page) -> Element:
    """What is to be remembered, on the accent."""
    colours = page.theme.colours
    place = Rect(box.x + page.gap, box.y + page.gap * 0.6, made.width, made.height)
    text = words("emphasis", made, place, page, colours.accent_ink, colours.accent)

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, page.radius, fill(colours.accent))
        text.paint(canvas)

    return Element("emphasis", box, paint, part=1, entrance="pop", texts=text.texts)


def _marked(phrase: str, made: Block, box: Rect, page: Page) -> list[Element]:
    """The phrase drawn again in the accent, line by line, wherever the line breaks fall."""
    joined = " ".join(made.lines).replace(HELD, " ")
    start = joined.lower().find(" ".join(phrase.lower().split()))
    if start < 0:
        return []
    stop, at, marked = start + len(" ".join(phrase.split())), 0, []
    for index, line in enumerate(made.lines):
        low, high = max(start - at, 0), min(stop - at, len(line))
        if low < high:
            marked.append(_over_line(index, line[:low], line[low:high].rstrip(), made, box, page))
        at += len(line) + 1
    return marked


def _over_line(index: int, before: str, phrase: str, made: Block, box: Rect, page: Page) -> Element:
    colours = page.theme.colours
    x = box.x + measure(before, made.face, made.size)
    wide = measure(phrase, made.face, made.size)
    line = Rect(x - 2, box.y + index * made.leading, wide + 4, made.leading)

    def paint(canvas: Canvas) -> None:
        at = (x, box.y + baseline_of(made, index))
        draw_line(canvas, phrase, made.face, made.size, at, colours.accent)

    shown = Text(phrase, line.inset(2, 0), made.size, colours.accent, colours.background)
    return Element(
        f"emphasis_{index}", line, paint, part=1, entrance="wipe", delay=0.3 * index, texts=(shown,)
    )
