"""Text can be read: contrast as planned and as seen in the decoded frames, inside the safe area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.checks.moments import SAFE_SHARE, moments
from stages.checks.result import Result, at_least, unmeasured, verdict
from stages.scenes import Storyboard

if TYPE_CHECKING:
    from stages.checks.evidence import Evidence

LOWEST = 4.5
"""WCAG 2.2, 1.4.3, for text of any size."""
SHARES = (0.6, 0.8, 0.92)
"""When in a scene its texts are looked at; what moves or fades at one time rests at another."""
SLACK = 0.9
"""Measured contrast may be this much lower: antialiasing and 4:2:0 blur thin strokes."""


@dataclass(frozen=True)
class PlannedText:
    """One text of ``asset_plan.json``: pixels, and the contrast that its colours have."""

    scene: str
    text: str
    box: tuple[float, float, float, float]
    contrast: float | None


def check(evidence: Evidence) -> Iterator[Result]:
    """The lowest contrast of all texts, planned and measured, and texts outside the safe area."""
    if evidence.plan is None:
        yield unmeasured("text_contrast", f"at least {LOWEST}", evidence.faults.get("asset_plan.json", ""))
        return
    texts = list(planned_texts(evidence.plan))
    if not texts:
        yield unmeasured("text_contrast", f"at least {LOWEST}", "asset_plan.json names no texts")
        return
    known = [text for text in texts if text.contrast is not None]
    lowest = min(known, key=lambda text: text.contrast or 0.0, default=None)
    if lowest is not None and lowest.contrast is not None:
        yield at_least("text_contrast_planned", lowest.contrast, LOWEST, "", _named(lowest))
    width, height = float(evidence.plan.get("width", 1920)), float(evidence.plan.get("height", 1080))
    outside = [text for text in texts if not _inside(text.box, width, height)]
    yield verdict(
        "texts_outside_safe_area", len(outside), "0", not outside, "; ".join(map(_named, outside[:3]))
    )
    if evidence.film is not None and evidence.board is not None:
        yield _measured(evidence.seen, texts)


def planned_texts(plan: Mapping[str, Any]) -> Iterator[PlannedText]:
    """Every text with a box; what is not as expected is passed over, so that a new field breaks nothing."""
    for scene in plan.get("scenes", ()):
        for text in scene.get("texts", ()):
            box = text.get("box", ())
            if len(box) == 4 and text.get("text"):
                contrast = text.get("contrast")
                numbers = tuple(float(number) for number in box)
                yield PlannedText(
                    str(scene.get("id")), str(text["text"]), (numbers[0], numbers[1], numbers[2], numbers[3]),
                    float(contrast) if contrast is not None else None,
                )  # fmt: skip


def ratio(pixels: NDArray[np.uint8]) -> float:
    """The contrast between the ground (the most frequent luminance) and what differs from it most.

    WCAG relative luminance of sRGB; the strokes are the 1.5 % of pixels furthest from the ground.
    """
    linear = np.where((v := pixels / 255) <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    luminance = (linear @ np.array([0.2126, 0.7152, 0.0722])).ravel()
    counts, edges = np.histogram(np.sqrt(luminance), bins=64, range=(0, 1))
    common = int(np.argmax(counts))
    near = (np.sqrt(luminance) >= edges[common]) & (np.sqrt(luminance) <= edges[common + 1])
    ground = float(np.median(luminance[near])) + 0.05
    ratios = np.sort(np.maximum((luminance + 0.05) / ground, ground / (luminance + 0.05)))
    return float(np.median(ratios[-max(round(len(ratios) * 0.03), 1) :]))


class TextsSeen:
    """Looks at the texts of every scene while the video is decoded, and keeps their best contrast."""

    def __init__(self, plan: Mapping[str, Any] | None, board: Storyboard | None) -> None:
        self.texts = list(planned_texts(plan)) if plan else []
        self.best: dict[int, float] = {}
        self._size = (float((plan or {}).get("width", 1920)), float((plan or {}).get("height", 1080)))
        self._moments = moments(board, SHARES) if board else []

    def look(self, time: float, frame: Any) -> None:
        """Measure the texts of a scene whose moment has come."""
        if not self._moments or time < self._moments[0][0]:
            return
        scene = self._moments.pop(0)[1]
        picture = frame.to_ndarray(format="rgb24")
        for number, text in enumerate(self.texts):
            if text.scene == scene and (pixels := self._cut(picture, text.box)).size:
                self.best[number] = max(self.best.get(number, 0.0), ratio(pixels))

    def _cut(self, picture: NDArray[np.uint8], box: tuple[float, ...]) -> NDArray[np.uint8]:
        across, down = picture.shape[1] / self._size[0], picture.shape[0] / self._size[1]
        left, right = (max(round(x * across), 0) for x in (box[0], box[0] + box[2]))
        top, bottom = (max(round(y * down), 0) for y in (box[1], box[1] + box[3]))
        return picture[top:bottom, left:right]


def _measured(seen: Mapping[int, float], texts: list[PlannedText]) -> Result:
    """The lowest of all texts, each at the best of three moments of its scene."""
    if not seen:
        return unmeasured("text_contrast_measured", f"at least {LOWEST * SLACK:g}", "no frame shows a text")
    lowest = min(seen, key=lambda number: seen[number])
    return at_least("text_contrast_measured", seen[lowest], LOWEST * SLACK, "", _named(texts[lowest]))


def _inside(box: tuple[float, ...], width: float, height: float) -> bool:
    x, y, w, h = box
    dx, dy = width * SAFE_SHARE, height * SAFE_SHARE
    return x >= dx - 1 and y >= dy - 1 and x + w <= width - dx + 1 and y + h <= height - dy + 1


def _named(text: PlannedText) -> str:
    words = text.text if len(text.text) <= 40 else text.text[:39] + "…"
    return f"{text.scene}: {words!r}"
