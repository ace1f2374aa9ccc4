"""Which lines of a piece of code are spoken of: those that hold a name, a call or a flag that is said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TELLS_LITTLE = frozenset(
    "all and any are been break case char class const continue def does done each echo elif else end false fi "
    "for from function has have here import int into let line lines more new none not null off one open out "
    "print private public return self set static string struct that the their them then there they this true "
    "two use using var void was what when where which while will with you your".split()
)
"""Keywords and small words: they stand in code and in speech without meaning the same."""
_SHORTEST = 3
"""Letters of a name that can be told from an accident."""
_AROUND = "`\"'“”‘’()[]{}<>,.;:!?…"
_MOST_LINES = 2
"""A name that more lines hold points to none of them."""


def spoken_of(code: Sequence[str], words: Sequence[str]) -> dict[int, int]:
    """The number of each line that is spoken of, and of the word that says so; both rise.

    Where words point to and fro, those that point forward to most lines count.
    """
    # The longest rising chain of (word, line) that ends with each pair.
    chains: list[list[tuple[int, int]]] = []
    for pair in _pairs(code, words):
        before = (chain for chain in chains if chain[-1][0] < pair[0] and chain[-1][1] < pair[1])
        chains.append([*max(before, key=len, default=[]), pair])
    return {line: word for word, line in max(chains, key=len, default=[])}


def _pairs(code: Sequence[str], words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Each word with each line that it points to."""
    for number, word in enumerate(words):
        name = word.strip(_AROUND)
        if len(name) < _SHORTEST or name.lower() in _TELLS_LITTLE or not re.search(r"[^\W\d]", name):
            continue
        held = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
        lines = [at for at, line in enumerate(code) if held.search(line)]
        if len(lines) <= _MOST_LINES:
            yield from ((number, line) for line in lines)
