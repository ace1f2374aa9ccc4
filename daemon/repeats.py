"""A log line that says the same again and again says it once a minute, and how often it was true."""

from __future__ import annotations

import logging
import time

TRIED_AGAIN = frozenset(
    "cannot_look copies_behind ledger_behind prune_failed publication_failed timer_put_off".split()
)
"""What the daemon says of its own tries. Any other line is news each time: a person asked, or something changed."""
QUIET_SECONDS = 60.0
REMEMBERED = 1000


class Repeats(logging.Filter):
    """Lets word of a try that failed through if the same was not logged in the last minute.

    What is tried again every second, while a disk is sick for days, must not fill the disk with lines as well. The
    line that comes through after others were held back tells their number as ``held_back``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        facts = getattr(record, "facts", None)
        if record.msg not in TRIED_AGAIN or facts is None:
            return True
        key = (record.name, str(record.msg), repr(facts))
        now = time.monotonic()
        since, held = self._held.pop(key, (now - QUIET_SECONDS, 0))
        if now - since < QUIET_SECONDS:
            self._held[key] = since, held + 1
            return False
        if held:
            record.facts = {**facts, "held_back": held}
        self._held[key] = now, 0
        if len(self._held) > REMEMBERED:
            del self._held[next(iter(self._held))]
        return True
