"""The nouns of the oracle: what a test dropped, and what must have become of a job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, int]
FOREVER = 1e18


@dataclass(frozen=True, slots=True)
class StageRule:
    """One stage of the pipeline, and what the policy says of it. Times are seconds."""

    name: str
    needs: tuple[str, ...] = ()
    retries: int = 0
    limit: float = 3600.0
    gate: bool = False
    time: float | None = None
    auto_approve: bool = False
    on_timeout: str = "pause"


@dataclass(slots=True)
class Dropped:
    """A file as it was dropped. ``identity``: ino:size:mtime_ns:birth_ns, as the daemon records it."""

    identity: str
    text: str
    whole: bool = True
    """Whether it must be acted on by now."""
    may: bool = True
    """Whether it may be."""
    seen: tuple[int, float] | None = None
    """Where only rest makes it whole: which process saw it first, and when."""


@dataclass(slots=True)
class Asked(Dropped):
    """A request; ``job_id`` where it names one."""

    name: str = ""
    job_id: str | None = None


@dataclass(slots=True)
class Given(Dropped):
    """A decision file."""

    verb: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    sense: bool = True
    """Whether the content is a decision at all."""
    fate: str = ""
    early: bool = False

    @property
    def said(self) -> Said:
        notes = self.keys.get("notes")
        return Said((notes,) if notes else (), self.keys.get("redo", {}))

    @property
    def place(self) -> tuple[str | None, int | None]:
        return self.keys.get("stage"), self.keys.get("attempt")


@dataclass(slots=True)
class Waits:
    """An open gate. ``deadline`` is the boot clock's."""

    stage: str
    attempt: int
    deadline: float | None
    expires: str | None
    digest: str
    expired: bool = False
    edited: float = -FOREVER
    """When an edit was last recorded, by the boot clock."""
    answered: float = -FOREVER
    """When an answer that was not whole yet was last seen to lie there, by the boot clock."""
    held: float | None = None
    """Since when its time is over and its files are not as recorded, while the same process looks at them."""


@dataclass(frozen=True, slots=True)
class Said:
    """What people said of a stage: notes, a line each, and what to make again."""

    notes: tuple[str, ...] = ()
    redo: Mapping[str, str] = field(default_factory=dict)

    def and_then(self, more: Said) -> Said:
        return Said(self.notes + more.notes, {**self.redo, **more.redo})


@dataclass(slots=True)
class Fate:
    """One job."""

    id: str
    order: int
    priority: int
    status: str = "queued"
    reason: str = "new"
    done: set[str] = field(default_factory=set)
    attempts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    decided: dict[Place, str] = field(default_factory=dict)
    approved: dict[str, str] = field(default_factory=dict)
    disk: dict[str, bytes] = field(default_factory=dict)
    """The published files as they should lie in the run directory."""
    owner: dict[str, str] = field(default_factory=dict)
    """Path and the stage that published it."""
    told: dict[str, Said] = field(default_factory=dict)
    """By stage, what waits for its next attempt: until it is made, whatever else is made before."""
    gate: Waits | None = None
    at: tuple[str | None, int] = (None, 0)
    crashes: int = 0
    is_open: bool = False
    owed: str = ""
    """The event that must come next."""
    given: list[Given] = field(default_factory=list)
    ended: set[tuple[str, int, str]] = field(default_factory=set)
    """Attempts that ended, and how; each at most once."""

    @property
    def final(self) -> bool:
        return self.status in ("completed", "canceled")

    def files(self, stage: str) -> dict[str, bytes | None]:
        return {path: self.disk.get(path) for path, owner in self.owner.items() if owner == stage}

    def digest(self, stage: str) -> str:
        """As `sha256sum` would list the files that are there, hashed again."""
        return digest_of({path: data for path, data in self.files(stage).items() if data is not None})

    def misses(self, stage: str) -> bool:
        """Whether a file of the stage is not there."""
        return None in self.files(stage).values()


def digest_of(files: Mapping[str, bytes]) -> str:
    listed = "".join(f"{hashlib.sha256(files[p]).hexdigest()}  {p}\n" for p in sorted(files))
    return "sha256:" + hashlib.sha256(listed.encode()).hexdigest()
