"""How a door drops a file: durable first, then into place by one rename that replaces nothing."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from daemon.files import fsync_folder
from daemon.renames import rename_new


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


def into_place(temporary: Path, names: list[str]) -> Dropped:
    """Rename the durable file to the first name that is free. FileExistsError if none is."""
    folder = temporary.parent
    status = os.lstat(temporary)
    key = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:"
    try:
        for name in names:
            try:
                rename_new(temporary, folder / name)
            except FileExistsError:
                continue
            _make_durable(folder / name)
            return Dropped(name, key)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, "is taken", str(folder / names[-1]))
