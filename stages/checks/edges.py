"""Nothing that reads like text lies at the edge of the decoded frames, whatever the plan says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.checks.moments import SAFE_SHARE, moments
from stages.checks.result import Result, unmeasured, verdict

if TYPE_CHECKING:
    from stages.checks.evidence import Evidence
    from stages.scenes import Storyboard

SHARES = (0.6, 0.8)
"""When in a scene its edges are looked at: what passes through on its way in or out is gone at one of them."""
BESIDE, ACROSS = 4, 10
"""Changes of light and dark in one row of pixels: a stroke has two; figures and frames have fewer."""
APART = 60
"""Levels of luma between a stroke and the row's ground."""
ROWS_SHARE = 0.004
PROGRESS_SHARE = 0.011
"""The progress line lies here, at the lowest edge."""


def check(evidence: Evidence) -> Iterator[Result]:
    """Scenes that show something like text outside the safe area."""
    if evidence.film is None or evidence.board is None:
        yield unmeasured("text_seen_at_the_edge", "0", "no frame could be looked at")
        return
    scenes = sorted(evidence.edges)
    yield verdict("text_seen_at_the_edge", len(scenes), "0", not scenes, ", ".join(scenes[:5]))


class EdgesSeen:
    """Looks at the edges of every scene while the video is decoded."""

    def __init__(self, board: Storyboard | None, own: Collection[str] = ()) -> None:
        self._moments = [moment for moment in moments(board, SHARES) if moment[1] not in own] if board else []
        self._clean: set[str] = set()
        self._marked: set[str] = set()

    @property
    def scenes(self) -> frozenset[str]:
        """Those with text at an edge at every moment at which they were looked at."""
        return frozenset(self._marked - self._clean)

    def look(self, time: float, frame: Any) -> None:
        """Look at a scene whose moment has come."""
        if not self._moments or time < self._moments[0][0]:
            return
        scene = self._moments.pop(0)[1]
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
        (self._marked if marked(luma) else self._clean).add(scene)


def marked(luma: NDArray[np.uint8]) -> bool:
    """Whether something like text lies in the outer 3.5 % of a picture."""
    height, width = luma.shape
    down, across = round(height * SAFE_SHARE), round(width * SAFE_SHARE)
    lowest = height - max(round(height * PROGRESS_SHARE), 2)
    rows = max(round(height * ROWS_SHARE), 2)
    strips = (
        (luma[:down], ACROSS), (luma[height - down : lowest], ACROSS),
        (luma[:lowest, :across], BESIDE), (luma[:lowest, width - across :], BESIDE),
    )  # fmt: skip
    return any(_rows_with_strokes(strip, strokes) >= rows for strip, strokes in strips)


def _rows_with_strokes(strip: NDArray[np.uint8], strokes: int) -> int:
    ground = np.median(strip, axis=1, keepdims=True)
    apart = np.abs(strip.astype(np.float32) - ground) > APART
    changes = np.count_nonzero(np.diff(apart, axis=1), axis=1)
    return int(np.count_nonzero(changes >= strokes))
