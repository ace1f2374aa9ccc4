"""One inotify descriptor: watchdog's binding of the calls, and our own reading of its events."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from watchdog.observers.inotify_c import (
    InotifyConstants,
    WatchDescriptor,
    inotify_add_watch,
    inotify_init,
    inotify_rm_watch,
)

_IN = InotifyConstants
FOLDER: int = _IN.IN_ISDIR
ARRIVED: int = _IN.IN_MOVED_TO | _IN.IN_CREATE
CLOSE_WRITE: int = _IN.IN_CLOSE_WRITE
LEFT: int = _IN.IN_DELETE | _IN.IN_MOVED_FROM
LOST: int = _IN.IN_IGNORED | _IN.IN_DELETE_SELF | _IN.IN_MOVE_SELF | _IN.IN_UNMOUNT
OVERFLOW: int = _IN.IN_Q_OVERFLOW

# Nothing that our own reading causes, and no MODIFY: a writer is found by the lease, its end by CLOSE_WRITE.
_MASK = (
    ARRIVED
    | CLOSE_WRITE
    | _IN.IN_DELETE_SELF
    | _IN.IN_MOVE_SELF
    | _IN.IN_ONLYDIR
    | _IN.IN_DONT_FOLLOW
    | _IN.IN_EXCL_UNLINK
)
_EVENT = struct.Struct("iIII")
_READ_BYTES = 1 << 16
_READS_AT_MOST = 64
"""At a time, some 130,000 events: a storm must not keep the loop from its work."""

_LIMITS = {
    errno.ENOSPC: "no inotify watch left; raise the sysctl fs.inotify.max_user_watches",
    errno.EMFILE: "no inotify instance left; raise the sysctl fs.inotify.max_user_instances",
    errno.ENFILE: "no file handle left; raise the sysctl fs.file-max",
}


def open_inotify() -> int:
    """A new descriptor, never blocking, not inherited. Raises OSError (EMFILE) where there is none left."""
    fd = inotify_init()
    if fd < 0:
        raise _error()
    os.set_inheritable(fd, False)
    os.set_blocking(fd, False)
    return fd


def add_watch(fd: int, folder: bytes, more: int = 0) -> WatchDescriptor:
    """Watch a folder, itself not a link; the known watch where it is watched already, which then hears just this.

    ``more``: events besides the usual. Raises OSError.
    """
    watch = inotify_add_watch(fd, folder, _MASK | more)
    if watch < 0:
        raise _error()
    return watch


def remove_watch(fd: int, watch: WatchDescriptor) -> None:
    """Stop watching; where the folder is gone the watch went with it, and nothing is left to do."""
    inotify_rm_watch(fd, watch)


def read_events(fd: int) -> Iterator[tuple[WatchDescriptor, int, str]]:
    """The watch, mask and name of what is waiting. Raises OSError where the descriptor is broken."""
    for _ in range(_READS_AT_MOST):
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        position = 0
        while position < len(data):
            watch, mask, _cookie, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size + length
            yield watch, mask, os.fsdecode(data[position - length : position].rstrip(b"\0"))


def limit_of(error: OSError) -> str | None:
    """Which limit of the system was met and what raises it; None for any other error."""
    return _LIMITS.get(error.errno or 0)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
