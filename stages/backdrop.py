"""The ground of every scene: large quiet shapes that glide on when a new part begins, as the theme has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import skia

from stages.drawing import Rect, fill
from stages.motion import ease_in_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Canvas
    from stages.layouts.page import Page


class Backdrop:
    """The layer behind everything else; its state is how far it has glided, 0 to 1."""

    SECONDS = 0.6

    def __init__(self, page: Page, before: int, own: int) -> None:
        """It glides from place ``before`` on its way to place ``own``; where both are one it rests."""
        self.page, self.before, self.own = page, before, own
        self._rest: Any = None
        """The picture that it comes to rest in, kept: small areas of it are wanted again with every frame."""
        self._shapes = {"discs": self._discs, "rules": self._rules, "slants": self._slants}[
            page.theme.shapes.backdrop
        ]

    def state(self, seconds: float) -> float:
        share = min(seconds / self.SECONDS, 1.0) if self.before != self.own else 1.0
        return round(ease_in_out(share), 4)

    def rests(self, seconds: float) -> float:
        return math.inf if self.before == self.own or seconds >= self.SECONDS else seconds

    def changed(self, old: float | None, new: float | None) -> list[Rect]:
        return [self.bounds(state) for state in (old, new) if state is not None]

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
        # It hides whatever was there, so nothing has to be blended.
        canvas.drawImage(self._rest, 0, 0, skia.SamplingOptions(), skia.Paint(BlendMode=skia.BlendMode.kSrc))

    def _paint(self, canvas: Canvas, state: float) -> None:
        canvas.clear(fill(self.page.theme.colours.background).getColor())
        self._shapes(canvas, state)

    @property
    def _places(self) -> tuple[int, int]:
        return self.before, self.own

    def _discs(self, canvas: Canvas, state: float) -> None:
        """Two discs on a slow walk around the frame's edge."""
        page, size = self.page, math.hypot(self.page.width, self.page.height)
        for which, share in ((0, 0.27), (1, 0.16)):
            turn = which * math.pi + 0.5
            x = _mixed([0.5 + 0.52 * math.cos(at * 0.9 + turn) for at in self._places], state)
            y = _mixed([0.5 + 0.55 * math.sin(at * 0.9 + turn) for at in self._places], state)
            canvas.drawCircle(
                x * page.width, y * page.height, share * size, fill(page.theme.colours.backdrop)
            )

    def _rules(self, canvas: Canvas, state: float) -> None:
        """A broad strip of darker paper that wanders across, with fine rules beside it."""
        page, colours = self.page, self.page.theme.colours
        wide = 0.34 * page.width
        room = page.width - 2 * wide
        x = wide / 2 + _mixed([room * (0.5 - 0.5 * math.cos(at * 1.1)) for at in self._places], state)
        canvas.drawRect(Rect(x, 0, wide, page.height).sk(), fill(colours.backdrop))
        for off, broad in ((-26, 3), (-16, 1.5)):
            strip = Rect(x + off * page.unit, 0, broad * page.unit, page.height)
            canvas.drawRect(strip.sk(), fill(colours.line, 0.5))

    def _slants(self, canvas: Canvas, state: float) -> None:
        """Two slanted blocks that slide past each other."""
        page, colour = self.page, fill(self.page.theme.colours.backdrop)
        lean, height = 0.14 * page.height, page.height
        for share, reach, pace in ((0.30, 0.52, 0.8), (0.12, -0.46, 1.3)):
            wide = share * page.width
            middle = _mixed([0.5 + reach * math.cos(at * pace) for at in self._places], state)
            x = page.width * middle - wide / 2
            corners = ((x + lean, 0), (x + lean + wide, 0), (x - lean + wide, height), (x - lean, height))
            path = skia.Path()
            path.addPoly([skia.Point(*corner) for corner in corners], True)
            canvas.drawPath(path, colour)


def _mixed(places: Sequence[float], state: float) -> float:
    """Straight from where the part before has it to where its own has it."""
    before, own = places
    return before + (own - before) * state
