"""All the rules of where a job can go: ``decide(job, event) -> job`` and ``due(job)``. Pure; no clock, no disk.

``TABLE`` lists for each status the events that may happen and what each makes of the job. What is not
listed raises :class:`~daemon.errors.Illegal`, and nothing has happened. The rows of the final states
are empty but for the end that a canceled job's open attempt still owes. The daemon decides with this
function, ``state.json`` prints its result and ``spork rebuild`` repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from daemon.errors import Illegal
from daemon.feedback import waiting, with_more, without
from daemon.model import (
    WORKSPACE_TYPES,
    Artifact,
    Decided,
    Event,
    Failure,
    Feedback,
    Gate,
    Job,
    Stage,
    StageStatus,
    Status,
    Type,
)


class Effect(Enum):
    """What a job's state asks of the disk and the processes."""

    START = "start the next attempt when the lane is free"
    FINISH = "nothing is pending: record the end"
    SHOW_REVIEW = "a person can answer: keep review, templates and gate.json there"
    END_ATTEMPT = "the job is over but its attempt is not: end the processes"


def decide(job: Job | None, event: Event) -> Job:
    """The job after the event; Illegal if the rules do not list the event for this state."""
    if job is None:
        if event.type is not Type.JOB_QUEUED:
            raise Illegal(f"{event.type} for a job that is not there")
        return _queued(event)
    if event.type in WORKSPACE_TYPES or event.job_id != job.id:
        raise Illegal(f"{event.type} of {event.job_id} is not about job {job.id}")
    rule = TABLE[job.status].get(event.type)
    if rule is None:
        raise Illegal(f"{event.type} cannot happen to a job that is {job.status} ({job.reason})")
    after = rule(job, event)
    return replace(after, seq=event.seq or job.seq, version=job.version + 1, updated_at=event.ts)


def fold(events: Iterable[Event], job: Job | None = None) -> Job | None:
    """The job that these events, in order, make."""
    for event in events:
        job = decide(job, event)
    return job


def due(job: Job) -> frozenset[Effect]:
    """What the state asks to be done; after a crash the same answer leads on."""
    if job.status is Status.QUEUED:
        return frozenset({Effect.START if job.pending else Effect.FINISH})
    if job.answerable:
        return frozenset({Effect.SHOW_REVIEW})
    if job.final and job.open_attempt:
        return frozenset({Effect.END_ATTEMPT})
    return frozenset()


def readers(job: Job, name: str) -> tuple[str, ...]:
    """The stage and every later one that reads from it, directly or through others."""
    reached = {name}
    for stage in job.stages:
        if reached.intersection(stage.needs):
            reached.add(stage.name)
    return tuple(stage.name for stage in job.stages if stage.name in reached)


def _queued(event: Event) -> Job:
    facts = event.payload
    stages = tuple(
        Stage(s["name"], needs=tuple(s["needs"]), retries=s["retries"], gate=s["gate"])
        for s in facts["stages"]
    )
    return Job(
        id=facts["id"],
        slug=facts["slug"],
        intent=facts["intent"],
        pipeline=facts["pipeline"],
        pipeline_sha256=facts["pipeline_sha256"],
        priority=facts["priority"],
        labels=facts["labels"],
        params=facts["params"],
        gates=facts["gates"],
        stage_timeouts=facts["stage_timeouts"],
        stages=stages,
        created_at=event.ts,
        updated_at=event.ts,
        queued_seq=event.seq,
        seq=event.seq,
        version=1,
        status=Status.QUEUED,
        reason="new",
        stage=stages[0].name,
        attempt=1,
    )


def _with(job: Job, stage: Stage) -> tuple[Stage, ...]:
    return tuple(stage if old.name == stage.name else old for old in job.stages)


def _to_queue(job: Job, reason: str) -> Job:
    """Queued for the first stage that is not completed; its next attempt's number stands ready."""
    nxt = job.pending
    return replace(
        job,
        status=Status.QUEUED,
        reason=reason,
        stage=nxt.name if nxt else None,
        attempt=nxt.attempts + 1 if nxt else 0,
        error=None,
    )


def _forgiven(job: Job) -> Job:
    """A person acted: the retry budgets and the crash count begin anew."""
    return replace(job, stages=tuple(replace(s, failures=0) for s in job.stages), crashes=0)


def _own_attempt(job: Job, event: Event) -> Stage:
    if not job.open_attempt or (event.stage, event.attempt) != (job.stage, job.attempt):
        raise Illegal(f"{event.type} of {event.stage}.{event.attempt}: not the open attempt of {job.id}")
    return job.at(job.stage)


