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

from daemon.beneath import is_beneath, make_folders, move_beneath, opened_beneath, remove_tree
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
    """Do what the attempts owe, in order; gives the folders to `sync` before it may be recorded as done.

    What an earlier call moved counts again: it may not be durable yet. OSError leaves it owed.
    """
    touched: set[Path] = set()
    for debt in owed:
        if debt.goal == "history":
            _retire(run, debt, _successor(debt, owed), touched)
        else:
            _publish(run, debt, touched)
    return touched


def _successor(debt: Owed, owed: Sequence[Owed]) -> dict[str, str]:
    """Path and sha256 of what the same stage's new attempt is about to publish."""
    return {a.path: a.sha256 for o in owed if o.stage == debt.stage and o.goal == "run" for a in o.artifacts}


def _retire(run: Path, debt: Owed, successor: dict[str, str], touched: set[Path]) -> None:
    history = f"history/{debt.label}"
    _make(run, history)
    for artifact in debt.artifacts:
        target = f"{history}/{artifact.path}"
        kept = successor.get(artifact.path) == artifact.sha256 and _holds(run, artifact)
        if is_beneath(run, target):
            touched.add((run / target).parent)
        elif not kept and is_beneath(run, artifact.path):
            _move(run, artifact.path, target, touched)


def _publish(run: Path, debt: Owed, touched: set[Path]) -> None:
    work = f".work/{debt.label}"
    for artifact in debt.artifacts:
        source, target = f"{work}/{artifact.path}", artifact.path
        if not is_beneath(run, source):
            if is_beneath(run, target):
                touched.add((run / target).parent)
            continue
        if parent := os.path.dirname(target):
            _make(run, parent)
        if is_beneath(run, target):
            if _holds(run, artifact):
                touched.add((run / target).parent)
                continue
            _move(run, target, f"history/{debt.label}/before/{target}", touched)
        _move(run, source, target, touched)
    with suppress(OSError), opened_beneath(run, ".work") as folder:
        remove_tree(debt.label, folder)


def _make(run: Path, relative: str) -> None:
    os.close(make_folders(run, relative))


def _holds(run: Path, artifact: Artifact) -> bool:
    try:
        return digest_of(run, artifact.path) == artifact.sha256
    except OSError:
        return False


def _move(run: Path, source: str, target: str, touched: set[Path]) -> None:
    move_beneath(run, source, target)
    # One rename is one step of the file system's journal: the target's folder is enough.
    touched.add((run / target).parent)


def sync(folders: Iterable[Path]) -> None:
    """Make the renames durable: once "place" is recorded nobody looks in ``.work/`` again."""
    for folder in folders:
        # Whoever removed the folder since then removed what could be lost.
        with suppress(FileNotFoundError):
            fsync_folder(folder)
