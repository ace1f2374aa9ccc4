"""What follows from an answer at a gate, or from none in time. Pure; gives events, changes nothing.

An answer that does not fit raises :class:`Refused`, whose message goes to the person who wrote the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from daemon.feedback import joined, waiting
from daemon.machine import decide, readers
from daemon.model import Event, Feedback, Job, StageStatus, Status, Type
from daemon.rulings import GateTerms, OnDisk, edited, event_of, finish, job_failed

Verb = Literal["approve", "reject", "cancel", "resume"]
ORDER: tuple[Verb, ...] = ("cancel", "reject", "approve", "resume")
"""Looked at in this order: where both lie there, reject wins."""


class Refused(Exception):
    """A decision that does not count; the message says why and what to do."""


class Repeated(Exception):
    """A decision that was recorded before; it changes nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision file as it was read."""

    kind: Verb
    by: str
    sha256: str
    identity: str = ""
    """Which file it was, as the database keeps it; empty for the timer's."""
    job: str | None = None
    stage: str | None = None
    attempt: int | None = None
    digest: str | None = None
    notes: str = ""
    then: Literal["pause", "retry", "stop"] | None = None
    from_stage: str | None = None
    redo: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    """The file's owner, where that is not the daemon's own user."""

    def facts(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "notes": self.notes,
            "sha256": self.sha256,
            "identity": self.identity,
            "owner": self.owner,
        }


def answer(
    job: Job,
    decision: Decision,
    now: str,
    on_disk: OnDisk | None,
    *,
    refuse_unbound: bool,
    terms: GateTerms | None,
) -> list[Event]:
    """What a decision file does. ``on_disk`` and ``terms`` are of the gate, None where there is none."""
    if decision.job not in (None, job.id):
        raise Refused(f"it is about {decision.job}, and this is {job.id}; rename the template that lies here")
    if decision.kind == "cancel":
        _fits_place(job, decision)
        return [_canceled(job, decision, now, "canceled")]
    if decision.kind == "resume":
        return _resume(job, decision, now, terms, on_disk)
    _fits_gate(job, decision, refuse_unbound=refuse_unbound)
    assert on_disk is not None
    if decision.digest is not None and decision.digest != on_disk.digest:
        raise Refused(
            f"stale: it confirms {decision.digest[:19]}... but the files are now {on_disk.digest[:19]}...; "
            "read REVIEW.md again and rename the fresh template"
        )
    if decision.kind == "approve":
        if on_disk.missing:
            raise Refused(f"{', '.join(on_disk.missing)} is missing; put it back, or reject")
        return _approval(job, decision, on_disk, now)
    return _rejection(job, decision, on_disk, now)


def _fits_gate(job: Job, decision: Decision, *, refuse_unbound: bool) -> None:
    gate = job.gate
    known = {(d.stage, d.attempt): d for d in job.decided}
    earlier = known.get((decision.stage or "", decision.attempt or 0))
    if earlier is not None and (
        gate is None or (gate.stage, gate.attempt) != (earlier.stage, earlier.attempt)
    ):
        if earlier.decision == decision.kind:
            raise Repeated
        raise Refused(
            f"{earlier.stage} attempt {earlier.attempt} was already decided ({earlier.decision} by {earlier.by}); "
            "the first decision stands"
        )
    if gate is None:
        raise Refused(f"the job is {job.status} and waits for no decision; remove the file")
    if decision.stage not in (None, gate.stage) or decision.attempt not in (None, gate.attempt):
        raise Refused(
            f"it answers {_place(decision.stage or gate.stage, decision.attempt)}, but "
            f"{_place(gate.stage, gate.attempt)} waits; rename the template that lies there now"
        )
    if refuse_unbound and decision.digest is None:
        raise Refused("it names no digest and the policy says 'unbound: refuse'; rename the template instead")


def _fits_place(job: Job, decision: Decision) -> None:
    """cancel and resume may bind too: to the stage and attempt where the job is."""
    if decision.stage not in (None, job.stage) or decision.attempt not in (None, job.attempt):
        meant = _place(decision.stage or job.stage, decision.attempt)
        raise Refused(f"it is about {meant}, the job is at {_place(job.stage, job.attempt)}")


def _place(stage: str | None, attempt: int | None) -> str:
    """``script attempt 2``, or what of it is known."""
    named = stage or "no stage"
    return f"{named} attempt {attempt}" if attempt else named


def _approval(job: Job, decision: Decision, on_disk: OnDisk, now: str) -> list[Event]:
    gate = job.gate
    assert gate is not None
    events = edited(job, now, on_disk)
    message = f"{gate.stage} attempt {gate.attempt} approved by {decision.by}"
    events.append(event_of(job, Type.GATE_APPROVED, now, message, **decision.facts(), digest=on_disk.digest))
    if gate.stale and job.approved(job.at(gate.stage)) not in (None, on_disk.digest):
        made = {s.name for s in job.stages if s.status is StageStatus.COMPLETED}
        outdated = [name for name in readers(job, gate.stage)[1:] if name in made]
        if outdated:
            why = f"made again, they read what changed: {', '.join(outdated)}"
            events.append(event_of(job, Type.JOB_REWOUND, now, why, stages=outdated, reason="approved"))
    after = job
    for event in events:
        after = decide(after, event)
    return [*events, *finish(after, now)]


