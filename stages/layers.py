"""What a frame is painted from, back to front: backdrop, elements, captions, progress line.

Each layer tells its state at an instant; equal states are equal pictures, so a frame only repaints the
bounds of layers whose state has changed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import skia

from stages.drawing import Rect, fill, rounded
from stages.lettering import MEDIUM, block, draw_line, measure
from stages.motion import Pose, changes, pose

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from stages.cues import Cue
    from stages.drawing import Canvas
    from stages.layouts.element import Element, Paint
    from stages.layouts.page import Page
    from stages.motion import Timing
    from stages.neighbours import Place
    from stages.scenes import Word

_INSTANT = 1e-6
"""Seconds: more than sums of times are off by rounding."""
_SOFT = skia.SamplingOptions(skia.FilterMode.kLinear)


class Layer(Protocol):
    def state(self, seconds: float) -> Hashable:
        """Equal for equal pictures; None where nothing is shown."""

    def rests(self, seconds: float) -> float:
        """Until when the state stays as it is at ``seconds``; ``seconds`` if it may differ in the next frame."""

    def bounds(self, state: Any) -> Rect:
        """What the layer covers in that state."""

    def changed(self, old: Any, new: Any) -> list[Rect]:
        """Where the picture of one state differs from that of another; either may be None."""

    def draw(self, canvas: Canvas, state: Any) -> None: ...


class Drawn:
    """One element of the layout, kept as ready images of its rest and its spoken-of look."""

    def __init__(self, element: Element, order: int, times: Timing, whole: Rect) -> None:
        self.element, self.order, self.times = element, order, times
        pad = math.ceil(max(element.box.h, element.box.w) * 0.004) + 3
        box = element.box.inset(-pad)
        x, y = math.floor(box.x), math.floor(box.y)
        self.box = Rect(x, y, math.ceil(box.right) - x, math.ceil(box.bottom) - y)
        self.whole = whole
        self.images: dict[str, Any] = {}
        self._changes = changes(element, order, times)

    def state(self, seconds: float) -> Pose | None:
        return pose(self.element, self.order, seconds, self.times)

    def rests(self, seconds: float) -> float:
        if any(start - _INSTANT <= seconds <= end + _INSTANT for start, end in self._changes):
            return seconds
        return min((start for start, _ in self._changes if start > seconds), default=math.inf) - _INSTANT

    def changed(self, old: Pose | None, new: Pose | None) -> list[Rect]:
        return [self.bounds(state) for state in (old, new) if state is not None]

    def bounds(self, state: Pose) -> Rect:
        far = abs(state.scale - 1)
        pop = max(state.pop - 1, 0.0)
        alive = self.element.alive
        box = (alive.place(state.clock).inset(-2) if alive else self.box).moved(state.dx, state.dy)
        return box.inset(-1 - far * self.whole.w - pop * box.w, -1 - far * self.whole.h - pop * box.h)

    def draw(self, canvas: Canvas, state: Pose) -> None:
        canvas.save()
        if state.shown != (0.0, 1.0):
            left, right = (share * self.whole.w for share in state.shown)
            canvas.clipRect(Rect(left, 0, right - left, self.whole.h).sk(), True)
        canvas.translate(state.dx, state.dy)
        for scale, (x, y) in ((state.scale, self.whole.centre), (state.pop, self.box.centre)):
            if scale != 1.0:
                canvas.translate(x, y)
                canvas.scale(scale, scale)
                canvas.translate(-x, -y)
        if state.wipe < 1.0:
            canvas.clipRect(Rect(self.box.x, self.box.y, self.box.w * state.wipe, self.box.h).sk(), True)
        if self.element.alive or state.grown < 1.0:
            self._draw_moving(canvas, state)
        else:
            self._draw_images(canvas, state)
        canvas.restore()

    def _draw_moving(self, canvas: Canvas, state: Pose) -> None:
        if state.alpha < 1.0:
            canvas.saveLayerAlpha(self.box.sk(), round(state.alpha * 255))
        if self.element.alive:
            self.element.alive.draw(canvas, state.clock)
        elif self.element.grow:
            self.element.grow(canvas, state.grown)
        if state.alpha < 1.0:
            canvas.restore()

    def _draw_images(self, canvas: Canvas, state: Pose) -> None:
        lit = self.element.lit
        if lit is None or state.focus < 1.0:
            self._draw_image(canvas, "rest", self.element.paint, state.alpha)
        if lit is not None and state.focus > 0.0:
            self._draw_image(canvas, "lit", lit, state.alpha * state.focus)

    def _draw_image(self, canvas: Canvas, name: str, paint: Paint, alpha: float) -> None:
        if name not in self.images:
            self.images[name] = sprite(self.box, paint)
        canvas.drawImage(self.images[name], self.box.x, self.box.y, _SOFT, skia.Paint(Alphaf=alpha))


def sprite(box: Rect, paint: Paint) -> Any:
    """What ``paint`` draws inside ``box`` (whole pixels), on a transparent ground."""
    surface = skia.Surface(int(box.w), int(box.h))
    canvas = surface.getCanvas()
    canvas.translate(-box.x, -box.y)
    paint(canvas)
    return surface.makeImageSnapshot()


class Captions:
    """The cues in the band kept for them; a mark is on the word that is spoken.

    It jumps: halfway between two words neither could be read.
    """

    def __init__(self, page: Page, cues: Sequence[Cue]) -> None:
        self.page, self.cues = page, cues
        ends = [time for cue in cues for time in (cue.start, cue.end)]
        self._turns = sorted({*ends, *(word.start for cue in cues for word in cue.words)})

    def state(self, seconds: float) -> tuple[int, int] | None:
        """(cue, word)"""
        for number, cue in enumerate(self.cues):
            if cue.start <= seconds < cue.end:
                spoken = [i for i, word in enumerate(cue.words) if word.start <= seconds]
                return number, spoken[-1] if spoken else 0
        return None

    def rests(self, seconds: float) -> float:
        later = bisect_right(self._turns, seconds)
        return self._turns[later] if later < len(self._turns) else math.inf

    def changed(self, old: tuple[int, int] | None, new: tuple[int, int] | None) -> list[Rect]:
        return [self.bounds(state) for state in (old, new) if state is not None]

    def bounds(self, state: tuple[int, int]) -> Rect:
        return self._plate(state[0]).inset(-2)

    def draw(self, canvas: Canvas, state: tuple[int, int]) -> None:
        number, marked = state
        word, box = self.placed(number)[marked]
        colours = self.page.theme.colours
        canvas.drawImage(self._plain(number), self.page.captions.x, self.page.captions.y)
        rounded(canvas, box, box.h * 0.22, fill(colours.accent))
        self._word(canvas, word, box, colours.accent_ink)

    @property
    def size(self) -> float:
        """As large as lets a full line fit: 46 pixels, on a phone's upright frame 56."""
        return (56.0 if self.page.format == "vertical" else 46.0) * self.page.unit

    def _plate(self, number: int) -> Rect:
        whole = self.placed(number)[0][1]
        for _, box in self.placed(number):
            whole = whole.union(box)
        return whole.inset(-22 * self.page.unit, -10 * self.page.unit)

    @lru_cache(maxsize=4)  # noqa: B019  # lives as long as its scene
    def placed(self, number: int) -> list[tuple[Word, Rect]]:
        """Every word of a cue with the box its mark fills."""
        size, band = self.size, self.page.captions
        cue = self.cues[number]
        widest = max(measure(line, MEDIUM, size) for line in cue.lines)
        size *= min(1.0, (band.w - 48 * self.page.unit) / (widest * 1.04))
        leading, space = size * 1.32, measure(" ", MEDIUM, size) * 1.2
        top = band.y + (band.h - leading * len(cue.rows)) / 2
        placed = []
        for index, row in enumerate(cue.rows):
            widths = [measure(word.text, MEDIUM, size) for word in row]
            x = band.x + (band.w - sum(widths) - space * (len(row) - 1)) / 2
            for word, width in zip(row, widths, strict=True):
                pad = space * 0.4
                placed.append(
                    (word, Rect(x - pad, top + index * leading + size * 0.06, width + 2 * pad, size * 1.2))
                )
                x += width + space
        return placed

    @lru_cache(maxsize=4)  # noqa: B019  # lives as long as its scene
    def _plain(self, number: int) -> Any:
        spots, unit = self.placed(number), self.page.unit
        plate = self._plate(number)

        def paint(canvas: Canvas) -> None:
            rounded(canvas, plate, 18 * unit, fill(self.page.theme.colours.caption_background))
            for word, box in spots:
                self._word(canvas, word, box, self.page.theme.colours.caption_ink)

        band = self.page.captions
        canvas_box = Rect(band.x, band.y, math.ceil(band.w), math.ceil(band.h))
        return sprite(canvas_box, paint)

    @staticmethod
    def _word(canvas: Canvas, word: Word, box: Rect, colour: str) -> None:
        size = box.h / 1.2
        made = block(word.text, MEDIUM, size, 1e6)
        pad = (box.w - made.width) / 2
        draw_line(canvas, "".join(made.lines), MEDIUM, size, (box.x + pad, box.y + size * 0.94), colour)


