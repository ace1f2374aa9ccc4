"""The line under the content that says where the claim comes from."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from stages.drawing import Rect
from stages.layouts.element import Element
from stages.layouts.pieces import icon_paint, noted, over, text_paint
from stages.lettering import REGULAR, Unfit, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.layouts.page import Page
    from stages.scenes import Citation


def citation(page: Page, citations: Sequence[Citation]) -> list[Element]:
    """File and line, shortened to what fits on one line; nothing without a citation."""
    if not citations:
        return []
    colours, u, box = page.theme.colours, page.unit, page.footer
    icon = Rect(box.x, box.y + (box.h - 28 * u) / 2, 28 * u, 28 * u)
    room = box.w - 44 * u
    for text in _wordings(citations):
        try:
            made = fit(text, REGULAR, (room, box.h), (page.small, page.small), 1.2)
        except Unfit:
            continue
        where = Rect(icon.right + 16 * u, box.y + (box.h - made.height) / 2, made.width + 4, made.height)
        paint = over(icon_paint("link", icon, colours.muted), text_paint(made, where, colours.muted))
        text_box = noted(made, where, colours.muted, colours.background)
        whole = Rect(box.x, box.y, made.width + 60 * u, box.h)
        return [Element("citation", whole, paint, entrance="fade", delay=0.5, texts=(text_box,))]
    return []


def _wordings(citations: Sequence[Citation]) -> list[str]:
    """From the fullest to the shortest."""
    places: dict[tuple[str, str], list[int]] = {}
    for each in citations:
        word, number = ("page", each.page) if each.page else ("line", each.line)
        places.setdefault((each.source, word), []).append(number)
    full = [f"{name}, {_numbered(word, found)}" for (name, word), found in places.items()]
    first = citations[0]
    word, number = ("page", first.page) if first.page else ("line", first.line)
    return [
        "  ·  ".join(full),
        full[0],
        f"{first.source}, {word} {number}",
        first.source.rpartition("/")[2],
    ]


def _numbered(word: str, numbers: Sequence[int]) -> str:
    """ "line 3", "lines 3, 8", and "lines 3–5" for those that follow each other."""
    ordered = sorted(set(numbers))
    groups = [list(group) for _, group in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    spans = [(group[0][1], group[-1][1]) for group in groups]
    told = ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in spans)
    return f"{word}{'s' if len(ordered) > 1 else ''} {told}"
