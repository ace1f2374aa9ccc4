"""One sentence, large, its emphasis in the accent, beside a figure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded
from stages.layouts.element import Element, Text
from stages.layouts.figure import counted, figure
from stages.layouts.grid import first_that_fits, panes
from stages.layouts.pieces import icons_for, words
from stages.lettering import baseline as baseline_of
from stages.lettering import draw_line, fit, measure
from stages.quantities import figure_of
from stages.typography import HELD

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.page import Page
    from stages.lettering import Block
    from stages.scenes import Statement


def elements(content: Statement, page: Page) -> list[Element]:
    name = icons_for(page, [f"{content.emphasis} {content.text}"])[0]
    number = figure_of(content.text, content.emphasis)
    if page.variant % 3 == 2 and not number and (page.format != "vertical"):
        return _poster(content, name, page)
    text, picture = panes(page, 7, 0.42)
    drawn = first_that_fits(
        *([lambda: _counted(page, picture, name, number)] if number else []),
        lambda: figure(page, picture, [name]),
    )
    return [*drawn, *_words(content, page, text)]


def _poster(content: Statement, name: str, page: Page) -> list[Element]:
    """The sentence beside a panel in the accent that is as high as the body; in a square one over the other."""
    colours, body = page.theme.colours, page.body
    if page.format == "wide":
        panel = Rect(body.x, body.y, page.span(3), body.h)
        text = Rect(panel.right + page.gap * 2, body.y, body.right - panel.right - page.gap * 2, body.h)
    else:
        panel = Rect(body.x, body.y, body.w, body.h * 0.36)
        text = Rect(body.x, panel.bottom + page.gap, body.w, body.bottom - panel.bottom - page.gap)
    side = min(panel.w, panel.h) * 0.56
    inner = Rect(panel.centre[0] - side / 2, panel.centre[1] - side / 2, side, side)

    def drawn(canvas: Canvas, share: float) -> None:
        icons.paint_icon(canvas, name, inner, colours.accent_ink, 1.5, share)

    return [
        Element(
            "panel",
            panel,
            lambda canvas: rounded(canvas, panel, page.radius, fill(colours.accent)),
            entrance="wipe",
        ),
        Element(
            "panel_icon",
            inner.inset(-side * 0.04),
            lambda canvas: drawn(canvas, 1.0),
            grow=drawn,
            entrance="grow",
            delay=0.25,
        ),
        *_words(content, page, text),
    ]


def _counted(page: Page, box: Rect, name: str, number: tuple[str, str]) -> list[Element]:
    """An icon that makes room for the number when that is spoken."""
    large = counted(page, box, *number, part=1)
    return [*figure(page, box, [name], leaves=True), *large]


def _words(content: Statement, page: Page, box: Rect) -> list[Element]:
    """The sentence in the middle of ``box``, and over it its emphasis; one that is not in it is not shown."""
    largest = page.theme.type.display * (1.0 if len(content.text) < 60 else 0.84)
    made = fit(content.text, page.display, (box.w, box.h * 0.96), page.sizes(largest, 40), 1.2)
    place = Rect(box.x, box.y + (box.h - made.height) / 2, box.w, made.height)
    return [*_lines(made, place, page), *_marked(content.emphasis, made, place, page)]


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


def _marked(phrase: str, made: Block, box: Rect, page: Page) -> list[Element]:
    """The phrase drawn again in the accent, line by line, wherever the line breaks fall."""
    joined = " ".join(made.lines).replace(HELD, " ")
    start = joined.lower().find(" ".join(phrase.lower().split()))
    if not phrase.strip() or start < 0:
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
