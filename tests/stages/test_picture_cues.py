"""Caption cues: short lines, right order, no overlap, nothing lost."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from stages.cues import COLUMNS, cues
from stages.scenes import Word

TEXT = (
    "The kernel keeps a queue of events for every watch, and when it is full it drops what comes next. "
    "So a bell is a hint. A folder, once it is read again from its beginning to its end, is the truth; "
    "whatever a watcher says is only a reason to look again at https://example.org/a/very/long/path/that/no/line/could/hold/whole."
)


def spoken(text: str, seconds: float = 0.3, gap: float = 0.05) -> list[Word]:
    step = seconds + gap
    return [Word(text=t, start=i * step, end=i * step + seconds) for i, t in enumerate(text.split())]


def test_lines_are_at_most_two_of_42_characters() -> None:
    """No cue has more than two lines, no line more than 42 characters, not even with a long address in it."""
    for cue in cues(spoken(TEXT)):
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= COLUMNS for line in cue.lines)


def test_every_word_is_shown_once_in_order() -> None:
    """Read in order, the cues say exactly what the words say."""
    shown = "".join(line for cue in cues(spoken(TEXT)) for line in cue.lines).replace(" ", "")
    assert shown == TEXT.replace(" ", "")


def test_cues_do_not_overlap_even_if_words_do() -> None:
    """Whatever the times of the words, a cue ends before or when the next begins."""
    dice = random.Random(7)
    words = [
        Word(
            text="w" * dice.randint(1, 60) + dice.choice(["", ",", "."]),
            start=(s := dice.uniform(0, 30)),
            end=s + 1,
        )
        for _ in range(300)
    ]
    made = cues(sorted(words, key=lambda word: word.start))
    assert all(first.end <= second.start for first, second in pairwise(made))
    assert all(cue.start <= cue.end for cue in made)


def test_a_cue_lasts_until_its_last_word_is_spoken() -> None:
    """A cue is there from its first word to the end of its last."""
    for cue in cues(spoken(TEXT)):
        assert cue.start == cue.words[0].start
        assert cue.end >= cue.words[-1].end


def test_sentences_and_pauses_end_a_cue() -> None:
    """Two short sentences are two cues, and so are words with a silence between them."""
    assert [cue.text for cue in cues(spoken("It rings. You look."))] == ["It rings.", "You look."]
    early, late = Word(text="wait", start=0, end=0.3), Word(text="now", start=2, end=2.3)
    assert [cue.text for cue in cues([early, late])] == ["wait", "now"]


def test_no_cue_lingers_past_the_scene() -> None:
    """With ``until`` the last cue ends with the scene."""
    assert cues(spoken("It rings."), until=0.7)[-1].end == pytest.approx(0.7)


def test_no_words_are_no_cues() -> None:
    """An empty narration has no captions."""
    assert cues([]) == []
    assert cues([Word(text="  ", start=0, end=1)]) == []
