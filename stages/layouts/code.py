"""Code or a terminal, in a window, with line numbers; the line spoken of stands out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.drawing import (
    MEDIUM,
    MONO,
    Rect,
    Unfit,
    block,
    draw_block,
    draw_line,
    fill,
    measure,
    rounded,
    stroke,
)
from stages.layouts.base import Element, Text, faint, noted

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.base import Page
    from stages.scenes import Code
    from stages.theme import Colours

_SHELLS = ("sh", "bash", "shell", "console", "terminal", "zsh")
_TOKEN = re.compile(
    r"(?P<comment>(?<!\S)#.*$|//.*$|--\s.*$)|(?P<string>\"[^\"]*\"|'[^']*'|`[^`]*`)"
    r"|(?P<number>\b\d[\w.]*\b)|(?P<key>^\s*-?\s*[\w.\-]+(?=:(\s|$)))|(?P<word>\b[A-Za-z_]\w*\b)|(?P<other>.)"
)
_KEYWORDS = frozenset(
    """
    def class return import from if else elif for while in not and or with as try except raise yield lambda
    None True False fn let mut pub use struct enum impl match const var function new this async await
    static void int char bool include select where insert into update delete create table begin commit
    func package type interface sudo export then fi do done case esac
    """.split()
)


@dataclass(frozen=True)
class Row:
    """One row on screen: a source line or the rest of one that was too wide."""

    text: str
    line: int
    first: bool


def elements(content: Code, page: Page) -> list[Element]:
    u, body = page.unit, page.body
    bar = 64 * u
    inner = Rect(body.x + 40 * u, body.y + bar + 14 * u, body.w - 80 * u, body.h - bar - 38 * u)
    shell = content.language.lower() in _SHELLS
    rows, size, leading, gutter = _fitted(content.lines, inner, page, numbered=not shell)
    height = leading * len(rows)
    window = Rect(body.x, body.y, body.w, min(body.h, max(bar + height + 90 * u, body.h * 0.62)))
    window = window.moved(0, (body.h - window.h) / 2)
    top = window.y + bar + (window.h - bar - height) / 2
    made = [_window(window, bar, content, page)]
    for line in range(len(content.lines)):
        mine = [index for index, row in enumerate(rows) if row.line == line]
        box = Rect(
            window.x + page.line, top + mine[0] * leading, window.w - 2 * page.line, leading * len(mine)
        )
        made += _line(
            line, [rows[i] for i in mine], box, (inner.x, gutter), (size, leading), page, shell=shell
        )
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
        leading = size * 1.5 if size * 1.5 * len(rows) <= inner.h else size * 1.3
        wraps = len(rows) > len(lines) and size > smallest * 1.15
        if leading * len(rows) <= inner.h and not wraps:
            return rows, size, leading, gutter
        if size <= smallest:
            raise Unfit(f"code of {len(rows)} rows is too long to be readable")
        size = max(size * 0.95, smallest)


def _rows(lines: list[str], columns: int) -> list[Row]:
    rows = []
    for number, line in enumerate(lines):
        text = line.expandtabs(4).rstrip()
        indent = min(len(text) - len(text.lstrip()) + 4, columns // 2)
        rest, first = text, True
        while first or rest:
            room = columns if first else columns - indent
            at = len(rest) if len(rest) <= room else _break(rest, room)
            rows.append(Row(rest[:at] if first else " " * indent + rest[:at], number, first))
            rest, first = rest[at:], False
    return rows


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


def _line(
    number: int,
    rows: list[Row],
    box: Rect,
    left: tuple[float, float],
    type_: tuple[float, float],
    page: Page,
    *,
    shell: bool,
) -> list[Element]:
    colours, (size, leading), (x, gutter) = page.theme.colours, type_, left

    def written(canvas: Canvas) -> None:
        for index, row in enumerate(rows):
            y = box.y + leading * (index + 0.5) + size * 0.36
            if gutter and row.first:
                label = str(number + 1)
                end = x + gutter - measure("00", MONO, size)
                draw_line(canvas, label, MONO, size, (end - measure(label, MONO, size), y), colours.muted)
            _coloured(canvas, row.text, (x + gutter, y), size, colours, prompt=shell and row.first)

    def marked(canvas: Canvas) -> None:
        canvas.drawRect(box.sk(), fill(colours.surface))
        canvas.drawRect(Rect(box.x, box.y, page.line * 1.5, box.h).sk(), fill(colours.accent))
        written(canvas)

    shown = " ".join(row.text for row in rows)
    width = max(measure(row.text, MONO, size) for row in rows)
    text = Text(shown, Rect(x + gutter, box.y, width, box.h), size, colours.ink, colours.code_background)

    def clean(canvas: Canvas) -> None:
        canvas.drawRect(box.sk(), fill(colours.code_background))
        written(canvas)

    part = Element(
        f"line_{number}",
        box,
        clean,
        part=number,
        lit=marked,
        entrance="wipe",
        texts=(text,) if shown.strip() else (),
    )
    return [faint(f"outline_{number}", box, written), part] if shown.strip() else [part]


def _coloured(
    canvas: Canvas, text: str, at: tuple[float, float], size: float, colours: Colours, *, prompt: bool
) -> None:
    letter = measure("0", MONO, size)
    runs: list[tuple[int, str, str]] = []
    for found in _TOKEN.finditer(text):
        colour = _colour(found, colours)
        if prompt and found.start() == 0 and found.group() in "$#%>":
            colour = colours.accent
        if runs and runs[-1][2] == colour:
            start, before, _ = runs.pop()
            runs.append((start, before + found.group(), colour))
        else:
            runs.append((found.start(), found.group(), colour))
    for start, run, colour in runs:
        # Signs one by one: together the font would join "->" or "!=" into signs that nobody typed.
        for piece in re.finditer(r"[\w\s.,()'\"]+|.", run):
            x = at[0] + (start + piece.start()) * letter
            draw_line(canvas, piece.group(), MONO, size, (x, at[1]), colour)


def _colour(found: re.Match[str], colours: Colours) -> str:
    kind = found.lastgroup
    if kind == "word":
        return colours.second if found.group() in _KEYWORDS else colours.ink
    return {
        "comment": colours.muted,
        "string": colours.positive,
        "number": colours.accent,
        "key": colours.second,
    }.get(kind or "", colours.ink)
