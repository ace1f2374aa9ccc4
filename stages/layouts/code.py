"""Code or a terminal, in a window, with line numbers; the line spoken of stands out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Element, Text
from stages.layouts.highlighting import SHELLS, Run, coloured
from stages.layouts.pieces import faint, noted
from stages.lettering import MEDIUM, MONO, Unfit, block, draw_block, draw_line, measure

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.page import Page
    from stages.scenes import Code


@dataclass(frozen=True)
class Row:
    """One row on screen: a source line or the rest of one that was too wide."""

    text: str
    line: int
    first: bool
    start: int
    """The column of its line that its first letter has."""
    indent: int
    """The blanks before it that the line does not have."""


def elements(content: Code, page: Page) -> list[Element]:
    u, body = page.unit, page.body
    bar = 64 * u
    inner = Rect(body.x + 40 * u, body.y + bar + 14 * u, body.w - 80 * u, body.h - bar - 38 * u)
    shell = content.language.lower() in SHELLS
    rows, size, leading, gutter = _fitted(content.lines, inner, page, numbered=not shell)
    height = leading * len(rows)
    window = Rect(body.x, body.y, body.w, min(body.h, max(bar + height + 90 * u, body.h * 0.62)))
    window = window.moved(0, (body.h - window.h) / 2)
    top = float(round(window.y + bar + (window.h - bar - height) / 2))
    made = [_window(window, bar, content, page)]
    runs = coloured([_plain(line) for line in content.lines], content.language, page.theme.colours)
    order = 0
    for index, row in enumerate(rows):
        order = 0 if row.first else order + 1
        box = Rect(window.x + page.line, top + index * leading, window.w - 2 * page.line, leading)
        made += _row(row, runs[row.line], box, (inner.x, gutter), size, page, order)
    return made


def _fitted(
    lines: list[str], inner: Rect, page: Page, *, numbered: bool
) -> tuple[list[Row], float, float, float]:
    """Rows, size, leading and gutter at the largest size that holds every line."""
    smallest, size = page.sizes(64 if len(lines) <= 5 else 52)
    while True:
        letter = measure("0", MONO, size)
        gutter = letter * (len(str(len(lines))) + 2) if numbered else 0.0
        rows = _rows(lines, max(int((inner.w - gutter) / letter), 8))
        # Whole pixels: between the rows of one line no seam is seen.
        leading = float(int(size * (1.5 if size * 1.5 * len(rows) <= inner.h else 1.3)))
        wraps = len(rows) > len(lines) and size > smallest * 1.15
        if leading * len(rows) <= inner.h and not wraps:
            return rows, size, leading, gutter
        if size <= smallest:
            raise Unfit(f"code of {len(rows)} rows is too long to be readable")
        size = max(size * 0.95, smallest)


def _rows(lines: list[str], columns: int) -> list[Row]:
    rows = []
    for number, line in enumerate(lines):
        text = _plain(line)
        indent = min(len(text) - len(text.lstrip()) + 4, columns // 2)
        rest, first = text, True
        while first or rest:
            room = columns if first else columns - indent
            at = len(rest) if len(rest) <= room else _break(rest, room)
            moved = 0 if first else indent
            rows.append(Row(" " * moved + rest[:at], number, first, len(text) - len(rest), moved))
            rest, first = rest[at:], False
    return rows


def _plain(line: str) -> str:
    return line.expandtabs(4).rstrip()


def _break(text: str, room: int) -> int:
    """Where to go on to the next row: after a space if there is one, else after a separator."""
    for signs in (" ", ",;(", "/=.:|&_-"):
        at = max(text.rfind(sign, room // 2, room) for sign in signs)
        if at >= 0:
            return at + 1
    return room


def _window(box: Rect, bar: float, content: Code, page: Page) -> Element:
    colours, u = page.theme.colours, page.unit
    name = content.language or "text"
    label = block(name, MEDIUM, page.small, box.w / 2)
    where = Rect(box.x, box.y + (bar - label.height) / 2, box.w - 32 * u, label.height)

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, page.radius, fill(colours.code_background))
        canvas.save()
        canvas.clipRect(Rect(box.x, box.y, box.w, bar).sk())
        rounded(canvas, box, page.radius, fill(colours.surface))
        canvas.restore()
        rounded(canvas, box.inset(page.line / 2), page.radius, stroke(colours.line, page.line / 2))
        for index, colour in enumerate((colours.negative, colours.accent, colours.positive)):
            canvas.drawCircle(box.x + (40 + index * 36) * u, box.y + bar / 2, 10 * u, fill(colour))
        draw_block(canvas, label, where, colours.muted, "right")

    text = noted(label, where, colours.muted, colours.surface, "right")
    return Element("window", box, paint, entrance="rise", texts=(text,))


def _row(
    row: Row, runs: list[Run], box: Rect, left: tuple[float, float], size: float, page: Page, order: int
) -> list[Element]:
    """One row, which comes when those of the same line before it, ``order`` of them, have come."""
    colours, (x, gutter) = page.theme.colours, left
    text = Text(
        row.text,
        Rect(x + gutter, box.y, measure(row.text, MONO, size), box.h),
        size, colours.ink, colours.code_background,
    )  # fmt: skip

    def written(canvas: Canvas) -> None:
        y = box.y + box.h * 0.5 + size * 0.36
        if gutter and row.first:
            label = str(row.line + 1)
            end = x + gutter - measure("00", MONO, size)
            draw_line(canvas, label, MONO, size, (end - measure(label, MONO, size), y), colours.muted)
        _drawn(canvas, row, runs, (x + gutter, y), size)

    def marked(canvas: Canvas) -> None:
        canvas.drawRect(box.sk(), fill(colours.surface))
        canvas.drawRect(Rect(box.x, box.y, page.line * 1.5, box.h).sk(), fill(colours.accent))
        written(canvas)

    def clean(canvas: Canvas) -> None:
        canvas.drawRect(box.sk(), fill(colours.code_background))
        written(canvas)

    name = f"{row.line}" if row.first else f"{row.line}_{order}"
    part = Element(f"line_{name}", box, clean, part=row.line, entrance="wipe")
    if not row.text.strip():
        return [part]
    lit = None if row.line in page.quiet else marked
    spoken = replace(part, lit=lit, texts=(text,), delay=order * page.theme.motion.enter)
    return [faint(f"outline_{name}", box, written), spoken]


def _drawn(canvas: Canvas, row: Row, runs: list[Run], at: tuple[float, float], size: float) -> None:
    """One row of a line, whose runs it shares with the line's other rows."""
    letter = measure("0", MONO, size)
    end = row.start + len(row.text) - row.indent
    for column, text, colour in runs:
        begin = max(column, row.start)
        run = text[begin - column : max(end - column, 0)]
        # Signs one by one: together the font would join "->" or "!=" into signs that nobody typed.
        for piece in re.finditer(r"[\w\s.,()'\"]+|.", run):
            x = at[0] + (row.indent + begin - row.start + piece.start()) * letter
            draw_line(canvas, piece.group(), MONO, size, (x, at[1]), colour)
