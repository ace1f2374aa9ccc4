"""When a bell rings without end for nothing, say for a build in a run directory: listen less often, miss nothing."""

from __future__ import annotations

RINGS = 20
"""Turns in a row, none a second after the last, that a ring began and that found nothing to do."""
PAUSE_SECONDS = 0.5
"""The kernel keeps some 16,000 events meanwhile and says so where there were more: reading those is what is bounded."""


class Storm:
    """Counts rings that mean nothing. ``on``: let the bell alone for `PAUSE_SECONDS`; what came is read then."""

    def __init__(self) -> None:
        self._rings = 0
        self._last = 0.0

    def turn(self, boot: float, *, rang: bool, meant: bool) -> None:
        """One turn of the loop; ``meant``: the bell rang for something that is looked at now. ``boot``: seconds."""
        in_a_row = rang and not meant and boot - self._last < 1.0
        self._rings = self._rings + 1 if in_a_row else 0
        self._last = boot

    @property
    def on(self) -> bool:
        return self._rings >= RINGS
