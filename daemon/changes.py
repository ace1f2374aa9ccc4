"""What is handed to the database and what it gives back: a change of a job, a claim, a decision, a debt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.model import Artifact, Event, Job


class Overtaken(Exception):
    """The job's version is not the one this change was decided on."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A request as it was taken: its bytes and the file's identity, and the pipeline it runs by."""

    name: str
    identity: str
    data: bytes
    sha256: str
    pipeline: bytes


@dataclass(frozen=True, slots=True)
class DecisionFile:
    """A decision file as it was looked at."""

    name: str
    verdict: str
    by: str
    owner: str | None
    identity: str
    sha256: str
    data: bytes
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said about a decision file, and where its job was."""

    verdict: str
    stage: str | None
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one job (or, with ``job`` and ``claim`` None, to the workspace) in a transaction."""

    job: Job | None
    events: Sequence[Event]
    claim: Claim | None = None
    decision: DecisionFile | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change as it was committed: the job after it, and its events with their numbers."""

    job: Job | None
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """An attempt whose files are not where they belong."""

    stage: str
    attempt: int
    number: int
    place: str
    goal: str
    artifacts: tuple[Artifact, ...]

    @property
    def label(self) -> str:
        return f"{self.number:02d}-{self.stage}.{self.attempt}"

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells it from the job's other debts."""
        return self.stage, self.attempt, self.goal
