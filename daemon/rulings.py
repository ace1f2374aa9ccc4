"""What follows from what was seen of attempts and files. Pure; gives events, changes nothing.

Each function looks at a job and a fact and returns the events to record, in order, in one transaction.
What follows from an answer, or from none in time, is in :mod:`daemon.answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from daemon.machine import decide
from daemon.model import Artifact, Event, Job, Stage, StageStatus, Type


@dataclass(frozen=True, slots=True)
class GateTerms:
    """The policy a gate opens under."""

    timeout_seconds: float | None
    auto_approve: bool
    on_timeout: str
    expires_at: str | None
    early: tuple[str, ...] = ()

    def facts(self, digest: str) -> dict[str, Any]:
        return {**asdict(self), "early": list(self.early), "digest": digest}


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The gated stage's files as they are now: their digest, the changed ones, the missing ones."""

    digest: str
    changed: tuple[Artifact, ...] = ()
    missing: tuple[str, ...] = ()


def event_of(job: Job, kind: Type, now: str, message: str, **payload: Any) -> Event:
    """An event of the stage and attempt where the job is."""
    return Event(kind, now, job.id, job.stage, job.attempt or None, message, payload)


def start(job: Job, now: str, *, limit_seconds: float) -> list[Event]:
    """The next attempt begins. Its time limit is fixed here."""
    first = all(stage.attempts == 0 for stage in job.stages)
    message = f"{job.stage} attempt {job.attempt} started"
    events = [event_of(job, Type.STAGE_STARTED, now, message, limit_seconds=limit_seconds)]
    if first:
        events.append(event_of(job, Type.JOB_STARTED, now, "the job's first stage started"))
    return events


def completed(
    job: Job, now: str, *, artifacts: Sequence[Artifact], seconds: float, gate: GateTerms | None, digest: str
) -> list[Event]:
    """The attempt succeeded: its artifacts are the job's, and a gate opens if there is one."""
    done = event_of(
        job,
        Type.STAGE_COMPLETED,
        now,
        f"{job.stage} attempt {job.attempt} completed",
        seconds=seconds,
        artifacts=[asdict(a) for a in artifacts],
        digest=digest,
    )
    if gate is not None:
        opened = event_of(
            job, Type.GATE_PAUSE, now, f"{job.stage} waits for a decision", **gate.facts(digest)
        )
        return [done, opened]
    if any(s.status is not StageStatus.COMPLETED for s in job.stages if s.name != job.stage):
        return [done]
    return [done, *finish(decide(job, done), now)]


def finish(job: Job, now: str) -> list[Event]:
    """The job is over if nothing is pending."""
    if job.pending is not None:
        return []
    return [Event(Type.JOB_COMPLETED, now, job.id, None, None, "all stages are completed")]


def failed(
    job: Job,
    now: str,
    *,
    reason: Literal["stage_failed", "timeout"],
    message: str,
    hint: str,
    final: bool = False,
    **facts: Any,
) -> list[Event]:
    """The attempt failed: tried again while the budget lasts, unless that is ``final``; else the job fails."""
    ended = event_of(job, Type.STAGE_FAILED, now, message, reason=reason, hint=hint, **facts)
    left = job.at(job.stage).retries_left
    if left and not final:
        again = f"{job.stage} is tried again, {left - 1} retries left"
        return [ended, event_of(job, Type.STAGE_RETRIED, now, again, reason="retry")]
    return [ended, job_failed(job, now, reason, message, hint)]


def job_failed(job: Job, now: str, reason: str, message: str, hint: str = "") -> Event:
    """The job fails for this; a person may resume it."""
    error = {"stage": job.stage, "message": message, "hint": hint}
    return event_of(job, Type.JOB_FAILED, now, message, reason=reason, error=error)


def interrupted(
    job: Job, now: str, *, cause: Literal["stop", "crash"], max_interruptions: int, seconds: float = 0.0
) -> list[Event]:
    """The attempt was cut off; one crash more than allowed in a row fails the job."""
    message = f"{job.stage} attempt {job.attempt} was cut off by a {cause}"
    event = event_of(job, Type.STAGE_INTERRUPTED, now, message, cause=cause, seconds=seconds)
    if cause == "crash" and job.crashes + 1 > max_interruptions:
        why = f"{job.stage} was cut off by a crash {job.crashes + 1} times in a row"
        hint = "look at its log and the system's, then resume the job"
        return [event, job_failed(job, now, "interrupted", why, hint)]
    return [event]


def attempt_gone(job: Job, now: str, *, seconds: float = 0.0) -> list[Event]:
    """The processes of a canceled job's attempt are gone."""
    return [
        event_of(job, Type.STAGE_CANCELED, now, f"{job.stage} attempt {job.attempt} ended", seconds=seconds)
    ]


def edited(job: Job, now: str, on_disk: OnDisk) -> list[Event]:
    """Files of the open gate changed and settled; empty if nothing did."""
    gate = job.gate
    assert gate is not None
    if on_disk.missing or on_disk.digest == gate.digest:
        return []
    names = ", ".join(a.path for a in on_disk.changed)
    changed = [asdict(a) for a in on_disk.changed]
    return [
        event_of(
            job,
            Type.ARTIFACT_EDITED,
            now,
            f"edited at the {gate.stage} gate: {names}",
            old=gate.digest,
            new=on_disk.digest,
            artifacts=changed,
        )
    ]


def stale(job: Job, now: str, stage: Stage, terms: GateTerms, on_disk: OnDisk) -> list[Event]:
    """A file that an approval bound has changed before its reader started: the same gate again."""
    changed = ", ".join([*(a.path for a in on_disk.changed), *on_disk.missing])
    return [
        Event(
            Type.GATE_REOPENED,
            now,
            job.id,
            stage.name,
            stage.attempts,
            f"changed after the {stage.name} approval: {changed}",
            {**terms.facts(on_disk.digest), "artifacts": [asdict(a) for a in on_disk.changed]},
        )
    ]
