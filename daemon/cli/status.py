"""``spork status [JOB] [--waiting] [--stats] [--watch]``"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from daemon.catalog import Catalog, Summary
from daemon.cli import beside
from daemon.cli.places import Holder, catalog_of, daemon_line, holder_of, workspace_of
from daemon.cli.screen import (
    STATUS_COLORS,
    Part,
    clean,
    colorful,
    columns,
    fitted,
    one_line,
    paint,
    rows,
    show_json,
    show_lines,
    table,
    tell,
)
from daemon.cli.turn import Queue
from daemon.room import shortage, wanted
from daemon.workspace import Workspace

WATCH_SECONDS = 0.5
FINISHED = 10


def command(args: Namespace) -> int:
    """Where everything is, from the database and the folders; changes nothing."""
    workspace = workspace_of(args)
    if args.job is not None:
        from daemon.cli.detail import detail, facts

        return _out(args, partial(facts, workspace, args.job), partial(detail, workspace, args.job))
    if args.stats:
        return _out(args, partial(_counts, workspace), partial(_stats, workspace))
    return _out(args, partial(_facts, workspace, args), partial(_overview, workspace, args))


def _out(args: Namespace, as_json: Any, as_lines: Any) -> int:
    if args.json:
        show_json(as_json())
    elif args.watch and _on_terminal():
        _watch(as_lines)
    else:
        show_lines(as_lines(on=colorful()))
    return 0


def _on_terminal() -> bool:
    """Whether there is a terminal to draw on again and again; told where there is not."""
    if sys.stdout.isatty():
        return True
    tell("not a terminal: shown once")
    return False


def _watch(as_lines: Any) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    on = colorful()
    with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="ellipsis") as live:
        while True:
            drawn = Text.from_ansi("\n".join(as_lines(on=on)), no_wrap=True, overflow="ellipsis")
            live.update(drawn, refresh=True)
            time.sleep(WATCH_SECONDS)


# -- the overview


def _overview(workspace: Workspace, args: Namespace, *, on: bool) -> list[str]:
    catalog, holder = catalog_of(workspace), holder_of(workspace)
    parts: list[Part] = []
    if catalog is not None:
        limit = args.limit
        parts += _waiting(workspace, catalog, limit) if args.waiting else _jobs(workspace, catalog, limit, on)
    if not parts:
        nothing = (
            "Nothing waits for an answer." if args.waiting else "No job yet; drop a request into inbox/."
        )
        parts.append(Part([nothing]))
    notes = beside.inbox_notes(workspace)
    if notes:
        said = [f"  {clean(note)}" for note in notes]
        files, counts = said[: beside.MOST], said[beside.MOST :]
        parts.append(Part(["", "In the inbox:"], [[line] for line in files], counts))
    lines: list[str] = []
    refused = beside.refused_lately(workspace)
    if refused:
        what = "request was" if refused == 1 else "requests were"
        lines += ["", f"{refused} {what} refused in the last 24 hours, see inbox/rejected/"]
    short = shortage(workspace, wanted(workspace))
    if short:
        told = f"No room: {short}. Nothing new is taken or started until there is."
        lines += ["", paint(clean(told), "red", on=on)]
    lines += ["", *_daemon(catalog, holder, bool(notes), on=on)]
    return fitted([*parts, Part(lines)], rows() if args.watch else None)


def _daemon(catalog: Catalog | None, holder: Holder | None, inbox: bool, *, on: bool) -> list[str]:
    if holder is not None:
        return [daemon_line(holder)]
    if inbox or (catalog is not None and catalog.has_any(("queued", "running", "needs_approval"))):
        return [
            paint("No daemon runs here, so nothing moves: start one with `spork daemon`.", "yellow", on=on)
        ]
    return [daemon_line(None)]


def _jobs(workspace: Workspace, catalog: Catalog, limit: int, on: bool) -> list[Part]:
    opened = catalog.open_jobs(limit + 1)
    done = catalog.finished_jobs(min(limit, FINISHED))
    more = len(opened) > limit
    shown = [*opened[:limit], *done]
    if not shown:
        return []
    queue = Queue(workspace, catalog)
    cells = [_row(workspace, queue, job) for job in shown]
    colors = [STATUS_COLORS.get(job.status) for job in shown]
    lines = table(("JOB", "STATUS", "STAGE", "AGE", "CHANGED", ""), cells, colors, on=on, width=columns())
    height = len(lines) // (len(cells) + 1)
    entries = [lines[at : at + height] for at in range(height, len(lines), height)]
    after = ["... and more open ones; --limit N shows them, --stats counts them"] if more else []
    parts = [Part(lines[:height], entries, after)]
    notes = [note for job in opened[:limit] for note in beside.run_notes(workspace, job)]
    if notes:
        parts.append(Part(["", "In the run directories:"], [[f"  {clean(note)}"] for note in notes]))
    return parts


def _row(workspace: Workspace, queue: Queue, job: Summary) -> list[str]:
    status = f"{job.status} ({job.reason})" if job.reason else job.status
    stage = f"{job.stage}.{job.attempt}" if job.stage else ""
    return [job.id, status, stage, age(job.created_at), age(job.updated_at), next_step(workspace, queue, job)]


def _waiting(workspace: Workspace, catalog: Catalog, limit: int) -> list[Part]:
    entries: list[list[str]] = []
    for job in catalog.waiting_jobs(limit):
        place = f"{job.stage}.{job.attempt}"
        told = f"{job.id}  {job.status} ({job.reason}) at {place}, changed {age(job.updated_at)} ago"
        lines = [*how_to_answer(job), *map(clean, beside.run_notes(workspace, job))]
        entries.append([clean(told), *(f"  {line}" for line in lines)])
    return [Part([], entries)] if entries else []


def how_to_answer(job: Summary) -> list[str]:
    """What a person can do about a job that waits for one."""
    if _answerable(job):
        until = f" (until {job.expires_at})" if job.expires_at and job.status == "needs_approval" else ""
        return [
            f"read  runs/{job.id}/REVIEW.md{until}",
            f"then  spork approve {job.id}   or   spork reject {job.id} --notes TEXT",
        ]
    if job.status in ("paused", "failed"):
        return [f"see   spork status {job.id}", f"then  spork resume {job.id}   or   spork cancel {job.id}"]
    return []


def next_step(workspace: Workspace, queue: Queue, job: Summary) -> str:
    """What the job waits for, or how far it is, in a few words."""
    if job.status == "queued":
        turn = queue.turn(job.id)
        return turn.why if turn else ""
    if job.status == "running":
        return beside.progress_line(workspace, job.id, job.stage or "", job.attempt)
    return takes(job)


def takes(job: Summary) -> str:
    """The answers that would count now; nothing where none would."""
    if _answerable(job):
        return "approve or reject"
    return "resume or cancel" if job.status in ("paused", "failed") else ""


def _answerable(job: Summary) -> bool:
    """Whether its gate takes an answer: one whose time is over does while the job is paused, not once it is over."""
    return job.status == "needs_approval" or (job.status, job.reason) == ("paused", "expired")


def age(moment: str) -> str:
    """How long ago that was: ``12s``, ``5m``, ``3h``, ``9d``."""
    seconds = max((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds(), 0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


# -- numbers and JSON


def _counts(workspace: Workspace) -> dict[str, Any]:
    catalog = catalog_of(workspace)
    from daemon.model import Status

    counts = catalog.counts() if catalog is not None else {}
    return {
        "jobs": {str(status): counts.get(status, 0) for status in Status},
        "daemon": _holder_facts(workspace),
    }


def _stats(workspace: Workspace, *, on: bool) -> list[str]:
    counts = _counts(workspace)["jobs"]
    lines = [
        f"{paint(f'{status:15}', STATUS_COLORS.get(status), on=on)} {number:8}"
        for status, number in counts.items()
    ]
    return [*lines, f"{'all':15} {sum(counts.values()):8}"]


def _facts(workspace: Workspace, args: Namespace) -> dict[str, Any]:
    catalog = catalog_of(workspace)
    listed = [] if catalog is None else _listed(workspace, catalog, args)
    return {
        "workspace": str(workspace.root),
        "daemon": _holder_facts(workspace),
        "jobs": listed,
        "inbox": [one_line(note) for note in beside.inbox_notes(workspace)],
        "no_room": shortage(workspace, wanted(workspace)) or None,
        "refused_lately": beside.refused_lately(workspace),
    }


def _listed(workspace: Workspace, catalog: Catalog, args: Namespace) -> list[dict[str, Any]]:
    if args.waiting:
        jobs = catalog.waiting_jobs(args.limit)
    else:
        jobs = [*catalog.open_jobs(args.limit), *catalog.finished_jobs(args.limit)]
    queue = Queue(workspace, catalog)
    return [
        {
            **{key: getattr(job, key) for key in _KEYS},
            "how": how_to_answer(job),
            "beside": beside.run_notes(workspace, job),
            "queue": queue.facts(job.id) if job.status == "queued" else None,
        }
        for job in jobs
    ]


_KEYS = ("id", "slug", "status", "reason", "stage", "attempt", "created_at", "updated_at", "expires_at")


def _holder_facts(workspace: Workspace) -> dict[str, Any] | None:
    holder = holder_of(workspace)
    return {"pid": holder.pid, "since": holder.since, "only": holder.only or None} if holder else None
