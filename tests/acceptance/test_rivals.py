"""A sample of `make lanes`: daemons in each other's way, and lock files taken away under them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rivals import Rivals


@pytest.mark.fault(101, 102, 103)
def test_rivals_never_run_two_stages_at_once(tmp_path: Path) -> None:
    """Five provocations, one of each kind, by a fixed seed: 0 overlaps, and the files are in order."""
    rivals = Rivals(tmp_path / "rivals", seed=1)
    try:
        rivals.run(5)
    finally:
        rivals.close()