def _own_gate(job: Job, event: Event) -> Gate:
    gate = job.gate
    if gate is None or (event.stage, event.attempt) != (gate.stage, gate.attempt):
        raise Illegal(f"{event.type} of {event.stage}.{event.attempt}: not the open gate of {job.id}")
    return gate


def _started(job: Job, event: Event) -> Job:
    stage = job.pending
    if stage is None or event.stage != stage.name or event.attempt != stage.attempts + 1 or job.open_attempt:
        raise Illegal(f"stage_started of {event.stage}.{event.attempt}: not the next attempt of {job.id}")
    stage = replace(
        stage, status=StageStatus.RUNNING, attempts=stage.attempts + 1, started_at=event.ts, finished_at=None
    )
    return replace(
        job,
        stages=_with(job, stage),
        status=Status.RUNNING,
        reason="",
        stage=stage.name,
        attempt=stage.attempts,
        open_attempt=True,
        error=None,
    )


def _noted(job: Job, event: Event) -> Job:
    return job


def _completed_stage(job: Job, event: Event) -> Job:
    stage = replace(
        _own_attempt(job, event),
        status=StageStatus.COMPLETED,
        finished_at=event.ts,
        seconds=event.payload["seconds"],
        artifacts=tuple(Artifact(**a) for a in event.payload["artifacts"]),
    )
    done = replace(
        job, stages=_with(job, stage), open_attempt=False, told=without(job.told, stage.name), crashes=0
    )
    return _to_queue(done, "next_stage")


def _ended(job: Job, event: Event, status: StageStatus) -> Job:
    stage = replace(
        _own_attempt(job, event),
        status=status,
        finished_at=event.ts,
        seconds=event.payload.get("seconds", 0.0),
    )
    return replace(job, stages=_with(job, stage), open_attempt=False)


def _failed_stage(job: Job, event: Event) -> Job:
    ended = _ended(job, event, StageStatus.FAILED)
    stage = ended.at(job.stage)
    return replace(
        ended,
        stages=_with(ended, replace(stage, failures=stage.failures + 1)),
        status=Status.FAILED,
        reason=event.payload["reason"],
        error=Failure(stage.name, event.message, event.payload.get("hint", "")),
        crashes=0,
    )


def _interrupted(job: Job, event: Event) -> Job:
    ended = _ended(job, event, StageStatus.INTERRUPTED)
    crashed = event.payload["cause"] == "crash"
    return _to_queue(replace(ended, crashes=job.crashes + crashed), "interrupted")


def _canceled_stage(job: Job, event: Event) -> Job:
    return _ended(job, event, StageStatus.CANCELED)


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


def _gate_opened(job: Job, event: Event) -> Job:
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


def _gate_went_stale(job: Job, event: Event) -> Job:
    stage = _gated_stage(job, event)
    # Of any attempt: an earlier release asked so where the last one had no gate, and a rebuild folds what it recorded.
    if not any((d.stage, d.decision) == (stage.name, "approve") for d in job.decided):
        raise Illegal(f"gate_reopened of {stage.name}: {job.id} has no approval that could be stale")
    opened = _at_gate(job, event, stage)
    gate = _gate_of(event, stage, stale=True)
    return replace(_edited_files(opened, event), reason="stale", gate=gate)


def _gate_reopened(job: Job, event: Event) -> Job:
    gate = _own_gate(job, event)
    if job.reason != "expired":
        raise Illegal(f"gate_reopened: the gate of {job.id} has not expired")
    fresh = replace(_gate_of(event, job.at(gate.stage), stale=gate.stale), early=gate.early)
    return replace(_forgiven(job), status=Status.NEEDS_APPROVAL, reason="gate_open", gate=fresh)


def _decided(job: Job, event: Event, decision: str) -> Job:
    gate = _own_gate(job, event)
    entry = Decided(
        gate.stage, gate.attempt, decision, event.payload["by"], event.ts, event.payload["digest"]
    )
    return replace(_forgiven(job), decided=(*job.decided, entry), gate=None)


def _approved(job: Job, event: Event) -> Job:
    return _to_queue(_decided(job, event, "approve"), "approved")


def _rejected(job: Job, event: Event) -> Job:
    stage = event.payload.get("from") or _own_gate(job, event).stage
    said = Feedback(event.payload.get("notes", ""), event.payload.get("redo") or {})
    told = with_more(job.told, stage, said)
    return replace(_decided(job, event, "reject"), status=Status.PAUSED, reason="rejected", told=told)


def _expired(job: Job, event: Event) -> Job:
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
        stages=_with(job, replace(stage, artifacts=tuple(fresh.get(a.path, a) for a in stage.artifacts))),
    )


