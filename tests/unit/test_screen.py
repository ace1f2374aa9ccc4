"""What a person sees on a terminal that is narrow."""

from __future__ import annotations

import pytest

from daemon.cli.screen import table

ROWS = [["20261126-a-long-name-of-a-job", "needs_approval (gate_open)", "1h", "approve or reject"]]


@pytest.mark.parametrize("width", [None, 200, 60])
def test_a_table_loses_no_column(width: int | None) -> None:
    """Where it is too wide, the name stands above the rest: every line fits, and the last column is there."""
    lines = table(("JOB", "STATUS", "AGE", ""), ROWS, ["yellow"], on=False, width=width)
    assert len(lines) == (4 if width == 60 else 2)
    assert max(map(len, lines)) <= (width or 200)
    assert lines[-1].endswith("approve or reject")
