"""The ground of every scene: large quiet shapes that glide on when a new part begins, as the theme has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import skia

from stages.drawing import Rect, fill
from stages.motion import ease_in_out

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.base import Page


class Backdrop:
    """The layer behind everything else; its state is how far it has glided, 0 to 1."""

    SECONDS = 0.6

    def __init__(self, page: Page, part: int, *, begins: bool) -> None:
        """``begins``: this scene is the first of part ``part``, and not the video's first."""
        self.page, self.part, self.begins = page, part, begins
        self._rest: Any = None
        """The picture that it comes to rest in, kept: small areas of it are wanted again with every frame."""
        self._shapes = {"discs": self._discs, "rules": self._rules, "slants": self._slants}[
            page.theme.shapes.backdrop
        ]

    def state(self, seconds: float) -> float:
        share = min(seconds / self.SECONDS, 1.0) if self.begins else 1.0
        return round(ease_in_out(share), 4)

    def bounds(self, state: float) -> Rect:
        return Rect(0, 0, self.page.width, self.page.height)

    def draw(self, canvas: Canvas, state: float) -> None:
        if state < 1.0:
            self._paint(canvas, state)
            return
        if self._rest is None:
            surface = skia.Surface(self.page.width, self.page.height)
            self._paint(surface.getCanvas(), 1.0)
            self._rest = surface.makeImageSnapshot()
        canvas.drawImage(self._rest, 0, 0)

    def _paint(self, canvas: Canvas, state: float) -> None:
        canvas.clear(fill(self.page.theme.colours.background).getColor())
        self._shapes(canvas, self.part - 1 + state)

    def _discs(self, canvas: Canvas, at: float) -> None:
        """Two discs on a slow walk around the frame's edge."""
        page, size = self.page, math.hypot(self.page.width, self.page.height)
        for which, share in ((0, 0.27), (1, 0.16)):
            angle = at * 0.9 + which * math.pi + 0.5
            x, y = 0.5 + 0.52 * math.cos(angle), 0.5 + 0.55 * math.sin(angle)
            canvas.drawCircle(
                x * page.width, y * page.height, share * size, fill(page.theme.colours.backdrop)
            )

    def _rules(self, canvas: Canvas, at: float) -> None:
        """A broad strip of darker paper that wanders across, with a fine rule beside it."""
        page, colours = self.page, self.page.theme.colours
        wide = 0.34 * page.width
        x = (page.width - wide) * (0.5 - 0.5 * math.cos(at * 1.1)) + wide * 0.5 * math.cos(at * 1.1)
        canvas.drawRect(Rect(x, 0, wide, page.height).sk(), fill(colours.backdrop))
        for off, broad in ((-26, 3), (-16, 1.5)):
            canvas.drawRect(
                Rect(x + off * page.unit, 0, broad * page.unit, page.height).sk(), fill(colours.line, 0.5)
            )

    def _slants(self, canvas: Canvas, at: float) -> None:
        """Two slanted blocks that slide past each other."""
        page, colour = self.page, fill(self.page.theme.colours.backdrop)
        lean = 0.28 * page.height
        for which, share in ((0, 0.30), (1, 0.12)):
            wide = share * page.width
            x = (
                page.width * (0.5 + (0.52 if which == 0 else -0.46) * math.cos(at * (0.8 + which * 0.5)))
                - wide / 2
            )
            path = skia.Path()
            path.addPoly(
                [
                    skia.Point(x + lean / 2, 0),
                    skia.Point(x + lean / 2 + wide, 0),
                    skia.Point(x - lean / 2 + wide, page.height),
                    skia.Point(x - lean / 2, page.height),
                ],
                True,
            )
            canvas.drawPath(path, colour)
