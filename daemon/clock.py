"""The two clocks. The wall clock names moments; only the boot clock measures how long something took."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time. Tests hand in another with the same two methods."""

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def boot(self) -> float:
        """Seconds since boot, sleep included; never steps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def later(start: datetime, seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(start + timedelta(seconds=seconds))


def span(seconds: float) -> str:
    """A duration for people: ``1 h 05 min``, ``12.3 s``."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
