"""Sound, pictures and captions are at the same place at the same time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stages import storyboard_file
from stages.activity import SLOT, Slots, lag, onsets, slots, speech_slots
from stages.checks.evidence import Evidence, Line
from stages.checks.result import Result, at_most, unmeasured

SOUND_APART = 0.12
CAPTIONS_MEDIAN = 0.12
CAPTIONS_WORST = 0.28
"""Seconds between the first caption of a sentence and its first sound; soft consonants are heard late."""


def check(evidence: Evidence) -> Iterator[Result]:
    """The decoded sound against the storyboard's words (which the pictures follow) and the captions."""
    if evidence.voice is None or not evidence.voice.shape[1]:
        yield unmeasured(
            "sound_apart_from_storyboard",
            f"at most {SOUND_APART} s",
            evidence.faults.get("music", "no sound could be decoded"),
        )
        return
    active = speech_slots(evidence.voice)
    if evidence.board is not None:
        yield _against_storyboard(evidence, active)
    if evidence.captions:
        yield from _against_captions(evidence.captions, active)


def _against_storyboard(evidence: Evidence, active: Slots) -> Result:
    """The worst scene: where its words agree best with the speech that is heard."""
    board = evidence.board
    assert board is not None
    starts = storyboard_file.starts(board)
    words = [
        (start + word.start, start + word.end)
        for start, scene in zip(starts, board.scenes, strict=False)
        for word in scene.words
    ]
    expected = slots(words, max(len(active), round(starts[-1] / SLOT)))
    apart = {
        scene.id: lag(expected, active, start, end)
        for scene, start, end in zip(board.scenes, starts, starts[1:], strict=False)
        if scene.words and scene.id not in evidence.retimed
    }
    if not apart:
        return at_most(
            "sound_apart_from_storyboard", 0.0, SOUND_APART, " s", "all scenes are recorded or retimed"
        )
    worst = max(apart, key=lambda scene: abs(apart[scene]))
    note = f"{worst}: the sound is {abs(apart[worst]):.2f} s {'late' if apart[worst] > 0 else 'early'}"
    return at_most("sound_apart_from_storyboard", abs(apart[worst]), SOUND_APART, " s", note)


def _against_captions(captions: tuple[Line, ...], active: Slots) -> Iterator[Result]:
    """Captions that begin a sentence begin when speech begins after a pause."""
    heard = onsets(active)
    before = (".", *(line.text.rstrip("\"'”’»)]") for line in captions))
    opening = [
        line for line, last in zip(captions, before, strict=False) if last.endswith((".", "!", "?", "…"))
    ]
    if not len(heard) or not opening:
        yield unmeasured(
            "captions_apart_from_sound", f"at most {CAPTIONS_MEDIAN} s", "nobody is heard speaking"
        )
        return
    apart = [float(np.abs(heard - line.start).min()) for line in opening]
    worst = opening[int(np.argmax(apart))]
    yield at_most("captions_apart_from_sound", float(np.median(apart)), CAPTIONS_MEDIAN, " s", "median")
    yield at_most("caption_furthest_from_sound", max(apart), CAPTIONS_WORST, " s", f"at {worst.start:.2f} s")
