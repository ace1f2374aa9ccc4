"""Paths below a folder that strangers can write to: opened, made and moved without passing a link.

A path is checked by the kernel while it is walked (openat2), so that nobody can swap a folder for a link
between the look and the use. Errors are OSError: ELOOP where a part is a link, EXDEV where it leads out.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

FOLDER_MODE = 0o2770

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPENAT2 = 437
_RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x04, 0x08
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.ENAMETOOLONG}


def open_beneath(root: Path | str | int, relative: str, flags: int = 0) -> int:
    """Open for reading what lies at ``relative`` below ``root``: a folder that is no link, or its descriptor.

    Never blocks on a FIFO. What kind of file it is, the caller asks of the descriptor. Raises OSError.
    """
    parts = _parts(relative)
    if isinstance(root, int):
        return _open(root, parts, flags | _READ)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _open(top, parts, flags | _READ)
    finally:
        os.close(top)


def make_folders(root: Path | int, relative: str, mode: int = FOLDER_MODE, *, durable: bool = True) -> int:
    """Open the folder at ``relative`` below ``root``, durably making what is missing; a descriptor.

    What somebody put in a folder's place, a link say, is set aside as ``_NAME.aside``.
    """
    current = open_beneath(root, ".", os.O_DIRECTORY)
    for part in _parts(relative):
        try:
            below = _opened_or_made(current, part, mode, durable=durable)
        finally:
            os.close(current)
        current = below
    return current


def _opened_or_made(folder: int, name: str, mode: int, *, durable: bool) -> int:
    with suppress(OSError):
        return open_beneath(folder, name, os.O_DIRECTORY)
    made = _made(folder, name, mode)
    if not made and not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        set_aside(name, folder)
        made = _made(folder, name, mode)
    below = open_beneath(folder, name, os.O_DIRECTORY)
    if made:
        os.fchmod(below, mode)
        if durable:
            os.fsync(folder)
    return below


def _made(folder: int, name: str, mode: int) -> bool:
    """Make a folder; False if something has its name."""
    try:
        os.mkdir(name, mode, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def set_aside(name: str, folder: int) -> None:
    """Free a name of ours in an open folder: what somebody put there stays beside it as ``_NAME.aside``."""
    number = 1
    while has(folder, aside := f"_{name}{number if number > 1 else ''}.aside"):
        number += 1
    with suppress(FileNotFoundError):
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)


def has(folder: int, name: str) -> bool:
    """Whether anything, a link too, has that name in an open folder."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def is_beneath(root: Path | int, relative: str) -> bool:
    """Whether anything, a link too, lies at ``relative`` below ``root``, itself beneath no link."""
    parent, name = os.path.split(relative)
    try:
        if isinstance(root, int) and not parent:
            return has(root, name)
        with opened_beneath(root, parent or ".") as folder:
            return has(folder, name)
    except OSError as error:
        # Any other error, for want of descriptors say, does not tell: to believe it would lose what is there.
        if error.errno not in _NOT_THERE:
            raise
        return False


def reading(descriptor: int) -> FileIO:
    """A file, unbuffered, that owns the descriptor. IsADirectoryError where it is a folder, and nothing stays open."""
    try:
        return FileIO(descriptor)
    except OSError:
        # Python leaves it open, and whoever puts a folder in a file's place has it looked at again and again.
        os.close(descriptor)
        raise


@contextmanager
def opened_beneath(root: Path | str | int, relative: str = ".") -> Iterator[int]:
    """The folder at ``relative`` below ``root``, open for as long as it is used."""
    if relative == "." and not isinstance(root, int):
        folder = os.open(root, _READ | os.O_DIRECTORY | os.O_NOFOLLOW)
    else:
        folder = open_beneath(root, relative, os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def move_beneath(root: Path | int, source: str, target: str) -> None:
    """Move one file from one path below ``root`` to another, making missing folders there.

    Replaces what is there. Durable once the caller has synced the target's folder.
    """
    above, name = os.path.split(source)
    below, new_name = os.path.split(target)
    with opened_beneath(root, above or ".") as source_folder:
        target_folder = make_folders(root, below)
        try:
            os.rename(name, new_name, src_dir_fd=source_folder, dst_dir_fd=target_folder)
        finally:
            os.close(target_folder)


def remove_tree(name: str, folder: int) -> None:
    """Remove what has that name in an open folder, whatever it is, following no link; fine if it is gone.

    However deep: what lies in a folder is moved up beside it, so that neither the stack nor the number of
    descriptors grows. Folders that were left without permissions are given them.
    """
    left = [name]
    while left:
        try:
            os.unlink(left[-1], dir_fd=folder)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            if not _emptied(folder, left):
                continue
        left.pop()


def _emptied(folder: int, left: list[str]) -> bool:
    """Remove the last of ``left`` if it is empty; else unlink its files and move its folders beside it."""
    name = left[-1]
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _permit(handle)
        inner = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)
    moved = []
    try:
        for below in os.listdir(inner):
            try:
                os.unlink(below, dir_fd=inner)
            except IsADirectoryError:
                moved.append(_moved_up(below, inner, folder))
    finally:
        os.close(inner)
    left += moved
    if not moved:
        os.rmdir(name, dir_fd=folder)
    return not moved


def _moved_up(name: str, inner: int, folder: int) -> str:
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inner)
    try:
        # A folder that may not be written to may not be moved: its `..` changes.
        _permit(handle)
    finally:
        os.close(handle)
    beside = f".spork-{os.getpid()}-{os.urandom(8).hex()}"
    os.rename(name, beside, src_dir_fd=inner, dst_dir_fd=folder)
    return beside


def _permit(handle: int) -> None:
    """Let us into a folder that was left without permissions."""
    if os.fstat(handle).st_mode & 0o700 != 0o700:
        # By the descriptor: chmod by name would follow a link that was put there since.
        os.chmod(f"/proc/self/fd/{handle}", 0o700)


def _parts(relative: str) -> tuple[str, ...]:
    # By hand: pathlib's objects are many pages for a process that has just forked.
    parts = tuple(part for part in relative.split("/") if part not in ("", "."))
    if relative.startswith("/") or ".." in parts or "\0" in relative:
        raise OSError(errno.EXDEV, "the path leads out of its folder", relative)
    return parts


def _open(top: int, parts: tuple[str, ...], flags: int) -> int:
    try:
        return _openat2(top, "/".join(parts) or ".", flags)
    except OSError as error:
        # Linux before 5.6, or a container's filter that forbids the call: walk there ourselves.
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
    return _walk(top, parts or (".",), flags)


def _walk(top: int, parts: tuple[str, ...], flags: int) -> int:
    current = os.dup(top)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = below
            if stat.S_ISLNK(os.fstat(current).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
        if stat.S_ISLNK(os.stat(parts[-1], dir_fd=current, follow_symlinks=False).st_mode):
            # O_DIRECTORY with O_NOFOLLOW would say "not a directory"; the open below is what protects.
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), parts[-1])
        return os.open(parts[-1], flags | os.O_NOFOLLOW, dir_fd=current)
    finally:
        os.close(current)


def _openat2(top: int, relative: str, flags: int) -> int:
    how = struct.pack("QQQ", flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)
    answer = _syscall()(top, os.fsencode(relative), how)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer), relative)
    return answer


@functools.cache
def _syscall() -> Callable[[int, bytes, bytes], int]:
    import ctypes  # milliseconds that most commands need not pay

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]

    def openat2(top: int, path: bytes, how: bytes) -> int:
        answer: int = syscall(_OPENAT2, top, path, how, len(how))
        return answer if answer >= 0 else -ctypes.get_errno()

    return openat2
