"""The places of an attempt in ``.work``: its folder, the files beside it, its log; made and removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from daemon.errors import CannotWrite
from daemon.files import PASSING, is_folder, set_aside
from daemon.orders import Order


def prepare(order: Order) -> int:
    """Make the attempt's folder, the files beside it and its log; the log's descriptor.

    Raises CannotWrite, or OSError where there is no room, or are no descriptors, for it now.
    """
    _refuse_links(order)
    try:
        _make_folder(order.out_dir)
        if order.command:
            params = json.dumps(order.params, ensure_ascii=False, default=dict)
            for name, text in (("params.json", params), ("feedback.txt", order.feedback)):
                with open(_create(order.beside(name), 0o600), "wb") as file:
                    file.write(text.encode())
        _own_folder(order.log_path.parent, 0o770)
        return _create(order.log_path, 0o660)
    except OSError as error:
        if error.errno in PASSING - {errno.EIO, errno.EROFS}:
            raise
        place = error.filename or order.out_dir
        raise CannotWrite(f"{place}: the attempt cannot be prepared: {error.strerror}") from error


def _refuse_links(order: Order) -> None:
    """What the stage is told to read is a file of the run; a link there would show it anything of ours."""
    made = {artifact.path for artifact in order.artifacts}
    folders = {os.path.dirname(path) for path in made}
    while above := {os.path.dirname(path) for path in folders} - folders:
        folders |= above
    found = [os.path.join(order.run_dir, path) for path in sorted((folders | made) - {""})]
    found.append(str(order.sources))
    found += [
        os.path.join(at, name) for at, below, here in os.walk(order.sources) for name in (*below, *here)
    ]
    for path in found:
        with suppress(FileNotFoundError, NotADirectoryError):
            kind = os.lstat(path).st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise CannotWrite(
                    f"{path} is no regular file or folder, and the stage would read it; remove it"
                )


def _create(path: Path, mode: int) -> int:
    """A new file; somebody's FIFO that waited under its name would make us wait."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileExistsError:
        set_aside(path)
        return os.open(path, flags, mode)


def _own_folder(path: Path, mode: int) -> None:
    """A folder of ours where others can write: a link would lead us, and what we remove, elsewhere."""
    if not is_folder(path):
        set_aside(path)
        os.mkdir(path, mode)


def _make_folder(path: Path) -> None:
    """An empty folder of that name."""
    _own_folder(path.parent, 0o750)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        _remove(path)
        os.mkdir(path, 0o700)


def clear(order: Order) -> None:
    """Remove what an attempt left that did not complete; `sweep` takes what cannot be removed now."""
    with suppress(OSError):
        _remove(order.out_dir)


def sweep(run_dir: Path, keep: Collection[str] = ()) -> None:
    """Remove what attempts left in ``.work``, but for those named, such as ``03-script.1``.

    What cannot be removed now is left for the next time.
    """
    work = run_dir / ".work"
    if is_folder(run_dir) and is_folder(work):
        for name in os.listdir(work):
            if name not in keep and not name.startswith(tuple(f"{kept}." for kept in keep)):
                with suppress(OSError):
                    _remove(work / name)


def _remove(path: Path) -> None:
    """Remove a file or tree, following no link, also where a stage left folders without permissions."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        os.chmod(path, 0o700)
        for folder, names, _ in os.walk(path):
            for name in names:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
        shutil.rmtree(path)
