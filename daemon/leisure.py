"""Jobs to look at by and by: a few at a time, where nothing says that there is something to see."""

from __future__ import annotations

from itertools import islice

FEW, FEW_SECONDS = 20, 0.1
"""So many jobs in so long: ten thousand gates after a start must not hold up the one that somebody answers."""
BUSY_SECONDS = 1.0
"""So long instead while there is something else to do: an inbox that is never empty must not put them off for ever."""


class Leisure:
    """The jobs in the order in which they came, each once. Seconds of one clock."""

    def __init__(self) -> None:
        self._left: dict[str, None] = {}
        self._at = 0.0

    def add(self, job_id: str) -> None:
        """Look at the job when its turn comes; fine where it waits for that already."""
        self._left[job_id] = None

    def drop(self, job_id: str) -> None:
        """It was looked at, or is over."""
        if self._left.pop(job_id, 0) is None and not self._left:
            # A dictionary that was large stays large.
            self._left = {}

    def due(self, now: float, *, busy: bool) -> list[str]:
        """Those whose turn has come; they stay until they are dropped. ``busy``: there is something else to do."""
        if now < self._at + (BUSY_SECONDS - FEW_SECONDS if busy else 0.0):
            return []
        found = list(islice(self._left, FEW))
        if found:
            self._at = now + FEW_SECONDS
        return found

    @property
    def next(self) -> float | None:
        """When the next ones have their turn if there is nothing else to do; None where none is left."""
        return self._at if self._left else None
