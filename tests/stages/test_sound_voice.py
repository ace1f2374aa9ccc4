"""The voice: every word of any text, when it is heard, the same each time."""

from __future__ import annotations

import shutil
from itertools import pairwise

import numpy as np
import pytest

from stages.contract import StageError
from stages.voice import Speech, chosen, speak
from stages.voice_words import clauses, sentences, written_groups

pytestmark = pytest.mark.video

ODD_TEXTS = [
    "Hi.",
    "—",
    "😀 hello 😀",
    "Größe und Überraschung — 日本語 text.",
    "See [hibari](/hibˈɑɹi/) now.",
    "on 2024-10-12 at 9:30am, 20°C; 5km! v1.2.3 ~/studio/inbox $3.2 billion",
    'line one\nline two\n\nline three. "Quoted." (Paren.) Dr. Smith of the U.S.A. went.',
    "Wait... what?!  Really?",
    "word " * 90,
    "x" * 320,
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: text[:12])
def test_no_word_is_lost_and_times_never_go_back(text: str) -> None:
    """One spoken word for each written one, in order, inside the speech, never overlapping."""
    speech = speak(text)
    assert [word.text for word in speech.words] == text.split()
    edges = [edge for word in speech.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= speech.seconds + 1e-6 for edge in edges)


def test_same_text_same_samples() -> None:
    """Deterministic to the bit, also when other things were said before."""
    once = speak("The kernel already knows.")
    speak("Something else in between.")
    again = speak("The kernel already knows.")
    assert np.array_equal(once.samples, again.samples)
    assert once.words == again.words


def test_nothing_to_say_is_no_sound() -> None:
    assert speak("  \n ").words == ()
    assert len(speak("").samples) == 0


def test_words_are_where_the_sound_is() -> None:
    """Between sentences it is silent, and each sentence's edges lie within 60 ms of what is heard."""
    speech = speak("Watch the folder for changes. Then read the file once. Nobody has to wait.")
    level = _level(speech)
    loud = np.flatnonzero(level > level.max() * 0.03)
    gaps = [(a + 1, b) for a, b in pairwise(loud) if b - a > 25]
    assert len(gaps) == 2
    ends = [word.end for word in speech.words if word.text.endswith(".")][:2]
    starts = [after.start for word, after in pairwise(speech.words) if word.text[-1] == "."]
    for (silent, loud_again), end, start in zip(gaps, ends, starts, strict=True):
        assert abs(end - silent / 100) < 0.06
        assert abs(start - loud_again / 100) < 0.06


def test_it_is_speech_and_no_tone() -> None:
    """Energy moves through the spectrum: no single band holds most of it, and syllables come and go."""
    speech = speak("When a program wants to know that a file has changed, it can look again and again.")
    power = np.abs(np.fft.rfft(speech.samples)) ** 2
    bands = [part.sum() for part in np.array_split(power[: len(power) // 3], 40)]
    assert max(bands) < 0.6 * sum(bands)
    level = _level(speech)
    swings = np.count_nonzero(np.diff((level > np.median(level)).astype(int)))
    assert swings > 20


def test_pace_is_comfortable() -> None:
    """Neither rushed nor dragged: between 130 and 185 words a minute with its pauses."""
    text = (
        "In the summer of that year the harbor was quiet. Ships came slowly, carrying salt, timber, and "
        "letters from the north. The old keeper climbed the tower every evening and lit the lamp."
    )
    speech = speak(text)
    assert 130 <= len(speech.words) * 60 / speech.seconds <= 185


def test_sentences_keep_titles_and_closing_quotes() -> None:
    assert sentences('Dr. Smith said "Go." (He left.) J. Doe stayed... here. Why?') == [
        'Dr. Smith said "Go."', "(He left.)", "J. Doe stayed... here.", "Why?",
    ]  # fmt: skip


def test_long_sentences_are_cut_after_commas_and_lose_nothing() -> None:
    sentence = ("one two three four five, " * 30).strip()
    pieces = clauses(sentence)
    assert " ".join(pieces) == sentence
    assert all(len(piece) <= 300 and piece.endswith(",") for piece in pieces)


def test_normalized_words_share_the_sounds() -> None:
    """ "5 km" is said as "5 kilometers": the written words keep their places."""
    groups = [("run", 0, 3), ("5", 4, 8), ("kilometers", 9, 19), ("now", 20, 23)]
    apart = [("run", 0, 3), ("5", 4, 8), ("km", 9, 19), ("now", 20, 23)]
    assert written_groups("run 5 km now", groups) == apart
    assert written_groups("run 5km now", groups) == [("run", 0, 3), ("5km", 4, 19), ("now", 20, 23)]


def test_unknown_voice_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPORK_VOICE", "hal9000")
    with pytest.raises(StageError, match="hal9000") as caught:
        speak("Hello.")
    assert "espeak-ng" in caught.value.hint


def test_a_voice_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    chosen.cache_clear()
    with pytest.raises(StageError, match="flite") as caught:
        chosen("flite")
    assert "apt install flite" in caught.value.hint
    chosen.cache_clear()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed here")
def test_an_installed_voice_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same interface, the same promise of words."""
    monkeypatch.setenv("SPORK_VOICE", "espeak-ng")
    speech = speak("The kernel already knows.")
    assert [word.text for word in speech.words] == ["The", "kernel", "already", "knows."]
    assert 0.8 < speech.words[-1].end <= speech.seconds < 4


def _level(speech: Speech) -> np.ndarray:
    step = speech.rate // 100
    frames = speech.samples[: len(speech.samples) // step * step].reshape(-1, step)
    level: np.ndarray = np.sqrt(np.mean(frames**2, axis=1))
    return level
