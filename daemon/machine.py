"""All the rules of where a job can go: ``decide(job, event) -> job`` and ``due(job)``. Pure; no clock, no disk.

``TABLE`` lists for each status the events that may happen and what each makes of the job, which stands in
:mod:`daemon.transitions` and :mod:`daemon.gate_transitions`. What is not listed raises
:class:`~daemon.errors.Illegal`, and nothing has happened. The rows of the final states are empty but for the end
that a canceled job's open attempt still owes. The daemon decides with this function, ``state.json`` prints its
result and ``spork rebuild`` repeats it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from daemon import gate_transitions, transitions
from daemon.errors import Illegal
from daemon.model import WORKSPACE_TYPES, Event, Job, Status, Type


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
        return transitions.queued(event)
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


Rule = Callable[[Job, Event], Job]

TABLE: dict[Status, dict[Type, Rule]] = {
    Status.QUEUED: {
        Type.STAGE_STARTED: transitions.started,
        Type.GATE_PAUSE: gate_transitions.gate_opened,
        Type.GATE_REOPENED: gate_transitions.gate_went_stale,
        Type.JOB_REWOUND: transitions.rewound,
        Type.JOB_COMPLETED: transitions.finished,
        Type.JOB_FAILED: transitions.failed,
        Type.JOB_CANCELED: transitions.canceled,
        Type.DECISION_REFUSED: transitions.noted,
    },
    Status.RUNNING: {
        Type.JOB_STARTED: transitions.noted,
        Type.STAGE_COMPLETED: transitions.completed_stage,
        Type.STAGE_FAILED: transitions.failed_stage,
        Type.STAGE_INTERRUPTED: transitions.interrupted,
        Type.JOB_CANCELED: transitions.canceled,
        Type.DECISION_REFUSED: transitions.noted,
    },
    Status.NEEDS_APPROVAL: {
        Type.GATE_APPROVED: gate_transitions.approved,
        Type.GATE_REJECTED: gate_transitions.rejected,
        Type.GATE_EXPIRED: gate_transitions.expired,
        Type.ARTIFACT_EDITED: gate_transitions.edited,
        Type.JOB_CANCELED: transitions.canceled,
        Type.DECISION_REFUSED: transitions.noted,
    },
    Status.PAUSED: {
        Type.GATE_APPROVED: gate_transitions.approved,
        Type.GATE_REJECTED: gate_transitions.rejected,
        Type.GATE_REOPENED: gate_transitions.gate_reopened,
        Type.ARTIFACT_EDITED: gate_transitions.edited,
        Type.STAGE_RETRIED: transitions.retried,
        Type.JOB_REWOUND: transitions.rewound,
        Type.JOB_RESUMED: transitions.resumed,
        Type.JOB_PAUSED: transitions.noted,
        Type.JOB_FAILED: transitions.failed,
        Type.JOB_CANCELED: transitions.canceled,
        Type.DECISION_REFUSED: transitions.noted,
    },
    Status.FAILED: {
        Type.STAGE_RETRIED: transitions.retried,
        Type.JOB_FAILED: transitions.failed,
        Type.JOB_RESUMED: transitions.resumed,
        Type.JOB_CANCELED: transitions.canceled,
        Type.DECISION_REFUSED: transitions.noted,
    },
    Status.COMPLETED: {},
    Status.CANCELED: {Type.STAGE_CANCELED: transitions.canceled_stage},
}
