"""When the loop lets the bell alone for a moment."""

from __future__ import annotations

from daemon.storm import RINGS, Storm


def rung(
    storm: Storm, times: int, *, meant: bool = False, apart: float = 0.001, start: float = 100.0
) -> float:
    now = start
    for _ in range(times):
        now += apart
        storm.turn(now, rang=True, meant=meant)
    return now


def test_a_storm_is_many_rings_for_nothing() -> None:
    """So many turns in a row, close to each other; one less is none."""
    storm = Storm()
    now = rung(storm, RINGS)
    assert not storm.on
    rung(storm, 1, start=now)
    assert storm.on


def test_what_is_meant_and_what_is_seldom_is_no_storm() -> None:
    """Rings that bring work, and single rings over a day, never make the bell wait."""
    storm = Storm()
    rung(storm, 1000, meant=True)
    assert not storm.on
    rung(storm, 1000, apart=1.5)
    assert not storm.on


def test_a_storm_is_over_with_the_first_turn_without_a_ring() -> None:
    """Or the loop would go on waking for nothing."""
    storm = Storm()
    now = rung(storm, RINGS + 1)
    storm.turn(now + 0.05, rang=False, meant=False)
    assert not storm.on
