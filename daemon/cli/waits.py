"""What a file in a drop-box waits for, as far as one look from outside can say: the settling rule, told."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from daemon.endmark import ends_with_mark, is_cut_short, nul_bytes
from daemon.lease import Writers, writer_pids, writers
from daemon.spool import LIMIT_BYTES
from daemon.strangers import no_permission, owner_of, unfit_kind

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def unfit(status: os.stat_result) -> str:
    """Why this is refused unread; empty where it is a file to read."""
    if status.st_size > LIMIT_BYTES and stat.S_ISREG(status.st_mode):
        return f"has {status.st_size:,} bytes, at most {LIMIT_BYTES:,} are accepted"
    return unfit_kind(status)


def open_for_writing(path: Path) -> str:
    """``still open for writing by pid 4711``, where the kernel says so; else nothing."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return ""
    try:
        held = stat.S_ISREG(os.fstat(fd).st_mode) and writers(fd) is Writers.SOME
        return _still_open(os.fstat(fd)) if held else ""
    finally:
        os.close(fd)


def unfinished(data: bytes) -> str:
    """What shows in the content that its writer has not ended; empty where nothing does."""
    if reason := nul_bytes(data):
        return f"it {reason}; refused if its writer leaves it so"
    return "incomplete: a template whose last line, `...`, is missing" if is_cut_short(data) else ""


def waits(path: Path, settle_seconds: float, empty_seconds: float | None) -> list[str]:
    """What the file waits for, in lines; the first one is why it is not taken now."""
    try:
        fd = os.open(path, _OPEN)
    except OSError as error:
        return [_unreadable(path, error)]
    try:
        status = os.fstat(fd)
        held = writers(fd)
        if held is Writers.SOME:
            return [f"it is {_still_open(status)}"]
        if status.st_size == 0:
            return [_empty(empty_seconds)]
        return _content(os.read(fd, LIMIT_BYTES), status, held, settle_seconds)
    finally:
        os.close(fd)


def _content(data: bytes, status: os.stat_result, held: Writers, settle_seconds: float) -> list[str]:
    lines = []
    if status.st_nlink > 1:
        lines.append(f"it has {status.st_nlink} hard links: taken once it has rested, or is the only one")
    if said := unfinished(data):
        return [*lines, said]
    if ends_with_mark(data):
        lines.append("it is complete: it ends with `...`")
    else:
        lines.append(
            f"complete once unchanged for {settle_seconds:g} s; `...` as its last line makes it so at once"
        )
    if held is Writers.UNKNOWN:
        lines.append(f"it is {owner_of(status.st_uid)}'s: whether somebody writes it, only resting can tell")
    return lines


def _empty(empty_seconds: float | None) -> str:
    if empty_seconds is None:
        return "it is empty, and waits for its content"
    return f"it is empty: that counts after {empty_seconds:g} quiet seconds"


def _still_open(status: os.stat_result) -> str:
    pids = writer_pids(status.st_dev, status.st_ino)
    who = f"by pid {', '.join(map(str, pids))}" if pids else "by a process we cannot see"
    return f"still open for writing {who}"


def _unreadable(path: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        try:
            return no_permission(os.lstat(path))
        except OSError:
            return "cannot read: permission denied"
    if error.errno == errno.EAGAIN:
        return "locked by another program (a lease)"
    return f"cannot read: {error.strerror}"
