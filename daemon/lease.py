"""Ask the kernel whether anybody has a file open for writing.

A read lease is granted only where nobody does (fcntl F_SETLEASE; shared writable mappings count, and writers
from before we started). It is given back in the next call: while it is held, a writer's open waits.
"""

from __future__ import annotations

import enum
import fcntl
import os
import signal
from types import FrameType

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR


class Writers(enum.Enum):
    """What the kernel knows about writers of a file."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"
    """Another owner's file, or a file system without leases: only watching it rest can tell."""


def install_lease_signal_handler() -> None:
    """Survive a writer that opens a file in the instant we hold its lease. Call once, in the main thread.

    The kernel then sends SIGIO, which ends a process by default. Not ignored but handled: children would
    inherit the ignoring.
    """
    signal.signal(signal.SIGIO, _do_nothing)


def writers(fd: int) -> Writers:
    """Whether anybody has this regular file open for writing; ``fd`` is open for reading only."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return Writers.SOME
    except OSError:
        return Writers.UNKNOWN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE


def writer_pids(dev: int, ino: int) -> tuple[int, ...]:
    """The processes that have the file open for writing, as far as /proc shows them to us.

    Walks every descriptor of every process (milliseconds): only for a message about a file that waits long.
    """
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        if any(_writes(pid, descriptor, dev, ino) for descriptor in descriptors):
            found.append(int(pid))
    return tuple(sorted(found))


def _writes(pid: str, descriptor: str, dev: int, ino: int) -> bool:
    try:
        status = os.stat(f"/proc/{pid}/fd/{descriptor}")
        if (status.st_dev, status.st_ino) != (dev, ino):
            return False
        with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii") as info:
            flags = next(line for line in info if line.startswith("flags:"))
        return bool(int(flags.split()[1], 8) & _WRITE_FLAGS)
    except (OSError, StopIteration):
        return False


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    return
