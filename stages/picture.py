"""One scene as frames: repaint only what changed, and keep the picture ready in the encoder's planes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import skia
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from stages.drawing import Rect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.layers import Layer


class Canvas:
    """The pixels of the present frame, BGRA, and the states they were painted from."""

    def __init__(self, width: int, height: int, layers: Sequence[Layer]) -> None:
        self.width, self.height, self.layers = width, height, layers
        # skia paints into the memory of a frame that the converter can read as it is.
        self.frame = av.VideoFrame(width, height, "bgra")
        rows = _view(self.frame.planes[0])
        info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
        self.surface = skia.Surface.MakeRasterDirect(info, rows, rows.shape[1])
        self.pixels = rows[:, : width * 4].reshape(height, width, 4)
        self.states: list[Any] = [None] * len(layers)
        self._edges: list[tuple[float, float, float, float] | None] = [None] * len(layers)
        self._rest = [-math.inf] * len(layers)
        """Until when each state stays as it is."""
        self._seconds = -math.inf

    def show(self, seconds: float) -> list[Rect]:
        """Paint the instant; the even-edged rectangles that have changed since the last one."""
        if seconds < self._seconds:
            self._rest = [-math.inf] * len(self.layers)
        self._seconds = seconds
        changed: list[Rect] = []
        for place, layer in enumerate(self.layers):
            if seconds < self._rest[place]:
                continue
            old, new = self.states[place], layer.state(seconds)
            self._rest[place] = layer.rests(seconds)
            if old != new:
                changed += layer.changed(old, new)
                self.states[place] = new
                self._edges[place] = _edges(layer.bounds(new)) if new is not None else None
        areas = merged([area for rect in changed if (area := self._aligned(rect))])
        for area in areas:
            self._repaint(area)
        return areas

    def _repaint(self, area: Rect) -> None:
        canvas = self.surface.getCanvas()
        canvas.save()
        canvas.clipRect(area.sk())
        left, top, right, bottom = _edges(area)
        for layer, state, edges in zip(self.layers, self.states, self._edges, strict=True):
            if edges and edges[0] < right and left < edges[2] and edges[1] < bottom and top < edges[3]:
                layer.draw(canvas, state)
        canvas.restore()

    def _aligned(self, rect: Rect) -> Rect | None:
        """Grown to even pixels, so that no chroma sample is shared with what stays; cut to the frame."""
        x, right = _even(rect.x, rect.right, self.width)
        y, bottom = _even(rect.y, rect.bottom, self.height)
        return Rect(x, y, right - x, bottom - y) if right > x and bottom > y else None


def _even(start: float, end: float, room: int) -> tuple[int, int]:
    """The even pixels from ``start`` to ``end`` that are in the frame: none, or four and more."""
    first, last = max(math.floor(start / 2) * 2, 0), min(math.ceil(end / 2) * 2, room)
    if last <= first:
        return first, first
    first = min(first, room - _LEAST)
    return first, max(last, first + _LEAST)


_LEAST = 4
"""Pixels: where a row or column of an area has a single chroma sample, the converter makes another of it."""


def _edges(rect: Rect) -> tuple[float, float, float, float]:
    return rect.x, rect.y, rect.right, rect.bottom


def merged(areas: Sequence[Rect]) -> list[Rect]:
    """Rectangles that touch become one, until none do."""
    left = list(areas)
    done: list[Rect] = []
    while left:
        area = left.pop()
        meeting = next((other for other in left if area.meets(other)), None)
        if meeting is None:
            done.append(area)
            continue
        left.remove(meeting)
        left.append(area.union(meeting))
        left += done
        done = []
    return done


class Planes:
    """The frame as the encoder takes it: 4:2:0, BT.709, limited range."""

    def __init__(self, width: int, height: int) -> None:
        self._take(av.VideoFrame(width, height, "yuv420p"))

    def _take(self, frame: Any) -> None:
        self.frame = frame
        self.frame.colorspace = Colorspace.ITU709
        self.frame.color_range = ColorRange.MPEG
        self.views = [_view(plane) for plane in self.frame.planes]

    def update(self, canvas: Canvas, area: Rect) -> None:
        """Take over one rectangle of the canvas."""
        x, y, w, h = int(area.x), int(area.y), int(area.w), int(area.h)
        whole = (w, h) == (canvas.width, canvas.height)
        # A frame on the canvas's own pixels: nothing is copied before it is converted.
        part = av.VideoFrame.from_numpy_buffer(canvas.pixels[y : y + h, x : x + w], "bgra")
        made = _converter(w, h).reformat(
            part,
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=_MEAN_OF_FOUR,
            # Threads would take longer to start than most areas take to convert.
            threads=1,
        )
        if whole:
            self._take(made)
            return
        for half, target, plane in zip((1, 2, 2), self.views, made.planes, strict=True):
            source = _view(plane)[: h // half, : w // half]
            target[y // half : (y + h) // half, x // half : (x + w) // half] = source


_MEAN_OF_FOUR = Interpolation.AREA | Interpolation.FULL_CHR_H_INP
"""Each chroma sample is the mean of its own four pixels: every other filter also reads the pixels beside an area,
which are not there where an area is converted by itself. It is also the fastest of them (measured)."""


@lru_cache(maxsize=64)
def _converter(width: int, height: int) -> VideoReformatter:
    """Kept for each size: to set it up takes longer than to convert a small area."""
    return VideoReformatter()


def _view(plane: Any) -> Any:
    """The bytes of a plane as rows, padding included."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
