"""A voice: text in, samples and the time of every word out, the same each time.

``speak`` uses the built-in voice unless ``SPORK_VOICE`` names one that is installed
(``espeak-ng`` or ``flite``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.contract import StageError

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class SpokenWord:
    """One word of the text and when it is heard, in seconds from the start of the speech."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech that begins with its first sound and ends with its last."""

    samples: Samples
    """Mono, -1 to 1."""
    rate: int
    words: tuple[SpokenWord, ...]
    """One for each ``text.split()``, in order, never overlapping."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class Voice(Protocol):
    """What a voice can do."""

    def speak(self, text: str) -> Speech:
        """Say ``text``; the same text gives the same samples."""


def speak(text: str) -> Speech:
    """Say ``text`` with the voice that is chosen; StageError if that voice is not there."""
    if not text.split():
        return Speech(np.zeros(0, np.float32), 24_000, ())
    return chosen(os.environ.get("SPORK_VOICE") or "hibari").speak(text)


@lru_cache(maxsize=4)
def chosen(name: str) -> Voice:
    """The voice of that name, loaded once a process."""
    if name == "hibari":
        from stages.voice_hibari import HibariVoice

        return HibariVoice()
    from stages.voice_commands import COMMANDS, CommandVoice

    if name in COMMANDS:
        return CommandVoice(name)
    known = ", ".join(("hibari", *COMMANDS))
    raise StageError(f"no voice is called {name!r} (SPORK_VOICE)", hint=f"use one of: {known}")