def _rejection(job: Job, decision: Decision, on_disk: OnDisk, now: str) -> list[Event]:
    gate = job.gate
    assert gate is not None
    then = decision.then or ("retry" if decision.from_stage else "pause")
    if decision.from_stage and then != "retry":
        raise Refused(f"'from' makes stages again, so 'then: {then}' does not go with it; leave one out")
    back = _back_to(job, decision.from_stage or gate.stage)
    message = f"{gate.stage} attempt {gate.attempt} rejected by {decision.by}"
    facts = {**decision.facts(), "then": then, "from": decision.from_stage, "redo": dict(decision.redo)}
    events = [*edited(job, now, on_disk)]
    events.append(event_of(job, Type.GATE_REJECTED, now, message, **facts, digest=on_disk.digest))
    if then == "stop":
        events.append(_canceled(job, decision, now, "rejected"))
    elif then == "pause":
        paused = f"{gate.stage} was rejected; resume makes it again"
        events.append(event_of(job, Type.JOB_PAUSED, now, paused, reason="rejected"))
    elif decision.from_stage or len(back) > 1:
        events.append(_rewound(job, now, back, "retry"))
    else:
        events.append(event_of(job, Type.STAGE_RETRIED, now, f"{gate.stage} is made again", reason="retry"))
    return events


def _back_to(job: Job, name: str) -> tuple[str, ...]:
    """The stages that are made again when ``name`` is; only what has been started counts.

    The stage where the job is belongs to them though it read nothing of ``name``: what was rejected passes no gate.
    """
    order = [stage.name for stage in job.stages]
    here = order.index(job.stage) if job.stage in order else len(order) - 1
    if name not in order[: here + 1]:
        raise Refused(
            f"from: {name!r} is not a stage up to {job.stage}; the job has {', '.join(order[: here + 1])}"
        )
    touched = {s.name for s in job.stages if s.status is not StageStatus.PENDING or s.name == name}
    again = {*readers(job, name), job.stage}
    return tuple(stage for stage in order if stage in touched & again)


def _rewound(job: Job, now: str, stages: Sequence[str], reason: str) -> Event:
    message = f"pending again: {', '.join(stages)}"
    return event_of(job, Type.JOB_REWOUND, now, message, stages=list(stages), reason=reason)


def _canceled(job: Job, decision: Decision, now: str, reason: str) -> Event:
    facts = {**decision.facts(), "reason": reason}
    return event_of(job, Type.JOB_CANCELED, now, f"canceled by {decision.by}", **facts)


def _resume(
    job: Job, decision: Decision, now: str, terms: GateTerms | None, on_disk: OnDisk | None
) -> list[Event]:
    _fits_place(job, decision)
    if job.status is Status.PAUSED and job.gate is not None:
        assert terms is not None
        assert on_disk is not None
        if decision.from_stage:
            raise Refused("the gate expired but waits; answer it with reject.yaml and 'from' to go back")
        message = f"{job.stage} waits again, resumed by {decision.by}"
        facts = {**decision.facts(), **terms.facts(on_disk.digest)}
        events = edited(job, now, on_disk)
        return [*events, event_of(job, Type.GATE_REOPENED, now, message, **facts)]
    if job.status not in (Status.PAUSED, Status.FAILED):
        raise Refused(f"the job is {job.status}; only a paused or failed job is resumed")
    name = decision.from_stage or (job.stage or "")
    told = joined(waiting(job.told, name, job.stage or ""), Feedback(decision.notes)).notes
    back = _back_to(job, name)
    message = f"resumed by {decision.by}"
    facts = {**decision.facts(), "feedback": told, "from": decision.from_stage}
    events = [event_of(job, Type.JOB_RESUMED, now, message, **facts)]
    if (decision.from_stage and decision.from_stage != job.stage) or len(back) > 1:
        events.append(_rewound(job, now, back, "resumed"))
    return events


def expired(job: Job, now: str, on_disk: OnDisk) -> list[Event]:
    """The gate's time is over and nobody answered."""
    gate = job.gate
    assert gate is not None
    if gate.auto_approve and not on_disk.missing:
        return _approval(job, Decision("approve", "timer", ""), on_disk, now)
    event = event_of(job, Type.GATE_EXPIRED, now, f"nobody answered the {gate.stage} gate in time")
    if gate.on_timeout == "cancel":
        return [
            event,
            event_of(job, Type.JOB_CANCELED, now, "canceled: the gate expired", reason="expired", by="timer"),
        ]
    if gate.on_timeout == "fail":
        why = f"nobody answered the {gate.stage} gate in time"
        return [event, job_failed(job, now, "expired", why, "resume the job to make the stage again")]
    paused = f"{gate.stage} stays answerable: approve, reject or resume"
    return [event, event_of(job, Type.JOB_PAUSED, now, paused, reason="expired")]
