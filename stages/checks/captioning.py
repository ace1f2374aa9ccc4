"""The caption files: everything said is shown, in readable pieces, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from stages.activity import SLOT, slots, speech_slots
from stages.checks.evidence import Evidence, Line
from stages.checks.result import Result, at_least, at_most, unmeasured, verdict
from stages.cues import COLUMNS, LINES

COVERED_SHARE = 0.97
LONGEST_UNCOVERED = 0.5
WORDS_SHARE = 0.98


def check(evidence: Evidence) -> Iterator[Result]:
    """Overlap, order, shape, coverage of the speech, words, and both files alike."""
    captions = evidence.captions
    if not captions:
        yield unmeasured(
            "captions", "at least 1", evidence.faults.get("captions.srt", "no captions in the file")
        )
        return
    overlapping = [two for one, two in pairwise(captions) if two.start < one.end - 1e-6]
    yield verdict("caption_overlaps", len(overlapping), "0", not overlapping, _places(overlapping))
    backwards = [line for line in captions if line.end <= line.start]
    yield verdict("caption_without_length", len(backwards), "0", not backwards, _places(backwards))
    large = [line for line in captions if len(line.lines) > LINES or max(map(len, line.lines)) > COLUMNS]
    shape = f"0 over {LINES} lines of {COLUMNS} characters"
    yield verdict("captions_too_large", len(large), shape, not large, _places(large))
    same = evidence.second_captions is not None and _alike(captions, evidence.second_captions)
    yield verdict("captions_srt_and_vtt", "alike" if same else "different", "alike", same)
    if evidence.voice is not None and evidence.voice.shape[1]:
        yield from _coverage(evidence, captions)
    if evidence.board is not None and not evidence.retimed:
        yield _words(evidence, captions)


def _coverage(evidence: Evidence, captions: tuple[Line, ...]) -> Iterator[Result]:
    assert evidence.voice is not None
    active = speech_slots(evidence.voice)
    shown = slots(((line.start, line.end) for line in captions), len(active))
    share = float(np.mean(shown[active])) if active.any() else 0.0
    yield at_least("speech_captioned", share * 100, COVERED_SHARE * 100, " %")
    edges = np.flatnonzero(np.diff((active & ~shown).astype(np.int8), prepend=0, append=0))
    runs = (edges[1::2] - edges[::2]) * SLOT
    longest = int(np.argmax(runs)) if len(runs) else 0
    note = f"at {edges[2 * longest] * SLOT:.2f} s" if len(runs) else ""
    longest_seconds = float(runs.max()) if len(runs) else 0.0
    yield at_most("longest_speech_without_caption", longest_seconds, LONGEST_UNCOVERED, " s", note)


def _words(evidence: Evidence, captions: tuple[Line, ...]) -> Result:
    """The captions' words are the storyboard's, in order."""
    assert evidence.board is not None
    wanted = [part for scene in evidence.board.scenes for word in scene.words for part in word.text.split()]
    shown = [part for line in captions for part in line.text.split()]
    matcher = SequenceMatcher(None, wanted, shown, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    share = 2 * same / max(len(wanted) + len(shown), 1)
    return at_least("caption_words", share * 100, WORDS_SHARE * 100, " % of the storyboard's")


def _alike(one: tuple[Line, ...], other: tuple[Line, ...]) -> bool:
    times = [[(round(line.start, 2), round(line.end, 2)) for line in captions] for captions in (one, other)]
    return times[0] == times[1]


def _places(lines: list[Line]) -> str:
    return ", ".join(f"{line.start:.2f} s" for line in lines[:5])
