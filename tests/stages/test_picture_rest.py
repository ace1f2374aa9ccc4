"""What is at rest is neither asked nor drawn again, and never misses that it moves."""

from __future__ import annotations

import pytest

from stages.shot import order, prepare
from stages.theme import load
from tests.stages.storyboards import CONTENTS, storyboard

pytestmark = pytest.mark.video


@pytest.mark.parametrize("index", range(len(CONTENTS)))
def test_a_layer_that_says_it_rests_keeps_its_state(index: int) -> None:
    """Between two scenes of its like, so that it comes, goes and has things handed over: at every instant."""
    board = storyboard(only=[index, index, index], width=320, height=180)
    shot = prepare(order(board, 1, load()))
    rested = 0
    for layer in shot.layers:
        until, state = -1.0, None
        for seconds in (number / 90 for number in range(int(shot.times.seconds * 90))):
            now = layer.state(seconds)
            if seconds < until:
                assert now == state, (layer, seconds)
                rested += 1
            until, state = layer.rests(seconds), now
    assert rested > 90


def test_an_earlier_instant_can_be_shown_again() -> None:
    """The canvas goes back as it goes on: what rested at a later time is asked anew."""
    shot = prepare(order(storyboard(only=[3], width=320, height=180), 0, load()))
    canvas, fresh = shot.canvas(), shot.canvas()
    fresh.show(0.5)
    for seconds in (0.5, shot.times.seconds - 0.1, 0.5):
        canvas.show(seconds)
    assert canvas.states == fresh.states
