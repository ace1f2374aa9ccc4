"""Moving an attempt's files where the database says they belong: into the run directory, or into ``history/``.

The commit of ``stage_completed`` was the instant of success; this only follows it, and may be done again
at any point: what has moved is found moved. Nothing is overwritten, what lies in the way goes to history.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from daemon.digests import digest_of
from daemon.files import fsync_folder, make_folders, move_beneath
from daemon.store import Owed


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
    history = _folder(run, f"history/{debt.label}")
    for artifact in debt.artifacts:
        source, target = run / artifact.path, history / artifact.path
        kept = successor.get(artifact.path) == artifact.sha256 and _holds(source, artifact.sha256)
        if os.path.lexists(target):
            touched.add(target.parent)
        elif not kept and os.path.lexists(source):
            _move(run, history, artifact.path, touched)


def _publish(run: Path, debt: Owed, touched: set[Path]) -> None:
    work = run / ".work" / debt.label
    for artifact in debt.artifacts:
        source, target = work / artifact.path, run / artifact.path
        if not os.path.lexists(source):
            if os.path.lexists(target):
                touched.add(target.parent)
            continue
        if target.parent != run:
            _folder(run, os.path.dirname(artifact.path))
        if os.path.lexists(target):
            if _holds(target, artifact.sha256):
                touched.add(target.parent)
                continue
            _move(run, _folder(run, f"history/{debt.label}/before"), artifact.path, touched)
        _move(work, run, artifact.path, touched)
    try:
        os.rmdir(work)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)


def _folder(run: Path, relative: str) -> Path:
    os.close(make_folders(run, relative))
    return run / relative


def _holds(path: Path, sha256: str) -> bool:
    try:
        return digest_of(path) == sha256
    except OSError:
        return False


def _move(source_root: Path, target_root: Path, relative: str, touched: set[Path]) -> None:
    move_beneath(source_root, target_root, relative)
    # One rename is one step of the file system's journal: the target's folder is enough.
    touched.add((target_root / relative).parent)


def sync(folders: Iterable[Path]) -> None:
    """Make the renames durable: once "place" is recorded nobody looks in ``.work/`` again."""
    for folder in folders:
        # Whoever removed the folder since then removed what could be lost.
        with suppress(FileNotFoundError):
            fsync_folder(folder)
