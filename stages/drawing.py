"""Draw with skia: rectangles, colours, lines and a few shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.contract import StageError

try:
    import skia as skia  # noqa: PLC0414  # lettering.py has it from here
except ImportError as error:
    if isinstance(error, ModuleNotFoundError):
        raise
    raise StageError(
        f"the drawing library cannot be loaded: {error}",
        "install its system libraries: apt install libegl1 libgl1",
    ) from error

Canvas = Any
"""``skia.Canvas``; skia ships no type hints."""
Path = Any


@dataclass(frozen=True)
class Rect:
    """Pixels; fractions are allowed."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    def inset(self, dx: float, dy: float | None = None) -> Rect:
        dy = dx if dy is None else dy
        return Rect(self.x + dx, self.y + dy, self.w - 2 * dx, self.h - 2 * dy)

    def moved(self, dx: float, dy: float) -> Rect:
        return Rect(self.x + dx, self.y + dy, self.w, self.h)

    def meets(self, other: Rect) -> bool:
        return (
            self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom
        )

    def union(self, other: Rect) -> Rect:
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Rect(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def sk(self) -> Any:
        return skia.Rect.MakeXYWH(self.x, self.y, self.w, self.h)


def ink(colour: str, alpha: float = 1.0) -> int:
    """``#RRGGBB`` as skia's ARGB integer."""
    return (round(alpha * 255) << 24) | int(colour[1:], 16)


def fill(colour: str, alpha: float = 1.0) -> Any:
    return skia.Paint(AntiAlias=True, Color=ink(colour, alpha))


def stroke(colour: str, width: float, alpha: float = 1.0) -> Any:
    return skia.Paint(
        AntiAlias=True,
        Color=ink(colour, alpha),
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=width,
        StrokeCap=skia.Paint.kRound_Cap,
        StrokeJoin=skia.Paint.kRound_Join,
    )


def rounded(canvas: Canvas, box: Rect, radius: float, paint: Any) -> None:
    canvas.drawRoundRect(box.sk(), radius, radius, paint)


def part_of(path: Path, fraction: float) -> Path:
    """The first ``fraction`` of every contour of ``path``: a drawing being drawn."""
    if fraction >= 1:
        return path
    drawn = skia.Path()
    measured = skia.PathMeasure(path, False)
    while True:
        # A path of its own each time: getSegment replaces what its target held.
        contour = skia.Path()
        measured.getSegment(0, measured.getLength() * max(fraction, 0.0), contour, True)
        drawn.addPath(contour)
        if not measured.nextContour():
            return drawn
