"""Text can be read: contrast as planned and as seen in the decoded frames, inside the safe area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages import storyboard_file
from stages.checks.evidence import Evidence
from stages.checks.film import stills
from stages.checks.result import Result, at_least, unmeasured, verdict

LOWEST = 4.5
"""WCAG 2.2, 1.4.3, for text of any size."""
SAFE_SHARE = 0.035
"""EBU R 95: text stays out of this share of width and height at every edge (3.5 %, action-safe)."""
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
    if evidence.film is not None and evidence.board is not None and evidence.film.frames:
        yield _measured(evidence, texts)


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


def _measured(evidence: Evidence, texts: list[PlannedText]) -> Result:
    """The lowest of all texts, each at the best of three moments of its scene."""
    assert evidence.board is not None
    assert evidence.film is not None
    starts = dict(
        zip((s.id for s in evidence.board.scenes), storyboard_file.starts(evidence.board), strict=False)
    )
    moments = [
        (scene, starts[scene.id] + share * scene.seconds)
        for scene in evidence.board.scenes
        for share in SHARES
    ]
    best: dict[int, float] = {}
    pictures = stills(evidence.film.path, (moment for _, moment in moments))
    for (scene, _), picture in zip(moments, pictures, strict=False):
        for number, text in enumerate(texts):
            if text.scene == scene.id and (pixels := _cut(picture, text.box, evidence)).size:
                best[number] = max(best.get(number, 0.0), ratio(pixels))
    if not best:
        return unmeasured("text_contrast_measured", f"at least {LOWEST * SLACK:g}", "no frame shows a text")
    lowest = min(best, key=lambda number: best[number])
    return at_least("text_contrast_measured", best[lowest], LOWEST * SLACK, "", _named(texts[lowest]))


def _cut(picture: NDArray[np.uint8], box: tuple[float, ...], evidence: Evidence) -> NDArray[np.uint8]:
    assert evidence.plan is not None
    scale_x = picture.shape[1] / float(evidence.plan.get("width", picture.shape[1]))
    scale_y = picture.shape[0] / float(evidence.plan.get("height", picture.shape[0]))
    x, y, w, h = box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y
    return picture[max(round(y), 0) : max(round(y + h), 0), max(round(x), 0) : max(round(x + w), 0)]


def _inside(box: tuple[float, ...], width: float, height: float) -> bool:
    x, y, w, h = box
    dx, dy = width * SAFE_SHARE, height * SAFE_SHARE
    return x >= dx - 1 and y >= dy - 1 and x + w <= width - dx + 1 and y + h <= height - dy + 1


def _named(text: PlannedText) -> str:
    words = text.text if len(text.text) <= 40 else text.text[:39] + "…"
    return f"{text.scene}: {words!r}"
