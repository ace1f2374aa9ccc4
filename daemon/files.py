"""Files on disk: the two ways to publish one.

*Durable* is for what was promised: temporary name, fsync, rename, fsync of the folder. *Copy* is for what can
be made again from the database: the same without fsync, so that a reader sees the old file or the new one and
never half of one. Modes are set on the descriptor and do not depend on the umask. Errors are OSError.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon import beneath
from daemon.beneath import opened_beneath
from daemon.identity import Identity

TEMPORARY_PREFIX = ".spork-"
"""Begins the name of every file that is not published yet; a crash may leave some, see `sweep`."""

FILE_MODE = 0o660

SLICE_BYTES = 8 << 20
"""After so much a long copy pauses; on the disk by then, or every other fsync would have to wait for all of it."""


def remove(path: Path) -> None:
    """Take a file of ours away; a folder that somebody put in its place is set aside."""
    with opened_beneath(path.parent) as folder:
        try:
            os.unlink(path.name, dir_fd=folder)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            beneath.set_aside(path.name, folder)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with opened_beneath(path) as folder:
        os.fsync(folder)


def write_durable(path: Path | str, data: bytes, mode: int = FILE_MODE, *, folder: int | None = None) -> None:
    """Put a file in place so that it is there, whole, after a power cut once this has returned.

    With ``folder``, an open one, ``path`` is a name in it: the only safe way below a folder of strangers.
    """
    _publish(path, folder, mode, lambda fd: _write_all(fd, data), durable=True)


def write_copy(path: Path | str, data: bytes, mode: int = FILE_MODE, *, folder: int | None = None) -> None:
    """Put a file in place whole, without waiting for the disk: only for what can be made again."""
    _publish(path, folder, mode, lambda fd: _write_all(fd, data), durable=False)


def create_copy(name: str, data: bytes, folder: int, mode: int = FILE_MODE) -> None:
    """Write a new file in an open folder that nobody sees yet, in one go; FileExistsError where there is one.

    What the disk refused to write whole is removed: the folder may be used as it is, and be seen then.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=folder)
    try:
        os.fchmod(fd, mode)
        _write_all(fd, data)
    except OSError:
        _unlink_quietly(name, folder)
        raise
    finally:
        os.close(fd)


def append_copy(path: Path, data: bytes, mode: int = FILE_MODE, *, begun: bool = False) -> None:
    """Append to a file of ours that can be made again; what a crash cut off, its owner mends.

    Raises OSError: ELOOP, EINVAL or EMLINK where somebody has put a link or another thing in its place; ESTALE where
    the file is empty or missing although it was ``begun``.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with opened_beneath(path.parent) as folder:
        fd = os.open(path.name, flags, mode, dir_fd=folder)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_nlink > 1:
            raise OSError(errno.EMLINK, "has another name as well", str(path))
        if status.st_size == 0:
            if begun:
                raise OSError(errno.ESTALE, "was emptied or removed", str(path))
            os.fchmod(fd, mode)
        _write_all(fd, data)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Copied:
    """What `copy_in` brought in."""

    bytes: int
    sha256: str


def copy_in(
    source: int,
    target: Path | str,
    limit: int,
    mode: int = FILE_MODE,
    *,
    folder: int | None = None,
    pause: Callable[[], None] | None = None,
) -> Copied:
    """Copy a stranger's open file to a new durable file of ours; ``folder`` as for `write_durable`.

    ``pause`` is called between slices; what it raises ends the copy.
    Raises OSError: EINVAL not a regular file, EFBIG larger than ``limit`` bytes, EBUSY changed meanwhile.
    """
    before = os.fstat(source)
    check_fit(before, limit)
    digest = hashlib.sha256()

    def fill(fd: int) -> None:
        position = 0
        while chunk := os.pread(source, min(1 << 20, before.st_size - position), position):
            digest.update(chunk)
            _write_all(fd, chunk)
            position += len(chunk)
            if pause is not None and position // SLICE_BYTES > (position - len(chunk)) // SLICE_BYTES:
                os.fdatasync(fd)
                pause()
                if Identity.of(os.fstat(source)) != Identity.of(before):
                    break
        if Identity.of(os.fstat(source)) != Identity.of(before) or position != before.st_size:
            raise OSError(errno.EBUSY, "changed while it was copied")

    _publish(target, folder, mode, fill, durable=True)
    return Copied(before.st_size, digest.hexdigest())


def check_fit(status: os.stat_result, limit: int) -> None:
    """Raise OSError for what `copy_in` does not take: EINVAL not a regular file, EFBIG larger than ``limit`` bytes."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    if status.st_size > limit:
        raise OSError(errno.EFBIG, f"{status.st_size} bytes, at most {limit} are accepted")


def sweep(root: Path, relative: str = ".") -> int:
    """Remove what crashed writers left unpublished in the folder at ``relative`` below ``root``, not what another
    process is writing; gives the count. What cannot be removed, such as a folder that somebody named so, is left.
    """
    removed = 0
    with opened_beneath(root, relative) as folder:
        for name in os.listdir(folder):
            if name.startswith(TEMPORARY_PREFIX) and not _is_being_written(name):
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    return removed


def _is_being_written(name: str) -> bool:
    pid = name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    if not pid.isdecimal() or int(pid) in (0, os.getpid()):
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # alive, and another user's
    return True


def _publish(
    path: Path | str, folder: int | None, mode: int, fill: Callable[[int], None], *, durable: bool
) -> None:
    if folder is None:
        with opened_beneath(Path(path).parent) as opened:
            _publish_in(opened, os.path.basename(path), mode, fill, durable=durable)
    else:
        _publish_in(folder, str(path), mode, fill, durable=durable)


def temporary_name() -> str:
    """A name that `sweep` leaves alone for as long as this process lives."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"


def _publish_in(folder: int, name: str, mode: int, fill: Callable[[int], None], *, durable: bool) -> None:
    temporary = temporary_name()
    # Never a name that is there already: a stranger's link or FIFO could wait under it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            os.fchmod(fd, mode)
            fill(fd)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except IsADirectoryError:
            beneath.set_aside(name, folder)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _unlink_quietly(temporary, folder)
        raise
    if durable:
        os.fsync(folder)


def _unlink_quietly(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return  # the first error is the one to report; `sweep` takes what stays


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
