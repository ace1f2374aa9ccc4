"""Group timed words into caption cues: the one rule for burned-in captions, ``.srt`` and ``.vtt``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from stages.scenes import Word
from stages.typography import holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLUMNS = 42
"""The most characters of one line, the usual limit of broadcast subtitles."""
LINES = 2
PAUSE_SECONDS = 0.7
"""A silence this long always ends a cue."""
LINGER_SECONDS = 0.4
"""How long a cue may stay after its last word, if the next cue leaves room."""

_SENTENCE_ENDS = (".", "!", "?", "…")
_CLAUSE_ENDS = (",", ";", ":", "–", "—")
_CLOSERS = "\"'”’»)]"
_HELD = 250.0
"""More than any other reason to break within a number and its unit."""
_LEADERS = frozenset(
    "a an the of to in on at by for and or but with from as is are that which its our your".split()
)


@dataclass(frozen=True)
class Cue:
    """What is shown at once: at most two rows of words; seconds in the words' own time."""

    start: float
    end: float
    rows: tuple[tuple[Word, ...], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(_text(row) for row in self.rows)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for row in self.rows for word in row)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def cues(words: Sequence[Word], columns: int = COLUMNS, until: float | None = None) -> list[Cue]:
    """Group ``words`` into cues of at most two lines of ``columns`` characters, in order, none overlapping.

    Cues end at sentences and pauses; a longer sentence is divided evenly, best after a comma. No cue ends
    after ``until`` (the end of the scene), save by its own last word.
    """
    groups = [group for run in _runs(_pieces(words, columns)) for group in _divided(run, columns)]
    return [
        Cue(
            *_span(group, groups[index + 1] if index + 1 < len(groups) else None, until),
            _rows(group, columns),
        )
        for index, group in enumerate(groups)
    ]


def _pieces(words: Iterable[Word], columns: int) -> Iterator[Word]:
    """The words, with those too long for a line cut into pieces that share their time by length."""
    clock = 0.0
    for word in words:
        text = " ".join(word.text.split())
        parts = [text[at : at + columns] for at in range(0, len(text), columns)]
        start = max(word.start, clock)
        step = (max(word.end, start) - start) / max(len(parts), 1)
        for part in parts:
            yield Word(text=part, start=start, end=start + step)
            clock, start = start, start + step


def _runs(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Sentences, also divided at long pauses."""
    run: list[Word] = []
    for word in words:
        if run and word.start - run[-1].end >= PAUSE_SECONDS:
            yield run
            run = []
        run.append(word)
        if word.text.rstrip(_CLOSERS).endswith(_SENTENCE_ENDS):
            yield run
            run = []
    if run:
        yield run


def _divided(run: Sequence[Word], columns: int) -> list[Sequence[Word]]:
    """The cheapest division of one sentence into cues (dynamic programming over the cuts)."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    ideal = len(_text(run)) / -(-len(_text(run)) // (columns * LINES))
    for end in range(1, len(run) + 1):
        options = [
            (best[start][0] + _cost(run, start, end, ideal), start)
            for start in range(end - 1, -1, -1)
            if start == end - 1 or _breaks(run[start:end], columns) is not None
        ]
        best.append(min(options))
    cuts = [len(run)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    cuts.reverse()
    return [run[start:end] for start, end in pairwise(cuts)]


def _cost(run: Sequence[Word], start: int, end: int, ideal: float) -> float:
    length = len(_text(run[start:end]))
    cost = 60.0 + abs(length - ideal)
    if length < 18:
        cost += 60.0
    return cost if end == len(run) else cost + _seam(run, end)


def _seam(run: Sequence[Word], at: int) -> float:
    """What it costs to break before a word: little after a comma, much after an article or within a range."""
    before = run[at - 1].text
    if holds(_text(run[max(at - 3, 0) : at]), _text(run[at : at + 3])):
        return _HELD
    if before.rstrip(_CLOSERS).endswith(_CLAUSE_ENDS):
        return 0.0
    return 50.0 if before.lower() in _LEADERS else 25.0


def _breaks(group: Sequence[Word], columns: int) -> int | None:
    """Where the second row begins (``len(group)`` for a single row), or None when two rows are too few."""
    lengths = list(accumulate(len(word.text) + 1 for word in group))
    total = lengths[-1] - 1
    if total <= columns:
        return len(group)
    options = [
        (max(upper - 1, total - upper) + _seam(group, index + 1) * 0.4, index + 1)
        for index, upper in enumerate(lengths[:-1])
        if upper - 1 <= columns and total - upper <= columns
    ]
    return min(options)[1] if options else None


def _rows(group: Sequence[Word], columns: int) -> tuple[tuple[Word, ...], ...]:
    cut = _breaks(group, columns)
    rows = (tuple(group[:cut]), tuple(group[cut:]))
    return tuple(row for row in rows if row)


def _span(group: Sequence[Word], after: Sequence[Word] | None, until: float | None) -> tuple[float, float]:
    start, spoken = group[0].start, group[-1].end
    limits = [spoken + LINGER_SECONDS]
    if after:
        limits.append(after[0].start)
    if until is not None:
        limits.append(max(until, spoken))
    return start, max(min(limits), start)


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
