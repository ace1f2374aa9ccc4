"""Two daemons in a workspace, two workspaces on a lane, 1,000 provocations: never two stages at once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.rivals import Rivals

TRIES = int(os.environ.get("LANE_TRIES", "1000"))
AT_ONCE = 50


@pytest.mark.fault(101, 102, 103)
def test_a_thousand_tries_and_no_two_stages_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Second daemons, kills with two successors, lock files deleted and replaced: 0 overlaps, nothing lost."""
    seed = int(os.environ.get("LANE_SEED", random.SystemRandom().randrange(1 << 30)))
    for first in range(0, TRIES, AT_ONCE):
        rivals = Rivals(tmp_path / f"seed-{seed}", seed)
        try:
            rivals.run(min(AT_ONCE, TRIES - first))
        finally:
            rivals.close()
        with capsys.disabled():
            print(f"\n{first + AT_ONCE} of {TRIES}; seed {seed}: {rivals.summary()}", flush=True)
        seed += 1
