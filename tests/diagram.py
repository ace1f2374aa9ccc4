"""The state diagram, drawn from the rules: every state of the table with every event, and where it leads.

``python -m tests.diagram`` writes it into docs/states.md; a test compares.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from daemon.errors import Illegal
from daemon.machine import decide
from daemon.model import Status
from tests.unit.test_machine import EVENTS, STATES, made

PAGE = Path(__file__).parents[1] / "docs/states.md"
BEGIN, END = "```mermaid\n", "```\n"


def diagram() -> str:
    """Mermaid: an arrow for each way from one status to another, with the events that take it."""
    ways: dict[tuple[Status, Status], set[str]] = {}
    for state in STATES:
        job = made(state)
        for event in EVENTS.values():
            with contextlib.suppress(Illegal):
                after = decide(job, event)
                if after.status is not job.status:
                    ways.setdefault((job.status, after.status), set()).add(str(event.type))
    order = list(Status)
    lines = ["stateDiagram-v2", "    [*] --> queued: job_queued"]
    for (source, target), types in sorted(
        ways.items(), key=lambda w: (order.index(w[0][0]), order.index(w[0][1]))
    ):
        lines.append(f"    {source} --> {target}: {', '.join(sorted(types))}")
    lines += [f"    {status} --> [*]" for status in (Status.COMPLETED, Status.CANCELED)]
    return "\n".join(lines) + "\n"


def page_with(text: str) -> str:
    """The page with the diagram as the rules draw it now."""
    before, rest = text.split(BEGIN, 1)
    return before + BEGIN + diagram() + END + rest.split(END, 1)[1]


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
