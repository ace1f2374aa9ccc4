"""``spork status JOB``: one job with its stages, its gate and what went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daemon.catalog import Catalog
from daemon.cli import beside
from daemon.cli.events import message_of
from daemon.cli.places import daemon_line, holder_of, job_of
from daemon.cli.screen import STATUS_COLORS, clean, one_line, paint, shortened, table
from daemon.cli.turn import Queue
from daemon.clock import span
from daemon.model import Job, Stage, StageStatus, Status, Type
from daemon.workspace import Workspace

_STAGE_COLORS = {"completed": "green", "running": "cyan", "failed": "red", "interrupted": "yellow"}


def facts(workspace: Workspace, text: str) -> dict[str, Any]:
    """``state.json`` as it would be written now, with progress and the files beside the gate."""
    from daemon.projection import state

    catalog, job = job_of(workspace, text)
    said = beside.progress_of(workspace, job.id, job.stage or "", job.attempt) if job.open_attempt else None
    progress = {"fraction": said[0], "message": said[1]} if said else None
    return state(job) | {
        "progress": progress,
        "beside": beside.run_notes(workspace, job),
        "queue": Queue(workspace, catalog).facts(job.id),
    }


def detail(workspace: Workspace, text: str, *, on: bool) -> list[str]:
    """The job for a person."""
    catalog, job = job_of(workspace, text)
    turn = Queue(workspace, catalog).turn(job.id)
    status = f"{job.status} ({job.reason})" if job.reason else str(job.status)
    lines = [
        f"{job.id}  {paint(status, STATUS_COLORS.get(job.status), on=on)}",
        f"  {job.pipeline}, priority {job.priority}",
        f"  {one_line(job.intent)}",
        f"  since {job.created_at}, last change {job.updated_at}",
        "",
        *_stages(workspace, job, on=on),
        "",
        *([f"Queued: {turn.why}."] if turn else []),
        *_error(job, on=on),
        *_gate(job),
        *_canceled(catalog, job),
        *_placeholders(job, on=on),
        *(clean(note) for note in beside.run_notes(workspace, job)),
        *_artifacts(workspace, job),
    ]
    if not job.final:
        lines.append(daemon_line(holder_of(workspace)))
    return lines


def _stages(workspace: Workspace, job: Job, *, on: bool) -> list[str]:
    rows = [
        [s.name, str(s.status), str(s.attempts or ""), time_of(s), _note(workspace, job, s)]
        for s in job.stages
    ]
    colors = [_STAGE_COLORS.get(s.status) for s in job.stages]
    return table(("STAGE", "STATUS", "ATTEMPTS", "TIME", ""), rows, colors, on=on)


def time_of(stage: Stage) -> str:
    """How long its last attempt took, or the one that runs has taken until now; nothing before the first."""
    if stage.status is StageStatus.RUNNING and stage.started_at:
        return span((datetime.now(UTC) - datetime.fromisoformat(stage.started_at)).total_seconds())
    return span(stage.seconds) if stage.seconds else ""


def _note(workspace: Workspace, job: Job, stage: Stage) -> str:
    if stage.status is StageStatus.RUNNING:
        return beside.progress_line(workspace, job.id, stage.name, job.attempt)
    if job.gate is not None and job.gate.stage == stage.name:
        return "gate: waits for an answer"
    decided = [d for d in job.decided if d.stage == stage.name]
    if decided:
        return f"{decided[-1].decision} by {decided[-1].by}"
    return "gate" if stage.gate else ""


def _error(job: Job, *, on: bool) -> list[str]:
    if job.error is None:
        return []
    lines = [paint(clean(f"{job.error.stage}: {job.error.message}"), "red", on=on)]
    if job.error.hint:
        lines.append(clean(f"  {job.error.hint}"))
    if _told(job):
        lines.append(f"  made with the notes: {_told(job)}")
    lines.append(f"  its log: spork logs {job.id} {job.error.stage}")
    lines.append(f"  then:    spork resume {job.id}   or   spork cancel {job.id}")
    return lines


def _gate(job: Job) -> list[str]:
    if job.gate is not None:
        expired = job.reason == "expired"
        until = f", {'expired' if expired else 'until'} {job.gate.expires_at}" if job.gate.expires_at else ""
        return [
            f"The {job.gate.stage} gate waits for an answer{until}.",
            f"  read:    runs/{job.id}/REVIEW.md   (spork review {job.id})",
            f"  then:    spork approve {job.id}   or   spork reject {job.id} --notes TEXT",
        ]
    if job.status is Status.PAUSED:
        by = f" by {one_line(job.decided[-1].by)}" if job.reason == "rejected" and job.decided else ""
        told = f": {_told(job)}" if _told(job) else "."
        return [f"Paused ({job.reason}{by}){told}  then: spork resume {job.id}   or   spork cancel {job.id}"]
    return []


def _told(job: Job) -> str:
    """The notes that wait for the stage where the job is, or were given to its attempt that failed."""
    notes = job.told[job.stage].notes if job.stage and job.stage in job.told else ""
    return one_line(shortened(notes)) if notes else ""


def _canceled(catalog: Catalog, job: Job) -> list[str]:
    """Who canceled it, when and why: the state knows only that it is."""
    if job.status is not Status.CANCELED:
        return []
    found = [event for event in catalog.events(job.id) if event.type is Type.JOB_CANCELED]
    return [f"{message_of(event)}  ({event.ts})" for event in found[-1:]]


def _placeholders(job: Job, *, on: bool) -> list[str]:
    if not job.placeholders:
        return []
    names = ", ".join(map(one_line, job.placeholders))
    return [paint(f"PLACEHOLDERS, no real results: {names}", "yellow", on=on)]


def _artifacts(workspace: Workspace, job: Job) -> list[str]:
    if job.final and not workspace.run(job.id).exists():
        return [f"runs/{job.id} is gone, pruned or removed; what happened: spork events {job.id}"]
    made = [a.path for s in job.stages for a in s.artifacts]
    if not made:
        return []
    few = made[-12:]
    more = f" and {len(made) - len(few)} more" if len(made) > len(few) else ""
    return [f"In runs/{job.id}: {', '.join(map(one_line, few))}{more}"]
