"""Moving an attempt's files where the database says they belong: into the run directory, or into ``history/``.

The commit of ``stage_completed`` was the instant of success; this only follows it, and may be done again
at any point: what has moved is found moved. Nothing is overwritten, what lies in the way goes to history.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from daemon.beneath import is_beneath, make_folders, move_beneath, open_beneath, opened_beneath, remove_tree
from daemon.changes import Owed
from daemon.digests import digest_of
from daemon.files import fsync_folder
from daemon.model import Artifact


def gate_digest(artifacts: Iterable[tuple[str, str]]) -> str:
    """The digest that a decision binds: ``sha256sum``'s lines for (path, sha256 hex), sorted, hashed again."""
    listed = sorted((os.fsencode(path), sha) for path, sha in artifacts)
    text = b"".join(sha.encode() + b"  " + path + b"\n" for path, sha in listed)
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def settle(run: Path, owed: Sequence[Owed]) -> set[Path]:
    """Do what the attempts owe; gives the folders to `sync` before it may be recorded as done.

    What an earlier call moved counts again: it may not be durable yet. OSError leaves it owed.
    """
    touched: set[str] = set()
    try:
        root = open_beneath(run, ".", os.O_DIRECTORY)
    except FileNotFoundError:
        if any(debt.goal == "history" for debt in owed):
            raise
        # Whoever removed the run directory removed what was to be published in it.
        return set()
    try:
        # A path may have changed hands between stages since: who had it goes before who has it now comes.
        for debt in owed:
            if debt.goal == "history":
                _retire(root, debt, _to_come(owed), touched)
        for debt in owed:
            if debt.goal == "run":
                _publish(root, debt, touched)
    finally:
        os.close(root)
    return {run / os.path.dirname(path) for path in touched}


def _to_come(owed: Sequence[Owed]) -> dict[str, Artifact]:
    """By path what is about to be published, or was already by an earlier call."""
    return {artifact.path: artifact for debt in owed if debt.goal == "run" for artifact in debt.artifacts}


def _retire(root: int, debt: Owed, to_come: dict[str, Artifact], touched: set[str]) -> None:
    _make(root, f"history/{debt.label}")
    for artifact in debt.artifacts:
        target, source = _kept_at(debt.label, artifact.path), f".work/{debt.label}/{artifact.path}"
        successor = to_come.get(artifact.path)
        kept = successor is not None and _holds(root, successor)
        if is_beneath(root, target):
            touched.add(target)
        elif is_beneath(root, source) and not _holds(root, artifact):
            # It was rejected before the disk took it into the run directory, or a power cut took it back.
            _move(root, source, target, touched)
        elif not kept and is_beneath(root, artifact.path):
            _move(root, artifact.path, target, touched)


def _kept_at(label: str, path: str) -> str:
    """Where in history a file goes; aside, where we keep there under that name what was made or lay in the way."""
    aside = "published/" if path.partition("/")[0] in ("made", "before", "published") else ""
    return f"history/{label}/{aside}{path}"


def _publish(root: int, debt: Owed, touched: set[str]) -> None:
    work = f".work/{debt.label}"
    for artifact in debt.artifacts:
        source, target = f"{work}/{artifact.path}", artifact.path
        if not is_beneath(root, source):
            if is_beneath(root, target):
                touched.add(target)
            continue
        if parent := os.path.dirname(target):
            _make(root, parent)
        if is_beneath(root, target):
            if _holds(root, artifact):
                touched.add(target)
                continue
            _move(root, target, f"history/{debt.label}/before/{target}", touched)
        _move(root, source, target, touched)


def clear(run: Path, owed: Iterable[Owed]) -> None:
    """Remove the folders in ``.work`` of attempts whose files were moved out of them, once `sync` has returned.

    Before that a power cut could take the moves back, and the folders would be gone with what was in them.
    """
    with suppress(OSError), opened_beneath(run, ".work") as folder:
        for label in {debt.label for debt in owed}:
            with suppress(OSError):
                _remove(label, folder)


def _remove(name: str, folder: int) -> None:
    """Remove an attempt's folder; as a rule nothing is left in it."""
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:
        remove_tree(name, folder)


def _make(root: int, relative: str) -> None:
    os.close(make_folders(root, relative))


def _holds(root: int, artifact: Artifact) -> bool:
    try:
        return digest_of(root, artifact.path) == artifact.sha256
    except OSError:
        return False


def _move(root: int, source: str, target: str, touched: set[str]) -> None:
    move_beneath(root, source, target)
    # One rename is one step of the file system's journal: the target's folder is enough.
    touched.add(target)


def sync(folders: Iterable[Path]) -> None:
    """Make the renames durable: once "place" is recorded nobody looks in ``.work/`` again."""
    for folder in folders:
        # Whoever removed the folder since then removed what could be lost.
        with suppress(FileNotFoundError):
            fsync_folder(folder)