class Progress:
    """A line along the bottom, one piece for each scene of the part; only this scene's piece moves.

    It tells nothing of the whole video: a scene more would change the pictures of all.
    """

    MOST_PIECES = 24

    def __init__(self, page: Page, place: Place, seconds: float) -> None:
        self.seconds = seconds
        self.height = 8 * page.unit
        gap = 6 * page.unit if place.pieces <= self.MOST_PIECES else 0.0
        width = (page.width + gap) / place.pieces
        top = page.height - self.height
        pieces = [Rect(each * width, top, width - gap, self.height) for each in range(place.pieces)]
        self.piece = pieces[place.piece]
        colours = page.theme.colours
        self._done = fill(colours.accent)
        left = fill(colours.line)
        self._ground = [
            (piece.sk(), self._done if each < place.piece else left) for each, piece in enumerate(pieces)
        ]

    def state(self, seconds: float) -> float:
        return round(self.piece.w * min(seconds / self.seconds, 1.0), 1)

    def rests(self, seconds: float) -> float:
        return seconds

    def changed(self, old: float | None, new: float | None) -> list[Rect]:
        """What it grows by; all pieces are painted once, with the whole first frame."""
        if old is None or new is None:
            return [self.piece]
        left, right = sorted((old, new))
        return [Rect(self.piece.x + left - 1, self.piece.y, right - left + 2, self.piece.h)]

    def bounds(self, state: float) -> Rect:
        return self.piece

    def draw(self, canvas: Canvas, state: float) -> None:
        for piece, colour in self._ground:
            canvas.drawRect(piece, colour)
        piece = self.piece
        canvas.drawRect(Rect(piece.x, piece.y, state, piece.h).sk(), self._done)
