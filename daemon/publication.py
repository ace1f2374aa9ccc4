"""Moving an attempt's files where the database says they belong: into the run directory, or into ``history/``.

The commit of ``stage_completed`` was the instant of success; this only follows it, and may be done again
at any point: what has moved is found moved. Nothing is overwritten, what lies in the way goes to history.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from daemon.digests import digest_of
from daemon.files import fsync_folder, make_folders, move_beneath
from daemon.store import Owed


def gate_digest(artifacts: Iterable[tuple[str, str]]) -> str:
    """The digest that a decision binds: ``sha256sum``'s lines for (path, sha256 hex), sorted, hashed again."""
    listed = sorted((os.fsencode(path), sha) for path, sha in artifacts)
    text = b"".join(sha.encode() + b"  " + path + b"\n" for path, sha in listed)
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def settle(run: Path, owed: Sequence[Owed]) -> None:
    """Do what the attempts owe, in order, and make it durable. OSError leaves it owed."""
    for debt in owed:
        if debt.goal == "history":
            _retire(run, debt, _successor(debt, owed))
        else:
            _publish(run, debt)


def _successor(debt: Owed, owed: Sequence[Owed]) -> dict[str, str]:
    """Path and sha256 of what the same stage's new attempt is about to publish."""
    return {a.path: a.sha256 for o in owed if o.stage == debt.stage and o.goal == "run" for a in o.artifacts}


def _retire(run: Path, debt: Owed, successor: dict[str, str]) -> None:
    history = _folder(run, f"history/{debt.label}")
    touched: set[Path] = set()
    for artifact in debt.artifacts:
        source, target = run / artifact.path, history / artifact.path
        kept = successor.get(artifact.path) == artifact.sha256 and _holds(source, artifact.sha256)
        if kept or not os.path.lexists(source) or os.path.lexists(target):
            continue
        _move(run, history, artifact.path, touched)
    _sync(touched)


def _publish(run: Path, debt: Owed) -> None:
    work = run / ".work" / debt.label
    touched: set[Path] = set()
    for artifact in debt.artifacts:
        source, target = work / artifact.path, run / artifact.path
        if not os.path.lexists(source):
            continue
        if target.parent != run:
            _folder(run, os.path.dirname(artifact.path))
        if os.path.lexists(target):
            if _holds(target, artifact.sha256):
                continue
            _move(run, _folder(run, f"history/{debt.label}/before"), artifact.path, touched)
        _move(work, run, artifact.path, touched)
    _sync(touched)
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


def _sync(folders: set[Path]) -> None:
    # Once "place" is recorded nobody looks in .work/ again, so the renames must be down before that.
    for folder in folders:
        fsync_folder(folder)
