"""How a door drops a file: durable first, then into place by one rename that replaces nothing."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from daemon.files import TEMPORARY_PREFIX, fsync_folder

_NOREPLACE = 1


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that was dropped: its name, and `catalog.file_key` of it."""

    name: str
    key: str


def _make_durable(path: Path) -> None:
    """Sync the name of a dropped file; where the disk refuses that, take the file back.

    If it is gone by then the daemon has taken it, and made it durable itself.
    """
    try:
        fsync_folder(path.parent)
    except OSError:
        try:
            path.unlink()
        except FileNotFoundError:
            return
        raise


def temporary_name() -> str:
    """A name that the daemon's sweep leaves alone for as long as this process lives."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"


def into_place(temporary: Path, names: list[str]) -> Dropped:
    """Rename the durable file to the first name that is free. FileExistsError if none is."""
    folder = temporary.parent
    status = os.lstat(temporary)
    key = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:"
    try:
        for name in names:
            try:
                _rename_new(temporary, folder / name)
            except FileExistsError:
                continue
            _make_durable(folder / name)
            return Dropped(name, key)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, "is taken", str(folder / names[-1]))


def _rename_new(source: Path, target: Path) -> None:
    """Rename, never replacing: renameat2(2), or a link where the file system does not know it."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        answer = libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), _NOREPLACE)
        code = ctypes.get_errno()
    except AttributeError:
        answer, code = -1, errno.ENOSYS
    if answer == 0:
        return
    if code not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(code, os.strerror(code), str(target))
    os.link(source, target)
    os.unlink(source)
