"""A rejection's notes: what rules can honour is honoured, the rest is listed."""

from __future__ import annotations

import pytest

from stages.contract import StageError
from stages.feedback import read_feedback


@pytest.mark.parametrize(
    ("notes", "minutes"),
    [("Make it shorter", 1.6), ("too long!", 1.6), ("a bit longer please", 2.5), ("60 seconds", 1.0),
     ("Please make it 3 minutes", 3.0), ("nice", 2.0), ("", 2.0)],
)  # fmt: skip
def test_length(notes: str, minutes: float) -> None:
    """Shorter, longer and a length are honoured."""
    assert read_feedback(notes).minutes(2.0) == pytest.approx(minutes)


def test_a_length_that_is_none_is_refused() -> None:
    """Nobody watches for a thousand minutes."""
    with pytest.raises(StageError, match="1000 minutes"):
        read_feedback("make it 1000 minutes")


def test_leaving_out() -> None:
    """Words, kinds and single items are left out."""
    feedback = read_feedback("Leave out the queue, drop f014 and no code. Skip the history section")
    assert feedback.leaves_out("The queue can overflow.")
    assert feedback.leaves_out("A short history")
    assert feedback.leaves_out("anything", "f014")
    assert feedback.leaves_out("anything", "f001", "code")
    assert not feedback.leaves_out("The kernel knows.", "f001", "fact")


def test_wanting_more() -> None:
    """More of something raises it and leaves nothing out."""
    feedback = read_feedback("more about overflows")
    assert feedback.wants("The queue can overflow.")
    assert not feedback.leaves_out("The queue can overflow.")


def test_each_wish_is_reported() -> None:
    """Nothing that a person asked for is dropped in silence."""
    told = read_feedback("Shorter. Make the tone funnier. More about unicorns").report(
        ["The queue overflows."]
    )
    assert told[0].startswith("honoured")
    assert told[1].startswith("could not be honoured without a writer: 'Make the tone funnier'")
    assert "no research item" in told[2]
