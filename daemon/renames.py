"""Renames that replace nothing, renameat2(2): a name that must be free, or two that change places."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from pathlib import Path

_HERE = -100
_NOREPLACE, _EXCHANGE = 1, 2
UNKNOWN = frozenset((errno.ENOSYS, errno.EINVAL))
"""What is said where the kernel or the file system does not know it."""


def rename_new(source: Path | str, target: Path | str, folder: int = _HERE) -> None:
    """Rename, never replacing (FileExistsError); by a link where the file system does not know it.

    ``folder``: an open one that both are names in.
    """
    try:
        _renameat2(source, target, folder, _NOREPLACE)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        at = None if folder == _HERE else folder
        os.link(source, target, src_dir_fd=at, dst_dir_fd=at)
        os.unlink(source, dir_fd=at)


def exchange(one: str, other: str, folder: int) -> None:
    """Let two names in an open folder change places, at once for everybody; OSError, `UNKNOWN` among them."""
    _renameat2(one, other, folder, _EXCHANGE)


def _renameat2(source: Path | str, target: Path | str, folder: int, flags: int) -> None:
    try:
        answer = _libc().renameat2(folder, os.fsencode(source), folder, os.fsencode(target), flags)
        code = ctypes.get_errno()
    except AttributeError:
        answer, code = -1, errno.ENOSYS
    if answer:
        raise OSError(code, os.strerror(code), str(target))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
