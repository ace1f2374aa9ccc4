"""What changed between two texts, as a unified diff, in a time that grows with their length and not with its square.

difflib looks for the longest run of equal lines, and in what is left on both sides of it again: of two texts of
100 KB in which every second line differs it takes a minute. Where that is too much, lines that stand once in each
text are held together first, and a stretch that is still too long counts as changed from end to end: a diff that
says more than it must, and still makes the one text of the other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import Match, SequenceMatcher

MOST_PAIRS = 1_000_000
"""Pairs of lines that are held against each other, at a microsecond each in the worst of cases."""
_STRETCH_PAIRS = 100
"""What a stretch costs beside its pairs."""


def unified(old: Sequence[str], new: Sequence[str], name: str) -> list[str]:
    """The lines of a unified diff, without their ends; none where the texts are the same."""
    told: list[str] = []
    for group in _Bounded(old, new).get_grouped_opcodes():
        (_, old_from, _, new_from, _), (_, _, old_to, _, new_to) = group[0], group[-1]
        told.append(f"@@ -{_range(old_from, old_to)} +{_range(new_from, new_to)} @@")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                told += (f" {line}" for line in old[i1:i2])
            else:
                told += (f"-{line}" for line in old[i1:i2])
                told += (f"+{line}" for line in new[j1:j2])
    return [f"--- a/{name}", f"+++ b/{name}", *told] if told else []


def _range(start: int, stop: int) -> str:
    """As diff writes it: lines count from 1, an empty range stands after the line before it."""
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class _Bounded(SequenceMatcher[str]):
    """difflib's, with runs of equal lines that were found in a bounded time."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__()
        self._old, self._new = old, new

    def get_matching_blocks(self) -> list[Match]:
        runs: list[Match] = []
        for i, j, size in _runs(self._old, self._new):
            last = runs[-1] if runs else Match(0, 0, 0)
            if runs and (last.a + last.size, last.b + last.size) == (i, j):
                runs[-1] = Match(last.a, last.b, last.size + size)
            elif size:
                runs.append(Match(i, j, size))
        return [*runs, Match(len(self._old), len(self._new), 0)]


def _runs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Where lines are the same: their places in both, and how many; in order."""
    # What is few lines is told as difflib tells it.
    head, tail = (0, 0) if len(old) * len(new) <= MOST_PAIRS else _same_ends(old, new)
    end, new_end = len(old) - tail, len(new) - tail
    yield 0, 0, head
    for i, j, size in _between(old[head:end], new[head:new_end]):
        yield head + i, head + j, size
    yield end, new_end, tail


def _between(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """The same for texts whose ends differ."""
    left, i, j = MOST_PAIRS, 0, 0
    held = () if len(old) * len(new) <= left else _alone(old, new)
    for at, new_at in [*held, (len(old), len(new))]:
        stretch, new_stretch = old[i:at], new[j:new_at]
        pairs = len(stretch) * len(new_stretch)
        if 0 < pairs <= left:
            left -= pairs + _STRETCH_PAIRS
            runs: Iterable[tuple[int, int, int]] = SequenceMatcher(
                None, stretch, new_stretch
            ).get_matching_blocks()
        else:
            head, tail = _same_ends(stretch, new_stretch)
            runs = ((0, 0, head), (len(stretch) - tail, len(new_stretch) - tail, tail))
        for within, new_within, size in runs:
            yield i + within, j + new_within, size
        yield at, new_at, int(at < len(old))
        i, j = at + 1, new_at + 1


def _same_ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines are the same at the beginning, and how many of the others at the end."""
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    most -= head
    return head, next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)


def _alone(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The places of lines that stand once in each text: as many as are in the same order in both."""
    once, new_once = Counter(old), Counter(new)
    places = {line: j for j, line in enumerate(new)}
    pairs = [(i, places[line]) for i, line in enumerate(old) if once[line] == new_once[line] == 1]
    # The longest rising row: of each length the one that ends lowest, and what stands before each pair.
    lowest: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(lowest, j)
        before.append(last[length - 1] if length else -1)
        lowest[length : length + 1], last[length : length + 1] = [j], [number]
    row: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]
