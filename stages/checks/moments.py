"""Where and when a scene's texts are looked at."""

from __future__ import annotations

from collections.abc import Sequence

from stages import storyboard_file
from stages.scenes import Storyboard

SAFE_SHARE = 0.035
"""EBU R 95: text stays out of this share of width and height at every edge (3.5 %, action-safe)."""


def moments(board: Storyboard, shares: Sequence[float]) -> list[tuple[float, str]]:
    """Seconds of the video and the scene's id, for each of these shares of each scene, in order."""
    starts = storyboard_file.starts(board)
    return [
        (start + share * scene.seconds, scene.id)
        for scene, start in zip(board.scenes, starts, strict=False)
        for share in shares
    ]
