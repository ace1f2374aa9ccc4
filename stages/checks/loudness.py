"""The final mix as it is decoded: how loud, how high its peaks, and whether every word can be heard."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages import sound, storyboard_file
from stages.checks.activity import SLOT, speech_slots
from stages.checks.evidence import Evidence
from stages.checks.result import Result, at_least, at_most, between, unmeasured

TOLERANCE_LU = 1.0
HEARD_SHARE = 0.97
CLIPPED_MS = 0.2
"""Milliseconds of samples in a row at the very top: flat tops that no limiter makes."""


def check(evidence: Evidence) -> Iterator[Result]:
    """Loudness, true peak, clipping, words that are silent."""
    mix = evidence.mix
    low, high = sound.TARGET_LUFS - TOLERANCE_LU, sound.TARGET_LUFS + TOLERANCE_LU
    if mix is None or not mix.shape[1]:
        yield unmeasured("loudness", f"{low:g} to {high:g} LUFS", "no sound could be decoded")
        return
    heard = sound.measure(mix)
    yield between("loudness", heard.lufs, low, high, " LUFS")
    yield at_most("true_peak", heard.true_peak_dbtp, sound.TRUE_PEAK_DBTP, " dBTP")
    yield at_most("clipped", clipped_ms(mix), CLIPPED_MS, " ms")
    if evidence.board is not None:
        yield at_least("words_heard", _heard(evidence, mix) * 100, HEARD_SHARE * 100, " %")


def clipped_ms(mix: sound.Sound) -> float:
    """The longest run of samples within 0.1 % of the sound's own peak, in milliseconds."""
    top = np.abs(mix).max(axis=0)
    flat = np.concatenate([[False], top >= max(float(top.max()) * 0.999, 1e-3), [False]])
    edges = np.flatnonzero(np.diff(flat.astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    return float(runs.max() / sound.RATE * 1000) if len(runs) else 0.0


def _heard(evidence: Evidence, mix: sound.Sound) -> float:
    """The share of the storyboard's words during which somebody speaks."""
    assert evidence.board is not None
    active = speech_slots(mix)
    words = [
        (start + word.start, start + word.end)
        for start, scene in zip(storyboard_file.starts(evidence.board), evidence.board.scenes, strict=False)
        if scene.id not in evidence.retimed
        for word in scene.words
        if word.end > word.start
    ]
    spoken = [active[int(start / SLOT) : int(end / SLOT) + 1].any() for start, end in words]
    return sum(map(bool, spoken)) / len(spoken) if spoken else 1.0
