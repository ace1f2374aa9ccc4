"""From phoneme durations to the time of every written word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stages.voice import Samples, SpokenWord

Times = NDArray[np.float64]

Span = tuple[str, int, int]
"""A written word and the phonemes (from, to) that say it."""
LATE = 0.038
"""Seconds that a phoneme's end in the graph lies after its end in the sound (188 words, forced alignment)."""


_TITLES = frozenset(("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "No", "vs", "e.g", "i.e"))
_SENTENCE_END = re.compile(r"[.!?…]+[\"”’)\]]*(?=\s+\S)")
LONGEST = 300
"""Characters that are said in one go; the model was trained on up to about 400 phonemes."""


def sentences(paragraph: str) -> list[str]:
    """The sentences of one paragraph; every word of it is in exactly one of them."""
    found, cut = [], 0
    for match in _SENTENCE_END.finditer(paragraph):
        after = paragraph[match.end() :].lstrip()[0]
        word = paragraph[cut : match.start()].rsplit(None, 1)[-1:]
        if not after.islower() and not (match.group() == "." and word and _abbreviated(word[0])):
            found.append(paragraph[cut : match.end()])
            cut = match.end()
    return [sentence.strip() for sentence in (*found, paragraph[cut:]) if sentence.strip()]


def _abbreviated(word: str) -> bool:
    return word in _TITLES or (len(word) == 1 and word.isupper())


def clauses(sentence: str) -> list[str]:
    """The sentence in pieces that a model can hold, best cut after a comma."""
    pieces = []
    while len(sentence) > LONGEST:
        head = sentence[:LONGEST]
        cut = max(head.rfind(sign) + 1 for sign in (", ", "; ", ": ", " — "))
        cut = cut if cut > LONGEST // 3 else head.rfind(" ") + 1 or sentence.find(" ") + 1 or len(sentence)
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*pieces, *([sentence] if sentence else [])]


def written_groups(sentence: str, groups: Sequence[Span]) -> list[Span]:
    """The spans of the sentence as written, where ``groups`` are the spans of its normalized words.

    Normalizing turns "5 km" into "five kilometers": words that changed share their phonemes evenly.
    """
    written = sentence.split()
    matcher = SequenceMatcher(None, written, [text for text, _, _ in groups], autojunk=False)
    spans: list[Span] = []
    for _, from_word, to_word, from_group, to_group in matcher.get_opcodes():
        count = to_word - from_word
        if count == to_group - from_group:
            pairs = zip(written[from_word:to_word], groups[from_group:to_group], strict=True)
            spans += [(word, start, end) for word, (_, start, end) in pairs]
        elif count:
            start = groups[from_group][1] if from_group < len(groups) else _end(groups)
            end = groups[to_group - 1][2] if to_group > from_group else start
            spans += _shared(written[from_word:to_word], start, end)
    return spans


def _end(groups: Sequence[Span]) -> int:
    return groups[-1][2] if groups else 0


def _shared(words: Sequence[str], start: int, end: int) -> list[Span]:
    """``words`` over the phonemes from ``start`` to ``end``, by their letters."""
    total = sum(map(len, words))
    spans, done = [], 0
    for word in words:
        begin = start + (end - start) * done // total
        done += len(word)
        spans.append((word, begin, start + (end - start) * done // total))
    return spans


_SILENT_SIGNS = ' ;:,.!?—…"“”()'


def group_times(phonemes: str, spans: Sequence[Span], ends: Times) -> list[SpokenWord]:
    """When each span is heard; ``ends[i]`` is when the i-th id ends, id 0 being the pad before.

    The time of the space before a word belongs to the word; punctuation belongs to nobody.
    """
    words: list[SpokenWord] = []
    for text, first, to in spans:
        start = min(first, len(phonemes) - 1)
        end = start + len(phonemes[start:to].rstrip(_SILENT_SIGNS))
        before = start - 1 if start and phonemes[start - 1] == " " else start
        begins = max(float(ends[before]) - LATE, words[-1].end if words else 0.0)
        words.append(SpokenWord(text, begins, max(begins, float(ends[end]) - LATE)))
    return words


def around_pauses(words: Sequence[SpokenWord], samples: Samples, rate: int) -> list[SpokenWord]:
    """The words with the pauses after their punctuation cut out, as they are heard.

    The graph counts much of a pause as the last sound before it.
    """
    quiet = _silences(samples, rate)
    found = list(words)
    for index, (word, after) in enumerate(pairwise(words)):
        near = [q for q in quiet if word.start < q[0] < after.start + REACH and q[1] > word.end - REACH]
        if word.text[-1].isalnum() or not near:
            continue
        start, end = max(near, key=lambda silence: silence[1] - silence[0])
        if end < after.end:
            found[index] = SpokenWord(word.text, found[index].start, start)
            found[index + 1] = SpokenWord(after.text, end, after.end)
    return found


SOFT_ONSET = 0.15


def from_first_sound(
    words: Sequence[SpokenWord], sound: float, within: float = SOFT_ONSET
) -> list[SpokenWord]:
    """A first word said to begin shortly after the first sound begins with it."""
    found = list(words)
    index = next((number for number, word in enumerate(words) if word.end > word.start), None)
    if index is not None and words[index].start < within:
        start = max(min(words[index].start, sound), words[index - 1].end if index else 0.0)
        found[index] = SpokenWord(words[index].text, start, words[index].end)
    return found


REACH = 0.08
FRAME = 0.01
SHORTEST = 0.05


def _silences(samples: Samples, rate: int) -> list[tuple[float, float]]:
    """Stretches of at least 50 ms that are 34 dB below the loud parts, from and to in seconds."""
    step = round(rate * FRAME)
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > np.percentile(level, 95) * 0.02)
    gaps = [(a + 1, b) for a, b in pairwise(loud) if (b - a - 1) * FRAME >= SHORTEST]
    return [(float(a) * FRAME, float(b) * FRAME) for a, b in gaps]
