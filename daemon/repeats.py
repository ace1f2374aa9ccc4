"""A log line that says the same again and again says it once a minute, and how often it was true."""

from __future__ import annotations

import logging
import time

QUIET_SECONDS = 60.0
REMEMBERED = 1000


class Repeats(logging.Filter):
    """Lets an error through if it was not logged in the last minute.

    What is tried again every second, while a disk is sick for days, must not fill the disk with lines as well. The
    line that comes through after others were held back tells their number as ``held_back``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        facts = getattr(record, "facts", None)
        if record.levelno != logging.ERROR or facts is None:
            return True
        try:
            key = (record.name, record.getMessage(), repr(facts))
        except Exception:  # noqa: BLE001 - what cannot be compared is no repetition
            return True
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
