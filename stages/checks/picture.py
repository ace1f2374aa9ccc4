"""What can be seen: no black, nothing frozen, every scene changes the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages import storyboard_file
from stages.checks.evidence import Evidence
from stages.checks.film import Film
from stages.checks.result import Result, at_most, unmeasured, verdict

BLACK_LUMA = 40
"""Video black is 16; text or a figure on the darkest ground is far above this."""
BLACK_SECONDS = 0.5
FROZEN_SECONDS = 5.0
FROZEN_WITHOUT_CAPTIONS = 12.0
CHANGED_SHARE = 0.0015
"""Of the picture's blocks; a word that lights up is more, a progress line that grows is less."""


def check(evidence: Evidence) -> Iterator[Result]:
    """Black and frozen stretches, and cuts that are not there."""
    film = evidence.film
    if film is None or not len(film.times):
        yield unmeasured("black", f"at most {BLACK_SECONDS} s", evidence.faults.get("video.mp4", "no frames"))
        return
    length, at = longest(film, film.brightest < BLACK_LUMA)
    yield at_most("black", length, BLACK_SECONDS, " s", f"at {at:.1f} s" if length else "")
    burned = evidence.plan is None or evidence.plan.get("burned_captions", True)
    length, at = frozen(film)
    yield at_most(
        "frozen", length, FROZEN_SECONDS if burned else FROZEN_WITHOUT_CAPTIONS, " s", f"at {at:.1f} s"
    )
    if evidence.board is not None:
        starts = storyboard_file.starts(evidence.board)
        same = [
            s.id for s, start in zip(evidence.board.scenes, starts, strict=False) if _unchanged(film, start)
        ]
        yield verdict("scenes_that_change_nothing", len(same), "0", not same, ", ".join(same))


def longest(film: Film, bad: np.ndarray) -> tuple[float, float]:
    """How long the longest stretch of bad pictures lasts, and when it begins, in seconds."""
    edges = np.flatnonzero(np.diff(bad.astype(np.int8), prepend=0, append=0))
    if not len(edges):
        return 0.0, 0.0
    times = np.append(film.times, film.seconds)
    runs = times[edges[1::2]] - times[edges[::2]]
    return float(runs.max()), float(times[edges[2 * int(np.argmax(runs))]])


def frozen(film: Film) -> tuple[float, float]:
    """The longest stretch during which the picture stays as it was at its beginning."""
    best, best_at, begin = 0.0, 0.0, 0
    times = np.append(film.times, film.seconds)
    for number in range(1, len(film.times) + 1):
        ended = number == len(film.times) or film.changed(begin, number) > CHANGED_SHARE
        if ended:
            if times[number] - times[begin] > best:
                best, best_at = float(times[number] - times[begin]), float(times[begin])
            begin = number
    return best, best_at


def _unchanged(film: Film, start: float) -> bool:
    """Whether a scene begins without the picture changing within a second."""
    if start == 0 or start >= film.seconds:
        return False
    return film.changed(film.at(start - 0.3), film.at(start + 0.9)) <= CHANGED_SHARE
