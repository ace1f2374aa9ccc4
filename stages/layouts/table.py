"""Rows and columns of a source; the row spoken of stands out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, rounded
from stages.layouts.element import Element
from stages.layouts.grid import centred, rows
from stages.layouts.pieces import card, faint, ghost, noted, over, text_paint
from stages.lettering import BOLD, REGULAR, Unfit, block, draw_block, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Canvas
    from stages.layouts.element import Paint
    from stages.layouts.page import Page
    from stages.lettering import Align, Block
    from stages.scenes import Table

_NUMBER = re.compile(r"^[~<>≈]?\s*[-+−$€£]?\d[\d.,\s]*\s*(%|[a-zA-Zµ°/]{0,6})$")


def elements(content: Table, page: Page) -> list[Element]:
    """Measured at falling sizes until every cell fits in its column and every row in the body."""
    count = max([len(content.columns), *(len(row) for row in content.rows)])
    grid = [_padded(row, count) for row in ([content.columns] if content.columns else []) + content.rows]
    smallest, size = page.sizes(page.theme.type.body * 1.1)
    while True:
        if page.format != "wide" and size < page.theme.type.body * 0.9 * page.unit and content.columns:
            made = _cards(content, page)
            if made is not None:
                return made
        made = _set(grid, bool(content.columns), size, page)
        if made is not None:
            return made
        if size <= smallest:
            raise Unfit(
                f"a table of {len(content.rows)} rows and {count} columns is too large to be readable"
            )
        size = max(size * 0.94, smallest)


def _cards(content: Table, page: Page) -> list[Element] | None:
    """For a narrow frame: a card a row, its first cell large, the others each after its heading."""
    u, count = page.unit, len(content.rows)
    places = rows(page.body, count, page.gap * 0.8, page.tall(240))
    pad, inner = 34 * u, page.body.w - 68 * u
    texts = [
        [f"{name}: {cell}" for name, cell in zip(content.columns[1:], row[1:], strict=False) if cell.strip()]
        for row in content.rows
    ]
    smallest, size = page.sizes(page.theme.type.body)
    while True:
        heads = [block(row[0] or " ", BOLD, size * 1.08, inner, 1.2) for row in content.rows]
        bodies = [[block(text, REGULAR, size * 0.94, inner, 1.22) for text in each] for each in texts]
        heights = [
            head.height + sum(each.height for each in body) for head, body in zip(heads, bodies, strict=True)
        ]
        if max(heights) <= places[0].h - pad * 0.8 and max(head.width for head in heads) <= inner:
            break
        if size * 0.94 * 0.94 < smallest:
            return None
        size *= 0.94
    return [
        element
        for index, place in enumerate(places)
        for element in _card(index, place, [heads[index], *bodies[index]], heights[index], page)
    ]


def _card(index: int, place: Rect, blocks: list[Block], height: float, page: Page) -> list[Element]:
    colours, pad = page.theme.colours, 34 * page.unit
    top = place.y + (place.h - height) / 2
    paints, texts = [], []
    for number, made in enumerate(blocks):
        where = Rect(place.x + pad, top, place.w - 2 * pad, made.height)
        paints.append(text_paint(made, where, colours.ink if number else colours.accent))
        texts.append(noted(made, where, colours.ink if number else colours.accent, colours.surface_lit))
        top += made.height
    shown = over(*paints)
    return [
        ghost(page, f"outline_{index}", place, text=shown),
        Element(
            f"row_{index}",
            place,
            over(card(page, place), shown),
            part=index,
            lit=None if index in page.quiet else over(card(page, place, lit=True), shown),
            entrance="wipe",
            texts=tuple(texts),
        ),
    ]


def _padded(row: Sequence[str], count: int) -> list[str]:
    return [*row, *[""] * (count - len(row))]


def _set(grid: list[list[str]], headed: bool, size: float, page: Page) -> list[Element] | None:
    pad = 26 * page.unit
    widths = _widths(grid, headed, size, page.body.w, pad)
    if widths is None:
        return None
    cells = [
        [
            block(text or " ", _face(row, headed), size, widths[i] - 2 * pad, 1.2)
            for i, text in enumerate(line)
        ]
        for row, line in enumerate(grid)
    ]
    heights = [max(cell.height for cell in line) for line in cells]
    room = page.body.h - sum(heights)
    spare = room / len(grid)
    if spare < 14 * page.unit:
        return None
    spare = min(spare, page.tall(110))
    total = sum(heights) + spare * len(grid)
    top = page.body.y + (page.body.h - total) / 2
    made = [_frame(Rect(page.body.x, top, page.body.w, total), page)]
    aligned: list[Align] = [_alignment([line[i] for line in grid[headed:]]) for i in range(len(widths))]
    for row, line in enumerate(cells):
        height = heights[row] + spare
        box = Rect(page.body.x, top, page.body.w, height)
        made += _row(row, box, line, widths, aligned, page, headed=headed)
        top += height
    return made


def _face(row: int, headed: bool):  # type: ignore[no-untyped-def]
    return BOLD if headed and row == 0 else REGULAR


def _widths(grid: list[list[str]], headed: bool, size: float, room: float, pad: float) -> list[float] | None:
    """Natural widths where they fit, else shared out; None when a single word would have to be cut."""
    count = len(grid[0])
    wanted, least = [], []
    for i in range(count):
        whole = [measure(line[i], _face(row, headed), size) for row, line in enumerate(grid)]
        words = [
            measure(w, _face(row, headed), size) for row, line in enumerate(grid) for w in line[i].split()
        ]
        wanted.append(max(whole) + 2 * pad + 2)
        least.append(max(words, default=0.0) + 2 * pad + 2)
    if sum(wanted) <= room:
        extra = (room - sum(wanted)) / count
        return [width + extra for width in wanted]
    if sum(least) > room:
        return None
    share = (room - sum(least)) / (sum(wanted) - sum(least))
    return [low + (high - low) * share for low, high in zip(least, wanted, strict=True)]


def _alignment(cells: list[str]) -> Align:
    return "right" if cells and all(_NUMBER.match(cell.strip()) for cell in cells if cell.strip()) else "left"


def _frame(box: Rect, page: Page) -> Element:
    colour = page.theme.colours.surface
    return Element(
        "table", box, lambda canvas: rounded(canvas, box, page.radius, fill(colour)), entrance="rise"
    )


def _row(
    row: int,
    box: Rect,
    cells: list[Block],
    widths: list[float],
    aligned: list[Align],
    page: Page,
    *,
    headed: bool,
) -> list[Element]:
    colours, pad = page.theme.colours, 26 * page.unit
    head = headed and row == 0
    boxes, x = [], box.x
    for width in widths:
        boxes.append(Rect(x + pad, box.y, width - 2 * pad, box.h))
        x += width
    placed = [centred(cell, place) for cell, place in zip(cells, boxes, strict=True)]
    ink = colours.accent if head else colours.ink
    face = _row_paint(box, list(zip(cells, placed, aligned, strict=True)), ink, page)
    texts = tuple(
        noted(cell, place, ink, colours.surface if head else colours.surface_lit, align)
        for cell, place, align in zip(cells, placed, aligned, strict=True)
        if "".join(cell.lines).strip()
    )
    if head:
        return [Element("header", box, face(None), entrance="rise", texts=texts)]
    return [
        faint(f"outline_{row}", box, face(None)),
        Element(
            f"row_{row}",
            box,
            face(colours.surface),
            part=row - headed,
            lit=None if row - headed in page.quiet else face(colours.surface_lit),
            entrance="wipe",
            texts=texts,
        ),
    ]


def _row_paint(box: Rect, cells: list[tuple[Block, Rect, Align]], ink: str, page: Page):  # type: ignore[no-untyped-def]
    colours = page.theme.colours

    def face(ground: str | None) -> Paint:
        def paint(canvas: Canvas) -> None:
            inner = box.inset(page.line)
            if ground:
                rounded(canvas, inner, page.radius * 0.5, fill(ground))
            if ground == colours.surface_lit:
                edge = Rect(inner.x, inner.y, page.line * 2, inner.h)
                rounded(canvas, edge, page.line, fill(colours.accent))
            else:
                rule = Rect(
                    box.x + 26 * page.unit, box.bottom - page.line / 2, box.w - 52 * page.unit, page.line / 2
                )
                canvas.drawRect(rule.sk(), fill(colours.line, 0.6))
            for made, place, align in cells:
                draw_block(canvas, made, place, ink, align)

        return paint

    return face
