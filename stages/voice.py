"""A voice: text in, samples and the time of every word out, the same each time.

Which voice is decided once, by the stage storyboard: the request's ``params.voice``, else ``SPORK_VOICE``,
else the built-in one. The script was rehearsed with the same; it stands in ``storyboard.json``, and every later stage
keeps to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

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


BUILT_IN = "hibari"


def speak(text: str, voice: str = "") -> Speech:
    """Say ``text`` with that voice, or the default one; StageError if it is not there."""
    if not text.split():
        return Speech(np.zeros(0, np.float32), 24_000, ())
    return chosen(voice or default_voice()).speak(text)


def default_voice() -> str:
    """The voice that speaks where a request names none."""
    return os.environ.get("SPORK_VOICE") or BUILT_IN


def voice_asked(params: Mapping[str, Any]) -> str:
    """The voice that a request names, else the default one."""
    return str(params.get("voice") or default_voice())


@lru_cache(maxsize=4)
def chosen(name: str) -> Voice:
    """The voice of that name, loaded once a process."""
    if name == BUILT_IN:
        from stages.voice_hibari import HibariVoice

        return HibariVoice()
    from stages.voice_commands import COMMANDS, CommandVoice

    if name in COMMANDS:
        return CommandVoice(name)
    known = ", ".join((BUILT_IN, *COMMANDS))
    raise StageError(
        f"no voice is called {name!r}",
        hint=f"correct params.voice, SPORK_VOICE or voice in storyboard.json to one of: {known}",
    )
