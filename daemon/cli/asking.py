"""Asking a person on the terminal what to answer at a gate."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from enum import Enum

from daemon.catalog import Catalog
from daemon.cli.review import shown_page
from daemon.cli.screen import tell
from daemon.doors import Answer, user_name
from daemon.errors import NotPossible
from daemon.model import Job
from daemon.workspace import Workspace

LOOK_SECONDS = 0.5
_THEN = {"": "retry", "r": "retry", "p": "pause", "s": "stop"}


class Asked(Enum):
    """An answer that is none."""

    LEAVE = "the gate stays open"
    GONE = "it was answered in another way while we asked"


def can_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(workspace: Workspace, catalog: Catalog, job: Job, waits: Callable[[], bool]) -> Answer | Asked:
    """What the person decides about the open gate, for as long as it ``waits`` for that."""
    assert job.gate is not None
    tell(f"\n{job.gate.stage} waits for your decision. It lies in {workspace.run(job.id)}")
    while True:
        match _line("[a]pprove, [r]eject, [v]iew REVIEW.md, [l]eave it open: ", waits):
            case "a" | "approve":
                return Answer("approve", by=user_name())
            case "r" | "reject":
                return _rejection(waits)
            case "v" | "view":
                _view(workspace, catalog, job)
            case "l" | "leave" | "q":
                return Asked.LEAVE
            case Asked() as none:
                return none
            case _:
                tell("a, r, v or l")


def _rejection(waits: Callable[[], bool]) -> Answer | Asked:
    notes = _line("What is to be changed? ", waits)
    if isinstance(notes, Asked):
        return notes
    while True:
        choice = _line("Then: [r]etry with these notes, [p]ause, [s]top the job (r): ", waits)
        if isinstance(choice, Asked):
            return choice
        then = _THEN.get(choice[:1])
        if then is not None:
            return Answer("reject", by=user_name(), notes=notes or None, then=then)


def _view(workspace: Workspace, catalog: Catalog, job: Job) -> None:
    try:
        tell(shown_page(workspace, catalog, job))
    except NotPossible as error:
        tell(str(error))


def _line(question: str, waits: Callable[[], bool]) -> str | Asked:
    """A line from the person; LEAVE at the end of the input, GONE once nothing waits for it any more."""
    sys.stderr.write(question)
    sys.stderr.flush()
    # A terminal gives one line a read, so none is left where select does not see it.
    while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
        if not waits():
            tell("")
            return Asked.GONE
    said = sys.stdin.readline()
    return said.strip() if said else Asked.LEAVE
