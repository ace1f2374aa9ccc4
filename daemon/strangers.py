"""What to say about a file in a folder of strangers: what kind it is, whose, and why it cannot be read."""

from __future__ import annotations

import functools
import os
import pwd
import stat

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def unfit_kind(status: os.stat_result) -> str:
    """Why this is nothing to read; empty for a regular file."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        return ""
    return f"is {_KINDS.get(kind, 'not a file')}; put a regular file here instead"


def no_permission(status: os.stat_result) -> str:
    """That the file may not be read, and what its owner has to know to mend it."""
    mode = stat.S_IMODE(status.st_mode)
    return f"cannot read: permission denied, owner {owner_of(status.st_uid)}, mode {mode:04o}"


@functools.lru_cache(maxsize=256)
def owner_of(uid: int) -> str:
    """The user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
