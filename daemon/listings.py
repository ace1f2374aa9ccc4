"""Run directories as they were when somebody last listed them: what was touched since is told by one stat each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_GRANULARITY_NS = 2_000_000_000
"""Within so long another change may leave the same times (FAT, the coarsest in use)."""


class Listings:
    """The directories of the open jobs, by job id.

    A name that comes, goes or is replaced moves a directory's times, and another directory in its place has another
    inode or other times. What is written into a file that lies there moves nothing.
    """

    def __init__(self, runs: Path) -> None:
        self._runs, self._below = runs, str(runs)
        self._seen: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._seen

    def note(self, job_id: str) -> None:
        """It is listed now: to be called before that, so that what comes in between counts as touched."""
        try:
            status = os.lstat(f"{self._below}/{job_id}")
        except OSError:
            self._seen[job_id] = 0
        else:
            self._seen[job_id] = _state(status) if _rests(status, time.time_ns()) else 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def drop(self, job_id: str) -> None:
        """The job is over; fine where it is not known."""
        self._seen.pop(job_id, None)

    def touched(self) -> list[str]:
        """Those that are not as they were noted, or cannot be seen; they are noted as they are now."""
        # Below one descriptor: of ten thousand looks, to walk there and to make the paths is the half.
        try:
            runs = os.open(self._runs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            # For want of descriptors, say: then nothing tells that they are as they were.
            return list(self._seen)
        try:
            return self._touched_below(runs)
        finally:
            os.close(runs)

    def _touched_below(self, runs: int) -> list[str]:
        touched, now = [], time.time_ns()
        for job_id, before in self._seen.items():
            try:
                status = os.stat(job_id, dir_fd=runs, follow_symlinks=False)
            except OSError:
                self._seen[job_id] = 0
                touched.append(job_id)
                continue
            state = _state(status)
            if state != before:
                self._seen[job_id] = state if _rests(status, now) else 0
                touched.append(job_id)
        return touched


def _state(status: os.stat_result) -> int:
    """Inode and both times as one number, for it is kept for each job that waits; never 0."""
    return (status.st_ino << 128) + (status.st_mtime_ns << 64) + status.st_ctime_ns


def _rests(status: os.stat_result, now: int) -> bool:
    """Whether no further change can hide behind these times. A clock that was set since does no harm: it gives what
    comes after it other times.
    """
    return abs(now - status.st_ctime_ns) > _GRANULARITY_NS
