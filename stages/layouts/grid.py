"""Where the parts of a layout stand: side by side, one under the other, in the middle of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.drawing import Rect
from stages.lettering import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.layouts.element import Element
    from stages.layouts.page import Page
    from stages.lettering import Block


def centred(made: Block, box: Rect) -> Rect:
    """The box of ``made``, in the vertical middle of ``box``."""
    return Rect(box.x, box.y + (box.h - made.height) / 2, box.w, made.height)


def panes(page: Page, columns: int = 7, picture: float = 0.4) -> tuple[Rect, Rect]:
    """Where text and picture stand: side by side, the text in ``columns`` of the grid; in a narrow frame
    one over the other, the picture with that share of the height. Odd variants change sides."""
    body = page.body
    if page.format == "wide":
        count = page.theme.grid.columns
        columns = round(columns * count / 12)
        text, side = page.span(columns), page.span(count - columns)
        if page.variant % 2:
            return Rect(body.right - text, body.y, text, body.h), Rect(body.x, body.y, side, body.h)
        return Rect(body.x, body.y, text, body.h), Rect(body.right - side, body.y, side, body.h)
    top = body.h * picture
    below = Rect(body.x, body.y + top + page.gap, body.w, body.h - top - page.gap)
    return below, Rect(body.x, body.y, body.w, top)


def rows(box: Rect, count: int, gap: float, tallest: float) -> list[Rect]:
    """``count`` equal rows that fill ``box``, none taller than ``tallest``, together in its middle."""
    height = min((box.h - gap * (count - 1)) / count, tallest)
    top = box.y + (box.h - height * count - gap * (count - 1)) / 2
    return [Rect(box.x, top + index * (height + gap), box.w, height) for index in range(count)]


def columns(box: Rect, count: int, gap: float) -> list[Rect]:
    width = (box.w - gap * (count - 1)) / count
    return [Rect(box.x + index * (width + gap), box.y, width, box.h) for index in range(count)]


def first_that_fits(*arrangements: Callable[[], list[Element]]) -> list[Element]:
    """The elements of the first arrangement in which every text fits; raises Unfit if none does."""
    for arrangement in arrangements[:-1]:
        try:
            return arrangement()
        except Unfit:
            continue
    return arrangements[-1]()
