"""When the copies for people are written."""

from __future__ import annotations

import pytest

from daemon.lull import BEHIND_SECONDS, MOMENT_SECONDS, Lull


def test_at_once_where_nothing_runs() -> None:
    """A job that came to rest is shown at once, also one that others had to wait for."""
    lull = Lull()
    assert lull.over(1.0, began=True, busy=False) and lull.at is None
    assert not lull.over(2.0, began=True, busy=True)
    assert lull.over(2.001, began=True, busy=False) and lull.at is None


def test_a_moment_after_the_last_that_began() -> None:
    """An attempt that goes on is shown after a moment, whatever else wakes the loop."""
    lull = Lull()
    assert lull.over(1.0, began=False, busy=True)
    assert not lull.over(1.0, began=True, busy=True)
    at = lull.at
    assert at == pytest.approx(1.0 + MOMENT_SECONDS)
    assert not lull.over(1.001, began=False, busy=True)
    assert lull.over(at or 0.0, began=False, busy=True) and lull.at is None


def test_a_row_of_short_ones_is_shown_in_time() -> None:
    """However many begin one after the other, nothing waits longer than the limit."""
    lull, now = Lull(), 1.0
    while not lull.over(now, began=True, busy=True):
        assert lull.at is not None
        assert now < lull.at <= 1.0 + BEHIND_SECONDS
        now += MOMENT_SECONDS / 2
    assert now == pytest.approx(1.0 + BEHIND_SECONDS, abs=MOMENT_SECONDS)
