"""When somebody speaks, in slots of 10 ms, and by how much two such records are apart."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stages import sound

Slots = NDArray[np.bool_]
SLOT = 0.01
SHORTEST_PAUSE = 12
"""Slots; stops inside words are shorter."""


def speech_slots(mix: sound.Sound, shortest_pause: int = SHORTEST_PAUSE) -> Slots:
    """Whether each slot sounds: less than 32 dB below the loud ones; gaps up to ``shortest_pause`` are filled."""
    step = round(sound.RATE * SLOT)
    mono = mix.mean(axis=0)
    frames = mono[: len(mono) // step * step].reshape(-1, step)
    level = np.sqrt(np.mean(frames.astype(np.float64) ** 2, axis=1))
    loud = level > max(float(np.percentile(level, 95)) * 0.025, 1e-4) if len(level) else level > 0
    active: Slots = loud.copy()
    for one, other in pairwise(np.flatnonzero(loud)):
        if other - one <= shortest_pause:
            active[one:other] = True
    return active


def slots(stretches: Iterable[tuple[float, float]], length: int) -> Slots:
    """Stretches of seconds as slots."""
    record = np.zeros(length, np.bool_)
    for start, end in stretches:
        record[max(round(start / SLOT), 0) : max(round(end / SLOT), 0)] = True
    return record


def lag(expected: Slots, active: Slots, start: float, end: float, furthest: float = 0.8) -> float:
    """By how many seconds ``active`` is later than ``expected`` between two times: where they agree best.

    Where several lags agree equally well, the smallest.
    """
    low, high = max(round(start / SLOT), 0), min(round(end / SLOT), len(expected))
    reach = round(furthest / SLOT)
    padded = np.pad(active, (reach, reach + max(len(expected) - len(active), 0)))
    window = expected[low:high]
    agreement = [
        int(np.count_nonzero(window == padded[low + reach + by : high + reach + by]))
        for by in range(-reach, reach + 1)
    ]
    best = max(agreement, default=0)
    return min((by - reach for by, found in enumerate(agreement) if found == best), key=abs) * SLOT


def onsets(active: Slots) -> NDArray[np.float64]:
    """When speech begins after a pause, in seconds."""
    rising = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0) == 1)
    found: NDArray[np.float64] = rising.astype(np.float64) * SLOT
    return found
