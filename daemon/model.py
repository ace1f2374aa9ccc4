"""The nouns: frozen, without behaviour beyond reading themselves. A leaf; imports nothing of ours.

Times are RFC 3339 strings in UTC. A :class:`Job` is the fold of its events by ``machine.decide``;
nobody else makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Where a job is. These seven and no others."""

    QUEUED = "queued"
    RUNNING = "running"
    NEEDS_APPROVAL = "needs_approval"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


FINAL = frozenset({Status.COMPLETED, Status.CANCELED})


class StageStatus(StrEnum):
    """Where one stage of a job is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELED = "canceled"


class Type(StrEnum):
    """The facts that are recorded."""

    JOB_QUEUED = "job_queued"
    JOB_STARTED = "job_started"
    STAGE_STARTED = "stage_started"
    STAGE_COMPLETED = "stage_completed"
    STAGE_FAILED = "stage_failed"
    STAGE_RETRIED = "stage_retried"
    STAGE_INTERRUPTED = "stage_interrupted"
    STAGE_CANCELED = "stage_canceled"
    GATE_PAUSE = "gate_pause"
    GATE_APPROVED = "gate_approved"
    GATE_REJECTED = "gate_rejected"
    GATE_EXPIRED = "gate_expired"
    GATE_REOPENED = "gate_reopened"
    ARTIFACT_EDITED = "artifact_edited"
    DECISION_REFUSED = "decision_refused"
    REQUEST_REFUSED = "request_refused"
    JOB_PAUSED = "job_paused"
    JOB_REWOUND = "job_rewound"
    JOB_RESUMED = "job_resumed"
    JOB_COMPLETED = "job_completed"
    JOB_FAILED = "job_failed"
    JOB_CANCELED = "job_canceled"
    POLICY_RELOADED = "policy_reloaded"


WORKSPACE_TYPES = frozenset({Type.REQUEST_REFUSED, Type.POLICY_RELOADED})
"""Facts of the workspace; they belong to no job and change none."""

PRIORITIES = ("low", "normal", "high", "urgent")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published file: its path in the run directory, what it is, and its bytes' sha256 (hex)."""

    path: str
    kind: str
    bytes: int
    sha256: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one job."""

    name: str
    needs: tuple[str, ...] = ()
    """The earlier stages it reads from."""
    retries: int = 0
    """Failures that are tried again before a person is asked."""
    gate: bool = False
    """Whether a person decides at its end, by the policy in force at acceptance."""
    status: StageStatus = StageStatus.PENDING
    attempts: int = 0
    """Starts of this stage in this job, for ever."""
    failures: int = 0
    """Failures since a person last acted."""
    started_at: str | None = None
    finished_at: str | None = None
    seconds: float = 0.0
    artifacts: tuple[Artifact, ...] = ()

    @property
    def retries_left(self) -> int:
        return max(self.retries - self.failures, 0)


@dataclass(frozen=True, slots=True)
class Gate:
    """An open gate, or an expired one that is still answerable. Its policy was fixed when it opened."""

    stage: str
    attempt: int
    opened_at: str
    expires_at: str | None
    timeout_seconds: float | None
    auto_approve: bool
    on_timeout: str
    digest: str
    early: tuple[str, ...] = ()
    """Identities of decision files that lay there before anyone could have looked."""
    stale: bool = False
    """Opened again because an approved file changed."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A recorded decision about a gate."""

    stage: str
    attempt: int
    decision: str
    by: str
    at: str
    digest: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, and what to do about it."""

    stage: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Why a stage is made again: what people noted, and which of its own items they named, each with its reason."""

    notes: str = ""
    redo: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its events made it."""

    id: str
    slug: str
    intent: str
    pipeline: str
    pipeline_sha256: str
    priority: str
    labels: Mapping[str, str]
    params: Mapping[str, Any]
    gates: Mapping[str, Any]
    """The request's own gate settings, which may only tighten the policy."""
    stage_timeouts: Mapping[str, float]
    """The request's own limits, in minutes."""
    stages: tuple[Stage, ...]
    created_at: str
    updated_at: str
    queued_seq: int
    seq: int
    version: int
    status: Status
    reason: str
    stage: str | None
    """The stage the job is at: running, gated, failed, or next in line; None when all are done."""
    attempt: int
    """The attempt of ``stage`` that is open, gated or failed, or the next one to start."""
    open_attempt: bool = False
    """Whether an attempt's processes may be alive. A canceled job may still owe its end."""
    gate: Gate | None = None
    decided: tuple[Decided, ...] = ()
    error: Failure | None = None
    told: Mapping[str, Feedback] = field(default_factory=dict)
    """By stage, what its next attempts are told; until one of them has completed."""
    crashes: int = 0
    """Attempts in a row that a crash cut off."""

    def at(self, name: str | None) -> Stage:
        """The stage of that name; KeyError if the job has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def approved(self, stage: Stage) -> str | None:
        """The digest that was last approved of the stage's present attempt; an earlier one's says nothing of it."""
        mine = (stage.name, stage.attempts, "approve")
        return next(
            (d.digest for d in reversed(self.decided) if (d.stage, d.attempt, d.decision) == mine), None
        )

    def number(self, name: str) -> int:
        """The stage's place in the order, from 1, as in ``03-script``."""
        return next(place for place, stage in enumerate(self.stages, 1) if stage.name == name)

    @property
    def pending(self) -> Stage | None:
        """The first stage that is not completed."""
        return next((stage for stage in self.stages if stage.status is not StageStatus.COMPLETED), None)

    @property
    def turn(self) -> tuple[int, int]:
        """Its place in the queue: whose is smaller comes first."""
        return -PRIORITIES.index(self.priority), self.queued_seq

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def answerable(self) -> bool:
        """Whether approve.yaml or reject.yaml would be looked at."""
        return self.gate is not None and self.status in (Status.NEEDS_APPROVAL, Status.PAUSED)

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(a.path for s in self.stages for a in s.artifacts if a.meta.get("placeholder"))


@dataclass(frozen=True, slots=True)
class Event:
    """A fact, past tense. ``payload`` holds JSON values; ``seq`` is 0 until it is recorded."""

    type: Type
    ts: str
    job_id: str | None = None
    stage: str | None = None
    attempt: int | None = None
    message: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    seq: int = 0

    def line(self) -> dict[str, Any]:
        """The event as one line of ``events.jsonl``."""
        return {
            "seq": self.seq,
            "ts": self.ts,
            "job_id": self.job_id,
            "type": str(self.type),
            "stage": self.stage,
            "attempt": self.attempt,
            "status": self.status,
            "message": self.message,
            "payload": dict(self.payload),
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Event:
        """The event that printed this line; KeyError, ValueError or TypeError if it is none."""
        known = {f.name for f in fields(cls)}
        return cls(**{**{k: v for k, v in line.items() if k in known}, "type": Type(line["type"])})
