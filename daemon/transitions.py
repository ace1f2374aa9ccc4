"""What each event of an attempt, or of the job as a whole, makes of a job. Pure.

Which event may happen when is :data:`daemon.machine.TABLE`; those of gates are in :mod:`daemon.gate_transitions`.
Each raises :class:`~daemon.errors.Illegal` where the event is about another attempt or stage than the job is at.
"""

from __future__ import annotations

from dataclasses import replace

from daemon.errors import Illegal
from daemon.feedback import waiting, with_more, without
from daemon.model import (
    Artifact,
    Event,
    Failure,
    Feedback,
    Job,
    Stage,
    StageStatus,
    Status,
)


def queued(event: Event) -> Job:
    """The job of a request that was accepted."""
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


def with_stage(job: Job, stage: Stage) -> tuple[Stage, ...]:
    """The job\'s stages with this one in its place."""
    return tuple(stage if old.name == stage.name else old for old in job.stages)


def to_queue(job: Job, reason: str) -> Job:
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


def forgiven(job: Job) -> Job:
    """A person acted: the retry budgets and the crash count begin anew."""
    return replace(job, stages=tuple(replace(s, failures=0) for s in job.stages), crashes=0)


def _own_attempt(job: Job, event: Event) -> Stage:
    if not job.open_attempt or (event.stage, event.attempt) != (job.stage, job.attempt):
        raise Illegal(f"{event.type} of {event.stage}.{event.attempt}: not the open attempt of {job.id}")
    return job.at(job.stage)


def started(job: Job, event: Event) -> Job:
    """The next attempt runs."""
    stage = job.pending
    if stage is None or event.stage != stage.name or event.attempt != stage.attempts + 1 or job.open_attempt:
        raise Illegal(f"stage_started of {event.stage}.{event.attempt}: not the next attempt of {job.id}")
    stage = replace(
        stage, status=StageStatus.RUNNING, attempts=stage.attempts + 1, started_at=event.ts, finished_at=None
    )
    return replace(
        job,
        stages=with_stage(job, stage),
        status=Status.RUNNING,
        reason="",
        stage=stage.name,
        attempt=stage.attempts,
        open_attempt=True,
        error=None,
    )


def noted(job: Job, event: Event) -> Job:
    """It is told, and moves nothing."""
    return job


def completed_stage(job: Job, event: Event) -> Job:
    """The attempt that ran has made its artifacts."""
    stage = replace(
        _own_attempt(job, event),
        status=StageStatus.COMPLETED,
        finished_at=event.ts,
        seconds=event.payload["seconds"],
        artifacts=tuple(Artifact(**a) for a in event.payload["artifacts"]),
    )
    done = replace(
        job, stages=with_stage(job, stage), open_attempt=False, told=without(job.told, stage.name), crashes=0
    )
    return to_queue(done, "next_stage")


def _ended(job: Job, event: Event, status: StageStatus) -> Job:
    stage = replace(
        _own_attempt(job, event),
        status=status,
        finished_at=event.ts,
        seconds=event.payload.get("seconds", 0.0),
    )
    return replace(job, stages=with_stage(job, stage), open_attempt=False)


def failed_stage(job: Job, event: Event) -> Job:
    """The attempt that ran has failed, and so has the job until it is tried again."""
    ended = _ended(job, event, StageStatus.FAILED)
    stage = ended.at(job.stage)
    return replace(
        ended,
        stages=with_stage(ended, replace(stage, failures=stage.failures + 1)),
        status=Status.FAILED,
        reason=event.payload["reason"],
        error=Failure(stage.name, event.message, event.payload.get("hint", "")),
        crashes=0,
    )


def interrupted(job: Job, event: Event) -> Job:
    """The attempt that ran was cut off; it is not its fault, unless too many crashes in a row are."""
    ended = _ended(job, event, StageStatus.INTERRUPTED)
    crashed = event.payload["cause"] == "crash"
    return to_queue(replace(ended, crashes=job.crashes + crashed), "interrupted")


def canceled_stage(job: Job, event: Event) -> Job:
    """The attempt of a canceled job is over."""
    return _ended(job, event, StageStatus.CANCELED)


def _again(job: Job, name: str) -> Job:
    """The stage is pending again; what it had published stays listed until it is replaced."""
    return replace(job, stages=with_stage(job, replace(job.at(name), status=StageStatus.PENDING)))


def retried(job: Job, event: Event) -> Job:
    """The stage where the job is begins anew."""
    if event.stage != job.stage or job.gate is not None:
        raise Illegal(f"stage_retried of {event.stage}: {job.id} is at {job.stage}")
    return to_queue(_again(job, job.at(job.stage).name), event.payload["reason"])


def resumed(job: Job, event: Event) -> Job:
    """A person has the stage where the job is made again, with notes."""
    if job.gate is not None:
        raise Illegal(f"job_resumed: {job.id} has a gate to answer")
    here = job.at(job.stage).name
    stage = event.payload.get("from") or here
    said = Feedback(event.payload.get("feedback", ""), waiting(job.told, stage, here).redo)
    told = with_more(without(job.told, stage, here), stage, said)
    return to_queue(_again(replace(forgiven(job), told=told), here), "resumed")


def rewound(job: Job, event: Event) -> Job:
    """Stages are pending again, with nothing made."""
    if job.gate is not None:
        raise Illegal(f"job_rewound: {job.id} has a gate to answer")
    back = set(event.payload["stages"])
    stages = tuple(
        replace(s, status=StageStatus.PENDING, artifacts=()) if s.name in back else s for s in job.stages
    )
    return to_queue(replace(job, stages=stages), event.payload["reason"])


def failed(job: Job, event: Event) -> Job:
    """The job is over until a person resumes it."""
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


def canceled(job: Job, event: Event) -> Job:
    """The job is over."""
    return replace(job, status=Status.CANCELED, reason=event.payload["reason"], gate=None)


def finished(job: Job, event: Event) -> Job:
    """The job is over: all its stages are completed."""
    if job.pending is not None:
        raise Illegal(f"job_completed: stage {job.pending.name} of {job.id} is not completed")
    reason = "placeholders" if job.placeholders else ""
    return replace(job, status=Status.COMPLETED, reason=reason, stage=None, attempt=0)
