"""When a file was made: of all that stat tells, what neither chmod, rename nor a second name changes.

An inode's number is given again, its birth is not: a file that was removed and one that was made in its place
differ by it. Python's stat does not tell it, so statx(2) is asked.
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Callable

_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_BTIME = 0x800
_STRUCT_BYTES = 256
_MASK = struct.Struct("=I")
_TIME = struct.Struct("=qI")
_BTIME_AT = 80


def birth_of(fd: int) -> int | None:
    """Nanoseconds of the open file's birth; None where the file system keeps none."""
    return _statx(fd, "")


def birth_in(folder: int, name: str) -> int | None:
    """The same of what has that name in an open folder, itself, should it be a link. None too if it is gone."""
    return _statx(folder, name)


def _statx(fd: int, name: str) -> int | None:
    answer = bytearray(_STRUCT_BYTES)
    if _call()(fd, os.fsencode(name), answer) != 0 or not _MASK.unpack_from(answer)[0] & _BTIME:
        return None
    seconds, nanoseconds = _TIME.unpack_from(answer, _BTIME_AT)
    return int(seconds * 1_000_000_000 + nanoseconds)


@functools.cache
def _call() -> Callable[[int, bytes, bytearray], int]:
    import ctypes  # milliseconds that most commands need not pay

    try:
        statx = ctypes.CDLL(None).statx
    except AttributeError:  # a C library from before 2018
        return lambda _fd, _name, _answer: -1

    def call(fd: int, name: bytes, answer: bytearray) -> int:
        room = (ctypes.c_char * len(answer)).from_buffer(answer)
        return int(statx(fd, name, _AT_SYMLINK_NOFOLLOW | _AT_EMPTY_PATH, _BTIME, room))

    return call
