"""Voices that are commands on this machine: espeak-ng and flite, their words timed by alignment."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

from stages.contract import StageError
from stages.voice import Samples, Speech, SpokenWord

COMMANDS = {
    "espeak-ng": ("espeak-ng", "-s", "150", "-f", "{text}", "-w", "{wav}"),
    "flite": ("flite", "-voice", "slt", "-f", "{text}", "-o", "{wav}"),
}


class CommandVoice:
    """A program that reads a text file and writes a WAV file."""

    def __init__(self, name: str) -> None:
        self._command = COMMANDS[name]
        if shutil.which(name) is None:
            raise StageError(f"the voice {name} is not installed", hint=f"apt install {name}")

    def speak(self, text: str) -> Speech:
        """Say it in one go."""
        with tempfile.TemporaryDirectory() as folder:
            source, wav = Path(folder, "text"), Path(folder, "wav")
            source.write_text(text + "\n", encoding="utf-8")
            command = [part.format(text=source, wav=wav) for part in self._command]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode or not wav.exists():
                raise StageError(
                    f"{command[0]} could not speak: {done.stderr.strip()[:300]}", hint="try another voice"
                )
            samples, rate = read_wav(wav)
        return timed(samples, rate, text)


def read_wav(path: Path) -> tuple[Samples, int]:
    """Mono 16 bit, as these programs write it."""
    with wave.open(str(path)) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (values / np.float32(32768)).astype(np.float32), file.getframerate()


def timed(samples: Samples, rate: int, text: str) -> Speech:
    """With word times from the built-in voice, or by the letters where that is not installed."""
    from stages.align import recorded_speech

    try:
        from stages.voice_hibari import HibariVoice

        reference = HibariVoice().speak(text)
    except ModuleNotFoundError:
        reference = Speech(samples, rate, by_letters(text, len(samples) / rate))
    return recorded_speech(samples, rate, reference)


def by_letters(text: str, seconds: float) -> tuple[SpokenWord, ...]:
    """A guess: every word takes as long as it has letters."""
    words = text.split()
    ends = np.cumsum([len(word) + 1 for word in words])
    times = [0.0, *(float(end) / float(ends[-1]) * seconds for end in ends)]
    return tuple(
        SpokenWord(word, start, end) for word, start, end in zip(words, times, times[1:], strict=False)
    )
