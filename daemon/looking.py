"""Files that others may have put there, looked at and read: none leads elsewhere, blocks, or takes all memory."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from daemon.beneath import open_beneath, reading

PASSING = frozenset(
    (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EIO,
        errno.EINTR,
        errno.EROFS,
    )
)
"""What an error of the disk or of this process says: nothing about the file. It is tried again later."""


def is_folder(path: Path | str) -> bool:
    """Whether a folder itself is there, and not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def read_regular(root: Path | int, relative: str, limit: int) -> bytes:
    """A file that strangers may have touched: never through a link, never blocking, at most ``limit`` bytes.

    Raises OSError: EINVAL not a regular file, EFBIG too large, and what `open_beneath` says.
    """
    with reading(open_beneath(root, relative)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", relative)
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"has {status.st_size} bytes, at most {limit} are read", relative)
        # Not so much as may be read: room for that is made before, and costs more than the reading.
        return file.read(status.st_size)


def read_of_operator(path: Path, limit: int) -> bytes:
    """The first ``limit`` bytes of a file in conf/, links followed, never blocking. OSError EINVAL if it is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with BufferedReader(reading(descriptor)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return file.read(limit)


def holds(folder: Path | int, name: str, data: bytes) -> bool:
    """Whether a file of that name is there with exactly these bytes."""
    try:
        return read_regular(folder, name, len(data)) == data
    except OSError:
        return False
