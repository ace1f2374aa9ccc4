"""The places of an attempt in ``.work``: its folder, the files beside it, its log; made and removed."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from daemon.below import below
from daemon.beneath import make_folders, opened_beneath, remove_tree, set_aside
from daemon.errors import CannotWrite
from daemon.looking import PASSING, is_folder
from daemon.orders import Order

_PATH_MAX = 4096
"""Bytes of a path, its end included, that the kernel takes (limits.h)."""


def prepare(order: Order) -> int:
    """Make the attempt's folder, the files beside it and its log; the log's descriptor.

    Raises CannotWrite, or OSError where there is no room, or are no descriptors, for it now.
    """
    _refuse_links(order)
    try:
        with opened_beneath(order.run_dir) as run:
            if not is_folder(order.sources):
                os.close(make_folders(run, "sources", 0o2770, durable=False))
            _make_workroom(order, run)
            logs = make_folders(run, "logs", durable=False)
        try:
            return _create(order.log_path.name, 0o660, logs)
        finally:
            os.close(logs)
    except OSError as error:
        if error.errno in PASSING - {errno.EIO, errno.EROFS}:
            raise
        place = error.filename or order.out_dir
        raise CannotWrite(f"{place}: the attempt cannot be prepared: {error.strerror}") from error


def _make_workroom(order: Order, run: int) -> None:
    # Others can write to the run directory: by its name, .work might lead us elsewhere by the next call.
    work = make_folders(run, ".work", 0o2750, durable=False)
    try:
        remove_tree(order.out_dir.name, work)
        os.mkdir(order.out_dir.name, 0o700, dir_fd=work)
        if order.command:
            params = json.dumps(order.params, ensure_ascii=False, default=dict)
            for name, text in (("params.json", params), ("feedback.txt", _told(order))):
                with open(_create(order.beside(name).name, 0o600, work), "wb") as file:
                    file.write(text.encode())
    finally:
        os.close(work)


def _told(order: Order) -> str:
    """What a command reads of a rejection: its notes as they are, then a line ``NAME: why`` for each part to redo."""
    parts = [f"{name}: {' '.join(why.split())}" for name, why in order.redo.items()]
    if not parts:
        return order.feedback
    notes = order.feedback.removesuffix("\n")
    return "\n".join([*([notes] if notes else []), *parts, ""])


def _refuse_links(order: Order) -> None:
    """What the stage is told to read is a file of the run; a link there would show it anything of ours."""
    made = {artifact.path for artifact in order.artifacts}
    folders = {os.path.dirname(path) for path in made}
    while above := {os.path.dirname(path) for path in folders} - folders:
        folders |= above
    found = [os.path.join(order.run_dir, path) for path in sorted((folders | made) - {""})]
    found.append(str(order.sources))
    found += [entry.path for entry in below(order.sources)]
    for path in found:
        if len(os.fsencode(path)) >= _PATH_MAX:
            raise CannotWrite(
                f"{path[:200]}... lies too deep to be looked at, and the stage might; remove it"
            )
        with suppress(FileNotFoundError, NotADirectoryError):
            kind = os.lstat(path).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise CannotWrite(
                    f"{path} is no regular file or folder, and the stage would read it; remove it"
                )


def _create(name: str, mode: int, folder: int) -> int:
    """A new file; somebody's FIFO that waited under its name would make us wait."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, mode, dir_fd=folder)
    except FileExistsError:
        set_aside(name, folder)
        return os.open(name, flags, mode, dir_fd=folder)


def clear(order: Order) -> None:
    """Remove what an attempt left that did not complete; `sweep` takes what cannot be removed now."""
    with suppress(OSError), opened_beneath(order.out_dir.parent) as work:
        remove_tree(order.out_dir.name, work)


def holds_any(run_dir: Path) -> bool:
    """Whether anything lies in ``.work``; of most jobs that wait nothing does."""
    with suppress(OSError), opened_beneath(run_dir, ".work") as work:
        return bool(os.listdir(work))
    return False


def sweep(run_dir: Path, keep: Collection[str] = ()) -> None:
    """Remove what attempts left in ``.work``, but for those named, such as ``03-script.1``.

    What cannot be removed now is left for the next time.
    """
    with suppress(OSError), opened_beneath(run_dir, ".work") as work:
        for name in os.listdir(work):
            if name not in keep and not name.startswith(tuple(f"{kept}." for kept in keep)):
                with suppress(OSError):
                    remove_tree(name, work)
