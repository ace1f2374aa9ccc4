"""Asking a person on the terminal what to answer at a gate."""

from __future__ import annotations

import sys
from enum import Enum

from daemon.cli.screen import clean, tell
from daemon.doors import Answer, user_name
from daemon.files import read_regular
from daemon.model import Job
from daemon.workspace import Workspace

_THEN = {"": "retry", "r": "retry", "p": "pause", "s": "stop"}


class Asked(Enum):
    """An answer that is none."""

    LEAVE = "the gate stays open"


def can_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(workspace: Workspace, job: Job) -> Answer | Asked:
    """What the person decides about the open gate; Asked.LEAVE to answer it later in another way."""
    assert job.gate is not None
    tell(f"\n{job.gate.stage} waits for your decision. It lies in {workspace.run(job.id)}")
    while True:
        match _line("[a]pprove, [r]eject, [v]iew REVIEW.md, [l]eave it open: "):
            case "a" | "approve":
                return Answer("approve", by=user_name())
            case "r" | "reject":
                return _rejection()
            case "v" | "view":
                _view(workspace, job)
            case None | "l" | "leave" | "q":
                return Asked.LEAVE
            case _:
                tell("a, r, v or l")


def _rejection() -> Answer:
    notes = _line("What is to be changed? ") or None
    while True:
        choice = _line("Then: [r]etry with these notes, [p]ause, [s]top the job (r): ")
        then = _THEN.get((choice or "p")[:1] if choice != "" else "")
        if then is not None:
            return Answer("reject", by=user_name(), notes=notes, then=then)


def _view(workspace: Workspace, job: Job) -> None:
    try:
        text = read_regular(workspace.run(job.id), "REVIEW.md", 1 << 26).decode("utf-8", "replace")
    except OSError as error:
        text = f"REVIEW.md: {error.strerror}"
    tell(clean(text))


def _line(question: str) -> str | None:
    """A line from the person; None at the end of the input."""
    sys.stderr.write(question)
    sys.stderr.flush()
    said = sys.stdin.readline()
    return said.strip() if said else None
