"""Whether ``state.json``, ``events.jsonl`` and the ledger say what the database says, byte for byte.

Of the jobs that can still change and of those that were over last, and of the ledger's end; ``--full`` compares
all. One that is a moment behind while the daemon works is looked at again before it is told.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from daemon.catalog import Catalog
from daemon.cli.doctor.finding import Finding
from daemon.cli.places import holder_of
from daemon.eventfile import last_line
from daemon.ledger import closed, last_closed
from daemon.looking import read_regular
from daemon.model import Event
from daemon.projection import lines, state
from daemon.workspace import Workspace

OPEN = 1000
RECENT = 200
LEDGER_EVENTS = 5000
_LOOKS, _PAUSE_SECONDS = 4, 0.5
_READ = 1 << 30
REBUILD = "stop the daemon, then: spork rebuild"


def findings(workspace: Workspace, catalog: Catalog, *, full: bool) -> Iterator[Finding]:
    """What differs, or how much was compared."""
    looks = _LOOKS if holder_of(workspace) is not None else 1
    jobs = catalog.ids() if full else _recent(catalog)
    wrong, ledger, last = jobs, "?", catalog.last_seq()
    for look in range(looks):
        if look:
            time.sleep(_PAUSE_SECONDS)
        wrong = [job_id for job_id in wrong if _differs(workspace, catalog, job_id)]
        ledger = ledger and _ledger(workspace, catalog, last, full=full)
        if not (wrong or ledger):
            break
    behind = (
        "start the daemon: it catches up by itself" if ledger.startswith("ends") and looks == 1 else REBUILD
    )
    if wrong:
        yield Finding("copies", f"not what the database says: {', '.join(wrong[:5])}", behind)
    if ledger:
        yield Finding("copies", f"the ledger {ledger}", behind)
    if not (wrong or ledger):
        much = (
            "all jobs and the whole ledger" if full else f"the {len(jobs)} latest jobs and the ledger's end"
        )
        yield Finding("copies", f"{much} say what the database says")


def _recent(catalog: Catalog) -> list[str]:
    found = [job.id for job in (*catalog.open_jobs(OPEN), *catalog.finished_jobs(RECENT))]
    return list(dict.fromkeys(found))


def _differs(workspace: Workspace, catalog: Catalog, job_id: str) -> bool:
    """Whether a copy in the run directory is wrong; one without a directory, or that moves just now, has none."""
    run, job = workspace.run(job_id), catalog.job(job_id)
    if job is None or not run.is_dir():
        return False
    try:
        shown = json.loads(read_regular(run, "state.json", _READ))
        told = read_regular(run, "events.jsonl", _READ)
    except (OSError, ValueError, RecursionError):
        shown, told = None, b""
    same = told == lines(catalog.events(job_id)) and shown == json.loads(json.dumps(state(job)))
    now = catalog.job(job_id)
    return not same and now is not None and now.seq == job.seq


def _ledger(workspace: Workspace, catalog: Catalog, last: int, *, full: bool) -> str:
    """What is wrong with the ledger up to that event; empty if nothing is."""
    after = 0
    for upto, path in (*closed(workspace), (last, workspace.ledger)):
        if after >= last:
            break
        due = (e for e in catalog.events(after=after) if e.seq <= upto)
        wrong = _compare(path, due if full else islice(due, 1))
        if wrong:
            return wrong
        after = upto
    begun = last_closed(workspace)
    return "" if full or begun >= last else _compare_end(workspace.ledger, catalog, begun, last)


def _compare(path: Path, events: Iterator[Event]) -> str:
    """Hold the file's lines against the events; lines after the last of them are not asked for."""
    try:
        with path.open("rb") as file:
            for event in events:
                line = file.readline()
                if not line.endswith(b"\n"):
                    return f"ends before event {event.seq} ({path.name})"
                if line != lines([event]):
                    return f"is not the database's at event {event.seq} ({path.name})"
    except OSError as error:
        return f"lacks {path.name}: {error.strerror}"
    return ""


def _compare_end(path: Path, catalog: Catalog, begun: int, last: int) -> str:
    """Whether the newest events, of those after ``begun``, stand at the file's end."""
    line = last_line(path)
    newest = int(line["seq"]) if line is not None else 0
    if newest < last:
        return f"ends before event {newest + 1} ({path.name})"
    newer = catalog.events(after=max(newest - LEDGER_EVENTS, begun))
    due = lines(e for e in newer if e.seq <= newest)
    with path.open("rb") as file:
        file.seek(max(file.seek(0, 2) - len(due) - (1 << 20), 0))
        return "" if due in file.read() else f"is not the database's in its last events ({path.name})"
