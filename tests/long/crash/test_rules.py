"""The whole machine under rules, for long; in `make crash`.

``SPORK_RULES=20000`` sets how many rules are done, ``SPORK_SEED=7`` where the chance begins (a seed's failure is shown
again by its number, which the test prints), ``SPORK_SHRINK=1`` has a failure shortened, for minutes.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from tests.whole.rules import Rules
from tests.whole.world import World

PHASES = [Phase.generate, *([Phase.shrink] if "SPORK_SHRINK" in os.environ else [])]


def test_the_whole_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Two hundred thousand rules, fifty at a time: see tests/whole/."""
    wanted = int(os.environ.get("SPORK_RULES", "200000"))
    number = int(os.environ.get("SPORK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
    World.steps = World.kills = 0
    few = settings(
        max_examples=20,
        stateful_step_count=50,
        deadline=None,
        database=None,
        print_blob=False,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    while World.steps < wanted:
        with capsys.disabled():
            print(f"\rrules: {World.steps} done, {World.kills} kills; seed {number} ", end="", flush=True)
        seed(number)(get_state_machine_test(Rules, settings=few))()
        number += 1
    with capsys.disabled():
        print(f"\rrules: {World.steps} done, {World.kills} kills, no fault" + " " * 20)
