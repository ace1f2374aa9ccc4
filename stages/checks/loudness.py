"""The final mix as it is decoded: how loud, how high its peaks, and whether every word can be heard."""

from __future__ import annotations

from collections.abc import Iterator

from stages import sound, storyboard_file
from stages.activity import SLOT, speech_slots
from stages.checks.evidence import Evidence
from stages.checks.result import Result, at_least, at_most, between, unmeasured

TOLERANCE_LU = 0.5
HEARD_SHARE = 0.97
LEAST_PEAK_TO_LOUDNESS = 10.0
"""LU. Speech has about 14; tops that were cut off, however softly played afterwards, leave less than 10."""


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
    if heard.lufs > -70:
        peak = heard.true_peak_dbtp - heard.lufs
        yield at_least("peak_to_loudness", peak, LEAST_PEAK_TO_LOUDNESS, " LU", "less is clipped or squashed")
    if evidence.board is not None and evidence.voice is not None:
        yield at_least("words_heard", _heard(evidence, evidence.voice) * 100, HEARD_SHARE * 100, " %")


def _heard(evidence: Evidence, voice: sound.Sound) -> float:
    """The share of the storyboard's words during which somebody speaks."""
    assert evidence.board is not None
    active = speech_slots(voice)
    words = [
        (start + word.start, start + word.end)
        for start, scene in zip(storyboard_file.starts(evidence.board), evidence.board.scenes, strict=False)
        if scene.id not in evidence.retimed
        for word in scene.words
        if word.end > word.start
    ]
    spoken = [active[int(start / SLOT) : int(end / SLOT) + 1].any() for start, end in words]
    return sum(map(bool, spoken)) / len(spoken) if spoken else 1.0
