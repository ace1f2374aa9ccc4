"""Whether the database is the one that what lies beside it was copied from: no copy may know more than it does.

Copies follow the commit. A copy with an event that the database does not know means that another database lies
there: an older one out of a backup, another workspace's, a new one where the old was deleted, or one that SQLite
mixed with a write-ahead log that was not its own. To go on would be to do, and to ask, again what was done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.catalog import Catalog
from daemon.errors import Halt
from daemon.eventfile import last_line
from daemon.ledger import parts
from daemon.looking import is_folder, read_regular
from daemon.workspace import Workspace

_STATE_BYTES = 1 << 26
_SAME = ("seq", "ts", "type", "job_id")
"""What a line and an event have in common that are the same."""


def check(workspace: Workspace) -> None:
    """Halt where going on with this database would be guessing."""
    catalog = Catalog(workspace.db)
    try:
        why = conflict(workspace, catalog)
    finally:
        catalog.close()
    if why:
        raise Halt(
            f"{workspace.db}: {why}. To go on would do again what was done: spork rebuild makes it anew from all that"
            " is known, and keeps the old one aside"
        )


def conflict(workspace: Workspace, catalog: Catalog) -> str:
    """Why the database cannot be the one that the copies were made from; empty if it can."""
    torn = catalog.torn()
    if torn is not None:
        return f"says of {torn} what does not follow from its last event: two databases are mixed"
    for path, seq, known in _newest(workspace, catalog):
        if not known:
            name = path.relative_to(workspace.root)
            return f"does not know event {seq} of {name}: it is older than that, or another workspace's"
    return ""


def _newest(workspace: Workspace, catalog: Catalog) -> Iterator[tuple[Path, int, bool]]:
    """The newest event of each ledger file and of each run that may move or that no job owns; whether it is known."""
    for path in reversed(parts(workspace)):
        line = last_line(path)
        if line is not None:
            yield path, int(line["seq"]), _knows(catalog, line)
    # Of a hundred thousand runs nearly all are over: those are told by one question, and not one each.
    names = set(os.listdir(workspace.runs)) - catalog.over_ids()
    for name in names - _as_recorded(workspace, catalog):
        run = workspace.run(name)
        if name.startswith(".") or not is_folder(run):
            continue
        standing = catalog.standing(name)
        line = last_line(run / "events.jsonl")
        if line is None and standing is not None:
            yield run / "state.json", (shown := _shown_seq(run)), shown <= catalog.last_seq()
        elif line is not None and line.get("job_id") == name:
            seq = int(line["seq"])
            yield run / "events.jsonl", seq, _knows_of_run(catalog, name, line)


def _as_recorded(workspace: Workspace, catalog: Catalog) -> set[str]:
    """The runs that may move and whose copy ends with the job's last event: by one question too, and with no paths
    made, for ten thousand may wait.
    """
    runs, found = str(workspace.runs), set()
    for job_id, *last in catalog.last_events():
        run = f"{runs}/{job_id}"
        line = last_line(f"{run}/events.jsonl") if is_folder(run) else None
        if line is not None and [line.get(key) for key in _SAME] == [*last, job_id]:
            found.add(job_id)
    return found


def _knows_of_run(catalog: Catalog, job_id: str, line: Mapping[str, Any]) -> bool:
    """Whether this event happened to the job; a run that no job owns is a stranger's, unless it is from later."""
    standing, seq = catalog.standing(job_id), int(line["seq"])
    if standing is None:
        return seq <= catalog.last_seq()
    return standing[1] >= seq and _knows(catalog, line)


def _knows(catalog: Catalog, line: Mapping[str, Any]) -> bool:
    event = next(catalog.events(after=int(line["seq"]) - 1), None)
    known = event and [event.seq, event.ts, str(event.type), event.job_id]
    return known == [line.get(key) for key in _SAME]


def _shown_seq(run: Path) -> int:
    try:
        return int(json.loads(read_regular(run, "state.json", _STATE_BYTES))["seq"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return 0
