"""What a stage needs at the least: each part is done and timed, and the sum is that of the table's own rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import floor, parts


def test_the_sum_is_of_what_a_stage_needs() -> None:
    """Each part as often as it is needed; what is only shown adds nothing."""
    needed = {parts.COMMIT: 400.0, parts.ROUND_TRIP: 100.0, parts.FAULT: 4.5}
    lines = floor.rows(needed, 2200.0).splitlines()
    assert lines[2].endswith("| 400 | 1 | 400 |")
    assert lines[3].endswith("| 100 | 1.5 | 150 |")
    assert lines[4].endswith("| 4.5 |  |  |")
    assert [line.split(" | ")[-1].split()[0] for line in lines[5:]] == ["550", "2200", "0.25"]


def test_every_part_is_measured_and_leaves_no_process(tmp_path: Path) -> None:
    """As many samples as asked for, all of them times; files twice, for a stage and its log."""
    clock = parts.Clock()
    parts.measure(tmp_path / "parts", clock, 3)
    assert {part: len(sample) for part, sample in clock.samples.items()} == {
        part: 6 if part == parts.CREATE else 3 for part in parts.PARTS
    }
    assert min(map(min, clock.samples.values())) > 0
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_table_has_the_reference_beside_it(tmp_path: Path) -> None:
    """Both in the same minutes; the reference is ended."""
    made = floor.table(tmp_path, rounds=1, jobs=1)
    assert all(part.name in made for part in parts.PARTS)
    assert "a stage of the reference" in made
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
