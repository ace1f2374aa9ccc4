"""The copies people and programs read: ``state.json``, ``events.jsonl``, ``jobs/state.jsonl``.

Written after the commit, without fsync: they can be made again from the database. Each event stands in
each file exactly once: the ledger is written last, so what it lacks after a crash is what may be missing
elsewhere, and a line that a crash cut is cut off before the next is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from daemon import ledger
from daemon.codec import plain, printed
from daemon.escapes import escape_lines
from daemon.eventfile import mend
from daemon.files import append_copy, write_copy
from daemon.looking import holds
from daemon.model import Event, Job, Stage, Status, Type
from daemon.store import Store
from daemon.workspace import Workspace

SCHEMA = 1


def waits_for(job: Job) -> str | None:
    """What must happen before the job moves, in words; None if it moves by itself or is over."""
    if job.answerable and job.gate is not None:
        return f"approve.yaml or reject.yaml for {job.gate.stage}"
    if job.status in (Status.PAUSED, Status.FAILED):
        return "resume.yaml or cancel.yaml"
    return "the lane" if job.status is Status.QUEUED else None


def state(job: Job) -> dict[str, Any]:
    """``state.json``: the fold of the job's events, printed."""
    gate = job.gate
    shown_gate = gate and {
        k: getattr(gate, k) for k in ("stage", "attempt", "opened_at", "expires_at", "digest")
    }
    return {
        "schema": SCHEMA,
        "seq": job.seq,
        "id": job.id,
        "slug": job.slug,
        "intent": job.intent,
        "pipeline": job.pipeline,
        "pipeline_sha256": job.pipeline_sha256,
        "priority": job.priority,
        "labels": dict(job.labels),
        "params": plain(job.params),
        "status": str(job.status),
        "reason": job.reason,
        "stage": job.stage,
        "attempt": job.attempt,
        "version": job.version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "waits_for": waits_for(job),
        "stages": [_stage(s) for s in job.stages],
        "gate": shown_gate,
        "decided": plain(job.decided),
        "error": plain(job.error),
        "placeholders": list(job.placeholders),
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "status": str(stage.status),
        "attempts": stage.attempts,
        "retries_left": stage.retries_left,
        "started_at": stage.started_at,
        "finished_at": stage.finished_at,
        "seconds": round(stage.seconds, 3),
        "gate": stage.gate,
        "artifacts": plain(stage.artifacts),
    }


def lines(events: Iterable[Event]) -> bytes:
    return b"".join(printed(event.line()) + b"\n" for event in events)


class Projection:
    """Keeps the copies of one workspace in step with its database."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ledger = workspace.ledger
        self._first = ledger.last_closed(workspace) + 1

    def add(self, job: Job | None, events: Sequence[Event]) -> None:
        """Append the events to the job's own file; its state is written by :meth:`show`, after its review."""
        if job is not None and events:
            run = self._workspace.run(job.id)
            if run.is_dir():
                begun = events[0].type is not Type.JOB_QUEUED
                append_copy(run / "events.jsonl", lines(events), begun=begun)

    def born(self, job: Job, events: Sequence[Event]) -> dict[str, bytes]:
        """Both copies of a job that was accepted just now, for the directory that is made for it."""
        return {"events.jsonl": lines(events), "state.json": _printed(job)}

    def show(self, job: Job) -> None:
        """Write ``state.json``, last of all, so that whoever reads it finds the rest there."""
        run = self._workspace.run(job.id)
        if run.is_dir():
            write_copy(run / "state.json", _printed(job))

    def remake(self, job: Job, events: Sequence[Event]) -> None:
        """Both copies of a job as they should be, where they are not. OSError."""
        run = self._workspace.run(job.id)
        for name, data in self.born(job, events).items():
            if run.is_dir() and not holds(run, name, data):
                write_copy(run / name, data)

    def enter(self, events: Sequence[Event], *, missed: bool = False) -> None:
        """Append to the ledger of the workspace.

        OSError ESTALE where it was removed: then it lacks more than these, and what :meth:`missed` gives is due.
        """
        if events:
            begun = not missed and events[0].seq > self._first
            append_copy(self._ledger, lines(events), mode=0o640, begun=begun)

    def missed(self, store: Store) -> list[Event]:
        """The events that the ledger lacks, after cutting off what a crash left of a line."""
        return list(store.events(after=mend(self._ledger) or ledger.last_closed(self._workspace)))

    def close_ledger(self, limit: int) -> Path | None:
        """Close the ledger if it has so many bytes, and begin a new one; gives the closed file."""
        closed = ledger.close(self._workspace, limit)
        self._first = ledger.last_closed(self._workspace) + 1 if closed else self._first
        return closed

    def heal_job(self, store: Store, job_id: str) -> None:
        """Bring one job's ``events.jsonl`` and ``state.json`` up to the database."""
        run = self._workspace.run(job_id)
        job = store.job(job_id)
        if job is None or not run.is_dir():
            return
        own, whole = run / "events.jsonl", lines(store.events(job_id))
        if not holds(run, own.name, whole):
            missed = list(store.events(job_id, after=mend(own)))
            if missed:
                append_copy(own, lines(missed))
            # A power cut may have kept the end of what was appended and not what stands before it.
            if not holds(run, own.name, whole):
                write_copy(own, whole)
        if not holds(run, "state.json", _printed(job)):
            self.show(job)


def _printed(job: Job) -> bytes:
    return _indented(state(job)) + b"\n"


def _indented(facts: dict[str, Any]) -> bytes:
    try:
        # The standard encoder indents in Python, at three times the cost: this is done once a stage.
        return escape_lines(to_json(facts, indent=1).decode()).encode()
    except ValueError:
        return printed(facts, indent=1)
