"""Word times of a recording: dynamic time warping against the same words said by a voice.

The method of forced aligners without a recogniser (aeneas): cepstra of both, and the cheapest way
to walk through them side by side.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stages.voice import Samples, Speech, SpokenWord
from stages.voice_words import from_first_sound

Matrix = NDArray[np.float64]
HOP = 0.0125
WINDOW = 0.032
LEADING = 0.02
"""Seconds that are kept before the first sound."""
_BANDS, _CEPSTRA = 32, 13
_DIAGONAL, _DOWN = 0, 1


def recorded_speech(samples: Samples, rate: int, reference: Speech) -> Speech:
    """The recording as speech: its silent ends cut, its words timed by those of ``reference``."""
    first, last = _sounding(samples, rate)
    cut = samples[first:last]
    if not len(cut):
        return Speech(cut, rate, ())
    return Speech(cut, rate, aligned(cut, rate, reference))


def aligned(samples: Samples, rate: int, reference: Speech) -> tuple[SpokenWord, ...]:
    """The words of ``reference`` at the times at which they are heard in ``samples``."""
    here, there = cepstra(samples, rate), cepstra(reference.samples, reference.rate)
    if len(here) < 2 or len(there) < 2:
        return tuple(SpokenWord(word.text, 0.0, len(samples) / rate) for word in reference.words)
    rows, columns = path(_distances(there, here))
    at = np.arange(len(there))
    times = np.interp(at, rows, columns) * HOP
    length = len(samples) / rate

    def moved(time: float) -> float:
        return float(min(np.interp(time / HOP, at, times), length))

    found = [SpokenWord(word.text, moved(word.start), moved(word.end)) for word in reference.words]
    return tuple(from_first_sound(found, LEADING, within=1.0))


def cepstra(samples: Samples, rate: int) -> Matrix:
    """Mel cepstra and level every 12.5 ms, each coefficient with mean 0 and variance 1."""
    size, hop = round(WINDOW * rate), round(HOP * rate)
    if len(samples) < size:
        return np.zeros((0, _CEPSTRA))
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bands = np.log(power @ _mel(size, rate).T + 1e-7)
    place = np.arange(_BANDS) + 0.5
    cosines = np.cos(np.pi / _BANDS * np.outer(np.arange(_CEPSTRA), place))
    found = bands @ cosines.T
    normal: Matrix = (found - found.mean(axis=0)) / (found.std(axis=0) + 1e-9)
    return normal


@lru_cache(maxsize=4)
def _mel(size: int, rate: int) -> Matrix:
    """Triangles from 80 Hz to 7.6 kHz on O'Shaughnessy's mel scale, (bands, bins)."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (80, 7600))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles: Matrix = np.maximum(np.minimum(rising, falling), 0)
    return triangles


def _distances(rows: Matrix, columns: Matrix) -> Matrix:
    squares = (rows**2).sum(1)[:, None] + (columns**2).sum(1) - 2 * rows @ columns.T
    distances: Matrix = np.sqrt(np.maximum(squares, 0))
    return distances


def path(cost: Matrix) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The cheapest walk from corner to corner, row and column of every step (rows never fall).

    One diagonal of the table at a time, so that numpy does the work.
    """
    height, width = cost.shape
    moves = np.zeros((height, width), np.uint8)
    before = before2 = np.full(height, np.inf)
    for diagonal in range(height + width - 1):
        low, high = max(0, diagonal - width + 1), min(diagonal, height - 1)
        row = np.arange(low, high + 1)
        current = np.full(height, np.inf)
        step = cost[row, diagonal - row]
        if diagonal == 0:
            current[0] = step[0]
        else:
            above = np.where(row > 0, before[row - 1], np.inf)
            corner = np.where(row > 0, before2[row - 1], np.inf) + step  # a diagonal step counts twice
            options = np.stack([corner, above, before[row]])
            moves[row, diagonal - row] = options.argmin(axis=0)
            current[row] = options.min(axis=0) + step
        before2, before = before, current
    rows, columns = [height - 1], [width - 1]
    while rows[-1] or columns[-1]:
        move = moves[rows[-1], columns[-1]]
        down, right = move in (_DIAGONAL, _DOWN), move != _DOWN
        rows.append(rows[-1] - down)
        columns.append(columns[-1] - right)
    return np.array(rows[::-1], np.int64), np.array(columns[::-1], np.int64)


def _sounding(samples: Samples, rate: int) -> tuple[int, int]:
    """From 20 ms before the first loud sample to 50 ms after the last."""
    if not len(samples):
        return 0, 0
    threshold = max(float(np.abs(samples).max()) * 0.02, 1e-4)
    loud = np.flatnonzero(np.abs(samples) > threshold)
    if not len(loud):
        return 0, 0
    return max(int(loud[0]) - round(LEADING * rate), 0), min(int(loud[-1]) + rate // 20, len(samples))
