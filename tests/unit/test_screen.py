"""What a person sees on a terminal that is narrow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daemon.cli.detail import time_of
from daemon.cli.screen import Part, fitted, table
from daemon.clock import later
from daemon.model import Stage, StageStatus

ROWS = [["20261126-a-long-name-of-a-job", "needs_approval (gate_open)", "1h", "approve or reject"]]


@pytest.mark.parametrize("width", [None, 200, 60])
def test_a_table_loses_no_column(width: int | None) -> None:
    """Where it is too wide, the name stands above the rest: every line fits, and the last column is there."""
    lines = table(("JOB", "STATUS", "AGE", ""), ROWS, ["yellow"], on=False, width=width)
    assert len(lines) == (4 if width == 60 else 2)
    assert max(map(len, lines)) <= (width or 200)
    assert lines[-1].endswith("approve or reject")


def test_what_finds_no_room_is_counted() -> None:
    """Jobs of two lines give way first, then notes; what stands at the end is always there."""
    jobs = Part(["JOB", "STATUS"], [[f"job-{n}", "  running"] for n in range(12)])
    notes = Part(["", "In the inbox:"], [[f"  note {n}"] for n in range(9)])
    end = Part(["", "The daemon runs: pid 1."])
    whole = fitted([jobs, notes, end], None)
    assert len(whole) == 39 and fitted([jobs, notes, end], 39) == whole
    lines = fitted([jobs, notes, end], 24)
    assert len(lines) <= 24
    assert lines[:2] == ["JOB", "STATUS"] and "... 8 more" in lines
    assert [line for line in lines if "note" in line or "daemon" in line] == [
        *(f"  note {n}" for n in range(9)),
        end.heading[1],
    ]
    lines = fitted([jobs, notes, end], 16)
    assert len(lines) <= 16
    assert lines[6] == "... 10 more" and lines[-3:] == ["... 6 more", *end.heading]
    assert fitted([jobs, notes, end], 3)[-1] == end.heading[1]


def test_the_time_of_a_running_attempt_is_its_own() -> None:
    """Not that of the attempt before it; and the first one has a time too."""
    started = later(datetime.now(UTC), -310)
    for spent in (0.0, 60.0):
        assert (
            time_of(Stage("a", (), status=StageStatus.RUNNING, started_at=started, seconds=spent)) == "5 min"
        )
    assert time_of(Stage("a", (), status=StageStatus.FAILED, started_at=started, seconds=60)) == "1 min"
    assert time_of(Stage("a", ())) == ""
