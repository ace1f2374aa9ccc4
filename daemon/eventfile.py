"""A file of events, one a line: its last whole line, and cutting off what a crash left after that."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon.beneath import opened_beneath, set_aside

TAIL = 64 * 1024
LONGEST = 1 << 28
"""Bytes; no event of ours has a longer line, and somebody may have made the file as long as he liked."""
LAST_SEQ = 1 << 53
"""Where events end: beyond it not every reader of JSON counts, and beyond 2**63 not even SQLite."""
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_seq(value: object) -> bool:
    """Whether it can be an event's number."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LAST_SEQ


def last_line(path: Path | str) -> Mapping[str, Any] | None:
    """The last whole line; None where there is no file, no such line, or it is no event of ours."""
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        line = _tail(fd, status.st_size)[0] if stat.S_ISREG(status.st_mode) else b""
    except OSError:
        return None
    finally:
        os.close(fd)
    return _event(line)


def mend(path: Path) -> int:
    """Cut the file to its last whole line; gives that line's seq, 0 where there is none.

    A file whose last whole line is not an event of ours is begun anew, and so is one that has another name as well:
    it is a copy. What is no file is set aside.
    """
    try:
        with opened_beneath(path.parent) as folder:
            status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                set_aside(path.name, folder)
            elif status.st_nlink > 1:
                # Under its other name it is a snapshot's, or anybody's: nothing of that is cut or written.
                os.unlink(path.name, dir_fd=folder)
            fd = os.open(path.name, os.O_RDWR | _FLAGS, dir_fd=folder)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(fd).st_size
        line, whole = _tail(fd, size)
        event = _event(line)
        if event is None:
            os.truncate(fd, 0)
            return 0
        if whole < size:
            os.truncate(fd, whole)
        return int(event["seq"])
    finally:
        os.close(fd)


def _tail(fd: int, size: int) -> tuple[bytes, int]:
    """The last whole line of so many bytes, and the length of the file up to its end."""
    length, tail = TAIL, b""
    while tail.count(b"\n") < 2 and len(tail) < size and length <= LONGEST:
        start = max(size - length, 0)
        tail = os.pread(fd, size - start, start)
        # Twice as much each time: a long line is read twice, and not once for each part of it.
        length *= 2
    start = size - len(tail)
    whole = tail.rfind(b"\n") + 1
    return tail[:whole].rstrip(b"\n").rpartition(b"\n")[2], start + whole


def _event(line: bytes) -> Mapping[str, Any] | None:
    try:
        event = json.loads(line)
        return event if is_seq(event["seq"]) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
