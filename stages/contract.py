"""What a stage sees and may say: the leaf that the daemon and every stage share.

A Python stage is a function ``run(context)``. It reads ``context.run_dir``, writes into
``context.out_dir`` (its current folder) and returns; raising fails the attempt. Nothing here imports
anything heavy: the keeper holds this module warm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

META_NAME = ".meta.json"
"""The file in ``out_dir`` that describes artifacts: ``{path: {"kind": str, "meta": {...}}}``."""


class StageError(Exception):
    """A stage cannot go on, for a reason its user can act on.

    The message says what is wrong and where; ``hint`` says what to do. The daemon shows both and no
    traceback; any other exception is shown with its traceback in the stage's log.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class EditError(StageError):
    """What a person wrote in a file of the run cannot be followed.

    It is the same in every attempt until they mend it: none of the stage's retries is spent on it.
    """


@dataclass(frozen=True)
class Published:
    """One artifact of an earlier stage, as it is in the run directory."""

    path: str
    """Relative to the run directory, with ``/``."""
    kind: str
    bytes: int
    sha256: str
    stage: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """One attempt of one stage, as the stage sees it."""

    run_dir: Path
    """The job's run directory; read from it, never write."""
    out_dir: Path
    """This attempt's own folder; what is left here is published if the attempt succeeds."""
    job_id: str
    stage: str
    attempt: int
    """Counts the starts of this stage in this job, from 1, never reused."""
    intent: str = ""
    """The request's ``intent``, the brief."""
    params: Mapping[str, Any] = field(default_factory=dict)
    feedback: str = ""
    """What the person who rejected the last attempt wrote, then the resume's notes; empty if none."""
    redo: Mapping[str, str] = field(default_factory=dict)
    """The parts to make again and why, keyed by the stage's own names; empty means all."""
    sources: Path = Path("sources")
    """The folder with the job's source documents."""
    artifacts: Sequence[Published] = ()
    """What the stages named in ``needs`` have published."""
    progress_file: Path | None = None

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the attempt is: ``fraction`` from 0 to 1, and what it is doing, on one line."""
        if self.progress_file is not None:
            line = f"{min(max(fraction, 0.0), 1.0):.3f} {' '.join(message.split())}\n"
            with self.progress_file.open("a", encoding="utf-8") as file:
                file.write(line)

    def describe(self, path: str, kind: str, **meta: Any) -> None:
        """Name the kind of an artifact in ``out_dir`` and add facts about it (JSON values)."""
        target = self.out_dir / META_NAME
        known = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
        known[path] = {"kind": kind, "meta": meta}
        target.write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")
