"""The diff of two texts: as difflib tells it where that is quick, and in any case one that makes the other text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import difference
from daemon.difference import unified

TEXTS = st.one_of(
    *(
        st.lists(st.sampled_from(letters), max_size=25)
        for letters in ("ab", "abcdef", "abcdefghijklmnopqrstuvwxyz")
    )
)
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def patched(old: Sequence[str], diff: Sequence[str]) -> list[str]:
    """What ``patch`` makes of the old lines; every line and number of the diff is held against them."""
    new: list[str] = []
    at = 0
    left, new_left = 0, 0
    for line in diff[2:]:
        if left == new_left == 0:
            found = _HUNK.fullmatch(line)
            assert found, line
            left, new_left = (1 if found[n] is None else int(found[n]) for n in (2, 4))
            start = int(found[1]) - bool(left)
            new += old[at:start]
            at = start
            assert len(new) == int(found[3]) - bool(new_left)
            continue
        if line[0] != "+":
            assert old[at] == line[1:]
            at, left = at + 1, left - 1
        if line[0] != "-":
            new.append(line[1:])
            new_left -= 1
    return new + list(old[at:])


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_few_lines_are_told_as_difflib_does(old: list[str], new: list[str]) -> None:
    told = list(difflib.unified_diff(old, new, "a/x", "b/x", lineterm=""))
    assert unified(old, new, "x") == told


@pytest.mark.parametrize("most", [0, 3, 250])
@settings(deadline=None)
@given(old=TEXTS, new=TEXTS)
def test_many_lines_still_make_the_one_text_of_the_other(most: int, old: list[str], new: list[str]) -> None:
    """Whatever is no longer looked for, the diff is one: nothing where nothing changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "MOST_PAIRS", most)
        told = unified(old, new, "x")
    assert bool(told) == (old != new)
    assert patched(old, told) == new


def test_lines_that_stand_alone_hold_a_long_text_together() -> None:
    """Of a long text in which every tenth line was edited those lines are told, and what stands around them."""
    old = [f"line {number}" for number in range(20_000)]
    new = [f"{line}, edited" if number % 10 == 0 else line for number, line in enumerate(old)]
    told = unified(old, new, "x")
    assert len([line for line in told[2:] if line[0] in "+-"]) == 4000
    assert patched(old, told) == new
