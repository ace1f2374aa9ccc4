"""When the copies for people are written: once the attempt that just began has shown that it is no short one.

What is written of an attempt that is over in a moment is old at once, and takes the processor from the next.
"""

from __future__ import annotations

MOMENT_SECONDS = 0.005
"""So long the copies wait for the attempt that began."""
BEHIND_SECONDS = 0.05
"""So long at most, while one short attempt begins after the other."""


class Lull:
    """Tells when a moment's rest has come. Times are the boot clock's."""

    def __init__(self) -> None:
        self.at: float | None = None
        """When to ask again; None where nothing is waited for."""
        self._by: float | None = None

    def over(self, boot: float, *, began: bool, busy: bool) -> bool:
        """Whether to write now: not ``busy``, or for a moment no attempt ``began``, or it was waited long enough."""
        if busy and began:
            self._by = self._by or boot + BEHIND_SECONDS
            self.at = min(boot + MOMENT_SECONDS, self._by)
        if busy and self.at is not None and boot < self.at:
            return False
        self.at = self._by = None
        return True