def _edited(job: Job, event: Event) -> Job:
    gate = _own_gate(job, event)
    return replace(_edited_files(job, event), gate=replace(gate, digest=event.payload["new"]))


def _again(job: Job, name: str) -> Job:
    """The stage is pending again; what it had published stays listed until it is replaced."""
    return replace(job, stages=_with(job, replace(job.at(name), status=StageStatus.PENDING)))


def _retried(job: Job, event: Event) -> Job:
    if event.stage != job.stage or job.gate is not None:
        raise Illegal(f"stage_retried of {event.stage}: {job.id} is at {job.stage}")
    return _to_queue(_again(job, job.at(job.stage).name), event.payload["reason"])


def _resumed(job: Job, event: Event) -> Job:
    if job.gate is not None:
        raise Illegal(f"job_resumed: {job.id} has a gate to answer")
    here = job.at(job.stage).name
    stage = event.payload.get("from") or here
    said = Feedback(event.payload.get("feedback", ""), waiting(job.told, stage, here).redo)
    told = with_more(without(job.told, stage, here), stage, said)
    return _to_queue(_again(replace(_forgiven(job), told=told), here), "resumed")


def _rewound(job: Job, event: Event) -> Job:
    if job.gate is not None:
        raise Illegal(f"job_rewound: {job.id} has a gate to answer")
    back = set(event.payload["stages"])
    stages = tuple(
        replace(s, status=StageStatus.PENDING, artifacts=()) if s.name in back else s for s in job.stages
    )
    return _to_queue(replace(job, stages=stages), event.payload["reason"])


def _failed(job: Job, event: Event) -> Job:
    if job.status is not Status.FAILED and job.reason not in ("interrupted", "expired"):
        raise Illegal(f"job_failed: {job.id} is {job.status} ({job.reason})")
    error = event.payload["error"]
    return replace(
        job,
        status=Status.FAILED,
        reason=event.payload["reason"],
        gate=None,
        error=Failure(**error) if error else None,
    )


def _canceled(job: Job, event: Event) -> Job:
    return replace(job, status=Status.CANCELED, reason=event.payload["reason"], gate=None)


def _finished(job: Job, event: Event) -> Job:
    if job.pending is not None:
        raise Illegal(f"job_completed: stage {job.pending.name} of {job.id} is not completed")
    reason = "placeholders" if job.placeholders else ""
    return replace(job, status=Status.COMPLETED, reason=reason, stage=None, attempt=0)


Rule = Callable[[Job, Event], Job]

TABLE: dict[Status, dict[Type, Rule]] = {
    Status.QUEUED: {
        Type.STAGE_STARTED: _started,
        Type.GATE_PAUSE: _gate_opened,
        Type.GATE_REOPENED: _gate_went_stale,
        Type.JOB_REWOUND: _rewound,
        Type.JOB_COMPLETED: _finished,
        Type.JOB_FAILED: _failed,
        Type.JOB_CANCELED: _canceled,
        Type.DECISION_REFUSED: _noted,
    },
    Status.RUNNING: {
        Type.JOB_STARTED: _noted,
        Type.STAGE_COMPLETED: _completed_stage,
        Type.STAGE_FAILED: _failed_stage,
        Type.STAGE_INTERRUPTED: _interrupted,
        Type.JOB_CANCELED: _canceled,
        Type.DECISION_REFUSED: _noted,
    },
    Status.NEEDS_APPROVAL: {
        Type.GATE_APPROVED: _approved,
        Type.GATE_REJECTED: _rejected,
        Type.GATE_EXPIRED: _expired,
        Type.ARTIFACT_EDITED: _edited,
        Type.JOB_CANCELED: _canceled,
        Type.DECISION_REFUSED: _noted,
    },
    Status.PAUSED: {
        Type.GATE_APPROVED: _approved,
        Type.GATE_REJECTED: _rejected,
        Type.GATE_REOPENED: _gate_reopened,
        Type.ARTIFACT_EDITED: _edited,
        Type.STAGE_RETRIED: _retried,
        Type.JOB_REWOUND: _rewound,
        Type.JOB_RESUMED: _resumed,
        Type.JOB_PAUSED: _noted,
        Type.JOB_FAILED: _failed,
        Type.JOB_CANCELED: _canceled,
        Type.DECISION_REFUSED: _noted,
    },
    Status.FAILED: {
        Type.STAGE_RETRIED: _retried,
        Type.JOB_FAILED: _failed,
        Type.JOB_RESUMED: _resumed,
        Type.JOB_CANCELED: _canceled,
        Type.DECISION_REFUSED: _noted,
    },
    Status.COMPLETED: {},
    Status.CANCELED: {Type.STAGE_CANCELED: _canceled_stage},
}
