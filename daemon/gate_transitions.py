"""What each event of a gate makes of a job: opened, edited at, answered, expired. Pure.

Which event may happen when is :data:`daemon.machine.TABLE`. Each raises :class:`~daemon.errors.Illegal` where the
event is about another gate than the one that waits.
"""

from __future__ import annotations

from dataclasses import replace

from daemon.errors import Illegal
from daemon.feedback import with_more
from daemon.model import (
    Artifact,
    Decided,
    Event,
    Feedback,
    Gate,
    Job,
    Stage,
    StageStatus,
    Status,
)
from daemon.transitions import forgiven, to_queue, with_stage


def _own_gate(job: Job, event: Event) -> Gate:
    gate = job.gate
    if gate is None or (event.stage, event.attempt) != (gate.stage, gate.attempt):
        raise Illegal(f"{event.type} of {event.stage}.{event.attempt}: not the open gate of {job.id}")
    return gate


def _gate_of(event: Event, stage: Stage, *, stale: bool) -> Gate:
    facts = event.payload
    return Gate(
        stage=stage.name,
        attempt=stage.attempts,
        opened_at=event.ts,
        expires_at=facts["expires_at"],
        timeout_seconds=facts["timeout_seconds"],
        auto_approve=facts["auto_approve"],
        on_timeout=facts["on_timeout"],
        digest=facts["digest"],
        early=tuple(facts.get("early", ())),
        stale=stale,
    )


def _gated_stage(job: Job, event: Event) -> Stage:
    stage = job.at(event.stage)
    if stage.status is not StageStatus.COMPLETED or event.attempt != stage.attempts:
        raise Illegal(
            f"{event.type} of {event.stage}.{event.attempt}: that attempt has not completed in {job.id}"
        )
    return stage


def gate_opened(job: Job, event: Event) -> Job:
    """A person is asked about what the stage has made."""
    stage = _gated_stage(job, event)
    if any((d.stage, d.attempt) == (stage.name, stage.attempts) for d in job.decided):
        raise Illegal(f"gate_pause of {stage.name}.{stage.attempts}: {job.id} has its decision")
    return _at_gate(job, event, stage)


def _at_gate(job: Job, event: Event, stage: Stage) -> Job:
    gate = _gate_of(event, stage, stale=False)
    return replace(
        job,
        status=Status.NEEDS_APPROVAL,
        reason="gate_open",
        stage=stage.name,
        attempt=stage.attempts,
        gate=gate,
    )


def gate_went_stale(job: Job, event: Event) -> Job:
    """A person is asked again: what was approved has changed since."""
    stage = _gated_stage(job, event)
    # Of any attempt: an earlier release asked so where the last one had no gate, and a rebuild folds what it recorded.
    if not any((d.stage, d.decision) == (stage.name, "approve") for d in job.decided):
        raise Illegal(f"gate_reopened of {stage.name}: {job.id} has no approval that could be stale")
    opened = _at_gate(job, event, stage)
    gate = _gate_of(event, stage, stale=True)
    return replace(_edited_files(opened, event), reason="stale", gate=gate)


def gate_reopened(job: Job, event: Event) -> Job:
    """An expired gate waits again."""
    gate = _own_gate(job, event)
    if job.reason != "expired":
        raise Illegal(f"gate_reopened: the gate of {job.id} has not expired")
    fresh = replace(_gate_of(event, job.at(gate.stage), stale=gate.stale), early=gate.early)
    return replace(forgiven(job), status=Status.NEEDS_APPROVAL, reason="gate_open", gate=fresh)


def _decided(job: Job, event: Event, decision: str) -> Job:
    gate = _own_gate(job, event)
    entry = Decided(
        gate.stage, gate.attempt, decision, event.payload["by"], event.ts, event.payload["digest"]
    )
    return replace(forgiven(job), decided=(*job.decided, entry), gate=None)


def approved(job: Job, event: Event) -> Job:
    """The answer at the gate lets the job go on."""
    return to_queue(_decided(job, event, "approve"), "approved")


def rejected(job: Job, event: Event) -> Job:
    """The answer at the gate holds the job back; its notes wait for the stage that they are for."""
    stage = event.payload.get("from") or _own_gate(job, event).stage
    said = Feedback(event.payload.get("notes", ""), event.payload.get("redo") or {})
    told = with_more(job.told, stage, said)
    return replace(_decided(job, event, "reject"), status=Status.PAUSED, reason="rejected", told=told)


def expired(job: Job, event: Event) -> Job:
    """Nobody answered in time."""
    _own_gate(job, event)
    return replace(job, status=Status.PAUSED, reason="expired")


def _edited_files(job: Job, event: Event) -> Job:
    """The stage's artifacts as they now are on disk."""
    fresh = {a["path"]: Artifact(**a) for a in event.payload.get("artifacts", ())}
    if not fresh:
        return job
    stage = job.at(event.stage)
    return replace(
        job,
        stages=with_stage(
            job, replace(stage, artifacts=tuple(fresh.get(a.path, a) for a in stage.artifacts))
        ),
    )


def edited(job: Job, event: Event) -> Job:
    """A person changed the files at the gate."""
    gate = _own_gate(job, event)
    return replace(_edited_files(job, event), gate=replace(gate, digest=event.payload["new"]))
