"""The whole machine under rules, for some seconds in all; `make crash` goes on for 200,000 of them.

A failure ends with the rules that led to it; ``tests/long/crash/test_rules.py`` says how to have it shortened.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.whole.rules import Rules

FEW = settings(
    max_examples=4,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    # To shorten a failure takes five minutes, of which `make test` has not so many.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("part", range(4))
def test_nothing_is_lost_doubled_or_shown_wrongly(part: int) -> None:
    """Whatever people, stages, clocks and crashes do, in any order: every event is explained, and nothing is due."""
    run_state_machine_as_test(Rules, settings=FEW)
