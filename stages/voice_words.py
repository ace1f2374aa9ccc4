"""From phoneme durations to the time of every written word."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from stages.voice import SpokenWord

Span = tuple[str, int, int]
"""A written word and the phonemes (from, to) that say it."""
LATE_START = 0.0
LATE_END = 0.0


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


PAUSES = frozenset(' ;:,.!?—…"“”()')


def group_times(phonemes: str, spans: Sequence[Span], ends: Any) -> list[SpokenWord]:
    """When each span is heard; ``ends[i]`` is when the i-th id ends, id 0 being the pad before."""
    words: list[SpokenWord] = []
    for text, start, end in spans:
        while end > start and phonemes[end - 1 : end] in PAUSES:
            end -= 1
        begins = float(ends[start]) - LATE_START
        finishes = float(ends[end]) - LATE_END
        words.append(SpokenWord(text, begins, max(begins, finishes)))
    return words
