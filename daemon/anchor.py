"""Lock files that stay what they are: a hidden second name brings back one that was deleted or replaced.

A lock is on a file, not on its name. Where the name is deleted while somebody holds the lock, the next to come
would make a new file under it, find that one free, and run beside the first.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from daemon.files import TEMPORARY_PREFIX

_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 100
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS}
"""There are no hard links here, or not for us."""


def anchor_of(path: Path) -> Path:
    """The second name of a lock file."""
    return path.with_name(f".{path.name}.anchor")


def open_anchored(path: Path) -> int:
    """The descriptor of the file that its holders have locked under this name, made if there is none.

    Raises OSError. On a file system without hard links it is the file of that name, whichever that is.
    """
    for _ in range(_TRIES):
        fd = os.open(path, _OPEN | os.O_CREAT, 0o640)
        try:
            if _counts(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
    raise OSError(errno.EBUSY, "it is being replaced again and again", str(path))


def is_anchored(path: Path) -> bool:
    """Whether the name stands for the file that counts; True where there are no second names."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.stat(anchor_of(path)))
    except FileNotFoundError:
        return not os.path.lexists(anchor_of(path))


def _counts(fd: int, path: Path) -> bool:
    """Whether the open file is the one that counts. If not, its names are put right and it must be opened again."""
    anchor = anchor_of(path)
    try:
        kept = os.open(anchor, _OPEN)
    except FileNotFoundError:
        return _make_anchor(fd, anchor)
    try:
        if os.path.samestat(os.fstat(kept), os.fstat(fd)):
            return True
        # Held: the name has to stand for that file again. Not held: a copy of the folder was put in place.
        _give_name(*((fd, anchor) if try_flock(kept) else (kept, path)))
    finally:
        os.close(kept)
    return False


def _make_anchor(fd: int, anchor: Path) -> bool:
    try:
        _link(fd, anchor)
    except (FileExistsError, FileNotFoundError):
        # Somebody was faster, or deleted the file that we have open.
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    return True


def try_flock(fd: int) -> bool:
    """Lock the open file; False where somebody has it locked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _give_name(fd: int, path: Path) -> None:
    """Make the name stand for the open file."""
    beside = path.with_name(f"{TEMPORARY_PREFIX}{path.name.lstrip('.')}.{os.getpid()}")
    with suppress(FileNotFoundError):
        os.unlink(beside)
    with suppress(FileNotFoundError):
        _link(fd, beside)
        os.rename(beside, path)
        # Between two names of one file a rename does nothing.
        os.unlink(beside)


def _link(fd: int, path: Path) -> None:
    # With a folder's descriptor it is linkat(2), which follows the link; the path is absolute, so any will do.
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
