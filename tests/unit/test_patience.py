"""Trying again what was refused."""

from __future__ import annotations

from daemon.patience import Patience


def test_soon_at_first_and_seldom_in_the_end() -> None:
    """The waits double up to the longest, and begin anew once something went well."""
    patience, now, waits = Patience(5.0), 0.0, []
    for _ in range(5):
        patience.note(now, refused=True)
        assert patience.at is not None
        waits.append(patience.at - now)
        now = patience.at
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
    patience.note(now, refused=False)
    assert patience.at is None and patience.over(now) and not patience.due(now)
    patience.note(now, refused=True)
    assert patience.at == now + 1.0


def test_said_again_too_early_changes_nothing() -> None:
    """A bell that rings all the time puts no try off, and makes none come sooner."""
    patience = Patience(60.0)
    for now in (0.0, 0.3, 0.9):
        patience.note(now, refused=True)
    assert patience.at == 1.0
    assert not patience.over(0.9) and patience.over(1.0)
