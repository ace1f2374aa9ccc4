"""What `spork status` says a person can do with a job: only what the rules would take."""

from __future__ import annotations

import pytest

from daemon.catalog import Summary
from daemon.cli.status import how_to_answer, takes

NOW = "2026-11-29T19:00:00.000Z"


@pytest.mark.parametrize(
    ("status", "reason", "verbs"),
    [
        ("needs_approval", "gate_open", "approve or reject"),
        ("paused", "expired", "approve or reject"),
        ("paused", "rejected", "resume or cancel"),
        ("failed", "stage_failed", "resume or cancel"),
        ("failed", "expired", "resume or cancel"),
        ("canceled", "expired", ""),
        ("canceled", "rejected", ""),
        ("completed", "", ""),
        ("queued", "new", ""),
    ],
)
def test_the_line_and_the_long_answer_name_what_is_taken(status: str, reason: str, verbs: str) -> None:
    """A gate whose time is over takes an answer while the job is paused, not where the policy failed or canceled it."""
    job = Summary("inotify-1", "inotify", status, reason, "script", 1, 1, NOW, NOW, None)
    assert takes(job) == verbs
    told = "\n".join(how_to_answer(job))
    for verb in ("approve", "reject", "resume", "cancel"):
        assert (f"spork {verb} inotify-1" in told) == (verb in verbs), told
