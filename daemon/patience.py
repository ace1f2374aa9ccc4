"""When to try again what was refused: soon at first, seldom in the end."""

from __future__ import annotations

FIRST_SECONDS = 1.0


class Patience:
    """``longest``: seconds between two tries at most. Times are those of one monotonic clock."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._wait = FIRST_SECONDS
        self.at: float | None = None
        """When the next try is due; None while nothing is refused."""

    def due(self, now: float) -> bool:
        """Whether it is time to try again what is refused."""
        return self.at is not None and now >= self.at

    def over(self, now: float) -> bool:
        """Whether nothing is refused, or it is time to try again."""
        return self.at is None or now >= self.at

    def note(self, now: float, *, refused: bool) -> None:
        """What is the case now; said again before a try is due, it changes nothing."""
        if not refused:
            self.at, self._wait = None, FIRST_SECONDS
        elif self.at is None or now >= self.at:
            self.at = now + self._wait
            self._wait = min(2 * self._wait, self._longest)
