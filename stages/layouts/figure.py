"""The drawn figure beside a text: an icon in slowly turning rings, one icon for each part spoken of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Alive, Element
from stages.layouts.pieces import icon_paint, words
from stages.lettering import MEDIUM, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Canvas
    from stages.layouts.element import Growing
    from stages.layouts.page import Page


def figure(
    page: Page, box: Rect, chosen: Sequence[str], *, parts: bool = False, leaves: bool = False
) -> list[Element]:
    """A disc with the icon ``chosen[0]``; with ``parts``, ``chosen[i + 1]`` takes its place for part i.

    An icon that ``leaves`` makes room for part 1.
    """
    whole = _whole(box)
    side = whole.w
    inner = whole.inset(side * 0.29)
    colours = page.theme.colours
    made = (
        _tiles(page, whole)
        if page.variant % 4 == 3 and not leaves
        else [_disc(page, whole), *_orbit(page, whole)]
    )
    for index, name in enumerate(chosen):
        part = index - 1 if parts and index else 0 if leaves else None
        made.append(
            Element(
                f"figure_icon_{index}",
                inner.inset(-side * 0.04),
                icon_paint(name, inner, colours.accent, 1.5),
                part=part,
                grow=_drawn(name, inner, colours.accent),
                entrance="grow",
                delay=0.0 if part is not None else 0.2,
                passing=leaves or (parts and index < len(chosen) - 1),
                handed=f"icon {name}",
            )
        )
    return made


def counted(page: Page, box: Rect, value: str, unit: str, *, part: int) -> list[Element]:
    """A number in the disc, large, with what it counts below it."""
    whole, colours = _whole(box), page.theme.colours
    side, (x, y) = whole.w, whole.centre
    large = fit(value, page.display, (side * 0.62, side * 0.3), page.sizes(side * 0.26 / page.unit, 40), 1.1)
    small = fit(unit or " ", MEDIUM, (side * 0.62, side * 0.15), page.sizes(page.theme.type.body, 30), 1.2)
    top = y - (large.height + (small.height if unit else 0)) / 2
    number = Rect(x - side * 0.31, top, side * 0.62, 0)
    below = Rect(x - side * 0.31, top + large.height, side * 0.62, 0)
    made = [words(
        "figure_number", large, number, page, colours.accent, colours.surface,
        align="center", part=part, entrance="pop",
    )]  # fmt: skip
    if unit:
        made.append(words(
            "figure_unit", small, below, page, colours.ink, colours.surface,
            align="center", part=part, entrance="fade", delay=0.15,
        ))  # fmt: skip
    return made


def _whole(box: Rect) -> Rect:
    """The largest square in the middle of ``box``."""
    side = min(box.w, box.h)
    x, y = box.centre
    return Rect(x - side / 2, y - side / 2, side, side)


def _drawn(name: str, box: Rect, colour: str) -> Growing:
    return lambda canvas, share: icons.paint_icon(canvas, name, box, colour, 1.5, share)


def _disc(page: Page, whole: Rect) -> Element:
    colours, side = page.theme.colours, whole.w
    x, y = whole.centre

    def paint(canvas: Canvas) -> None:
        canvas.drawCircle(x, y, side * 0.36, fill(colours.surface))
        canvas.drawCircle(x, y, side * 0.36, stroke(colours.line, page.line))
        canvas.drawCircle(x, y, side * 0.465, stroke(colours.line, page.line * 0.5))

    return Element("figure_disc", whole, paint, entrance="pop", handed="disc")


def _tiles(page: Page, whole: Rect) -> list[Element]:
    """Instead of the rings a tile on a turned one, as two sheets of paper lie."""
    colours, side = page.theme.colours, whole.w
    box = whole.inset(side * 0.17)
    radius = max(page.radius * 1.6, side * 0.03)

    def under(canvas: Canvas) -> None:
        canvas.save()
        canvas.rotate(9, *whole.centre)
        rounded(canvas, box, radius, stroke(colours.second, page.line))
        canvas.restore()

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, radius, fill(colours.surface))
        rounded(canvas, box.inset(page.line / 2), radius, stroke(colours.line, page.line))

    return [
        Element("figure_under", whole, under, entrance="pop", delay=0.15),
        Element("figure_tile", box, paint, entrance="rise", handed="tile"),
    ]


def _orbit(page: Page, whole: Rect) -> list[Element]:
    """Two beads on the outer ring, the one thing in the picture that never rests."""
    colours, side = page.theme.colours, whole.w
    beads = ((0.0, 0.022, colours.accent), (2.6, 0.016, colours.second))
    return [
        _bead(f"figure_bead_{index}", whole, (phase + page.variant, size * side), colour)
        for index, (phase, size, colour) in enumerate(beads)
    ]


def _bead(name: str, whole: Rect, bead: tuple[float, float], colour: str) -> Element:
    (x, y), (phase, radius) = whole.centre, bead

    def place(seconds: float) -> Rect:
        angle = phase + seconds * 0.32
        at = x + math.cos(angle) * whole.w * 0.465, y + math.sin(angle) * whole.w * 0.465
        return Rect(at[0] - radius, at[1] - radius, radius * 2, radius * 2)

    def draw(canvas: Canvas, seconds: float) -> None:
        canvas.drawCircle(*place(seconds).centre, radius, fill(colour))

    return Element(
        name, whole, lambda canvas: draw(canvas, 0.0), alive=Alive(draw, place), entrance="fade", delay=0.2
    )
