"""The door for requests: a vetted one goes into the inbox, the sources that lie beside it first.

Shared by everything that writes for a person: the command line, the web page, git sync.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

from daemon.beneath import make_folders, open_beneath
from daemon.dropping import Dropped, into_place
from daemon.errors import CannotWrite, NotPossible
from daemon.files import copy_in, temporary_name, write_durable
from daemon.names import LONGEST_NAME, shown
from daemon.workspace import Workspace

SOURCE_LIMIT = 2 * 1024**3
"""Bytes of one source file."""


def drop_request(workspace: Workspace, source: Path, data: bytes, sources: tuple[str, ...]) -> Dropped:
    """Put a vetted request into the inbox, the sources that lie beside it first; durable on return.

    Raises CannotWrite, NotPossible where a source is no regular file.
    """
    folder = None
    try:
        stem, folder = _claim_stem(workspace, source, sources)
        if folder is not None:
            for name in _beside(source, sources):
                _bring(source, name, folder)
        temporary = workspace.inbox / temporary_name()
        write_durable(temporary, data)
        # A request that brings files must keep its stem; another may take one that is surely free.
        spare = [] if folder is not None else [f"{stem}-{secrets.token_hex(3)}.yaml"]
        return into_place(temporary, [f"{stem}.yaml", *spare])
    except (OSError, NotPossible) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, NotPossible):
            raise
        raise CannotWrite(
            f"{error.filename or workspace.inbox}: {error.strerror}; nothing was submitted"
        ) from error


def lies_beside(source: Path, name: str) -> bool:
    """Whether a request's source lies beside it, so that `drop_request` brings it."""
    return _root_of(source, name) is not None


def _claim_stem(workspace: Workspace, source: Path, sources: tuple[str, ...]) -> tuple[str, Path | None]:
    """A stem that nobody uses in the inbox, with its folder where the request brings files."""
    base = _fitting(source.name.rpartition(".")[0] or source.name)
    needed = bool(_beside(source, sources))
    number = 1
    while True:
        stem = base if number == 1 else f"{base}-{number}"
        number += 1
        inbox = workspace.inbox
        if any(os.path.lexists(inbox / name) for name in (f"{stem}.yaml", f"{stem}.yml", stem)):
            continue
        if not needed:
            return stem, None
        try:
            (inbox / stem).mkdir()
        except FileExistsError:
            continue
        os.chmod(inbox / stem, 0o2770)  # noqa: S103 - the group's members work with the daemon (contract 1)
        return stem, inbox / stem


def _fitting(stem: str) -> str:
    """A stem that the inbox takes: printable, not hidden, not set aside, short."""
    safe = "".join(c if c.isalnum() or c in "._-+ " else "-" for c in stem).lstrip("._~# ") or "job"
    return os.fsencode(safe)[: LONGEST_NAME - 40].decode(errors="ignore")


def _beside(source: Path, sources: tuple[str, ...]) -> list[str]:
    """The sources that lie beside the request: those the daemon would not find by itself."""
    return [name for name in sources if _root_of(source, name) is not None]


def _root_of(source: Path, name: str) -> Path | None:
    roots = (source.parent / source.stem, source.parent)
    return next((root for root in roots if os.path.lexists(root / name)), None)


def _bring(source: Path, name: str, folder: Path) -> None:
    root = _root_of(source, name)
    assert root is not None
    try:
        # What the caller names may be a link; what lies below may hold none.
        fd = open_beneath(root.resolve(), name)
    except OSError as error:
        why = (
            "a link, or beneath one"
            if error.errno in (errno.ELOOP, errno.EXDEV)
            else (error.strerror or "unreadable")
        )
        raise NotPossible(f"source {shown(name)} is {why}; put the file itself beside the request") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotPossible(f"source {shown(name)} is not a regular file; put a regular file there")
        parent = os.path.dirname(name)
        if parent:
            os.close(make_folders(folder, parent))
        copy_in(fd, folder / name, SOURCE_LIMIT)
    finally:
        os.close(fd)
