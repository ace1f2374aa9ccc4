"""The narration is neither rushed nor dragged."""

from __future__ import annotations

from collections.abc import Iterator

from stages.checks.evidence import Evidence
from stages.checks.result import Result, between, unmeasured

SLOWEST, FASTEST = 110.0, 190.0
"""Words a minute over the whole video; listeners are comfortable with 140 to 165."""


def check(evidence: Evidence) -> Iterator[Result]:
    """Spoken words over the length of the video."""
    if evidence.board is None:
        yield unmeasured("words_per_minute", f"{SLOWEST:g} to {FASTEST:g}", "no storyboard")
        return
    words = sum(len(scene.narration.split()) for scene in evidence.board.scenes)
    yield between("words_per_minute", words * 60 / evidence.board.seconds, SLOWEST, FASTEST)
