"""A quiet bed of the user's own music under the voice: looped, softer while somebody speaks, faded at both ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages import sound
from stages.activity import SLOT, speech_slots
from stages.contract import StageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stages.contract import Context

BELOW_VOICE_LU = 15.0
"""How much softer than the voice the music is where nobody speaks."""
DUCKED_DB = 9.0
"""By how much more it steps back while somebody speaks."""
BRIDGED = 1.2
"""Seconds; in shorter pauses the music stays down, so that it does not pump."""
BEFORE = 0.25
SLOPE = 0.6
"""Seconds that stepping back and coming up again take."""
FADE_IN, FADE_OUT = 0.8, 2.5
CROSSFADE = 2.0
SHORTEST = 1.0
LEADING_SILENCE = 20.0
"""Seconds that a file may be silent at first; more of a long file than the video needs is not read."""
QUIET = 10 ** (-50 / 20)


def asked(context: Context) -> Path | None:
    """The file that ``params.music`` names; None if it names none."""
    named = context.params.get("music") or ()
    name = str(next(iter([named] if isinstance(named, str) else named), ""))
    if not name:
        return None
    # The daemon may have kept only the last part of the name.
    for candidate in (context.sources / name, context.sources / Path(name).name):
        if candidate.is_file():
            return candidate
    raise StageError(f"the music {name} is not in {context.sources}", "put it beside the request")


def bed(music: Path, voice: sound.Sound) -> sound.Sound:
    """(2, samples): the music as it lies under ``voice``, as long as that. StageError if it is no music."""
    length = voice.shape[1]
    tune = _without_silence(sound.read(music, most=length / sound.RATE + LEADING_SILENCE))
    if tune.shape[1] < SHORTEST * sound.RATE:
        raise StageError(
            f"the music {music.name} is silent or shorter than {SHORTEST:g} s",
            "give another file in params.music",
        )
    loudness = sound.measure(tune).lufs
    gain = 10 ** ((sound.TARGET_LUFS - BELOW_VOICE_LU - loudness) / 20)
    return np.asarray(looped(tune, length) * (gain * envelope(voice)), np.float32)


def looped(tune: sound.Sound, length: int) -> sound.Sound:
    """The tune again and again, each end over the next beginning with equal power."""
    fade = min(round(CROSSFADE * sound.RATE), tune.shape[1] // 4)
    rising = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    found = np.zeros((2, length), np.float32)
    at = 0
    while at < length:
        part = tune.copy()
        if at:
            part[:, :fade] *= rising
        if at + part.shape[1] < length:
            part[:, -fade:] *= rising[::-1]
        room = found[:, at : at + part.shape[1]]
        room += part[:, : room.shape[1]]
        at += tune.shape[1] - fade
    return found


def envelope(voice: sound.Sound) -> NDArray[np.float32]:
    """The gain of the music for each sample: full where nobody speaks, ducked under speech, faded at the ends."""
    ducked = speech_slots(voice, round(BRIDGED / SLOT))
    ahead = round(BEFORE / SLOT)
    early = np.concatenate([ducked[ahead:], np.repeat(ducked[-1:], ahead)])[: len(ducked)]
    width = round(SLOPE / SLOT)
    window = np.hanning(width + 2)[1:-1]
    steps = np.pad((ducked | early).astype(np.float64), width, mode="edge")
    smooth = np.convolve(steps, window / window.sum(), mode="same")[width : width + len(ducked)]
    at = np.arange(voice.shape[1]) / sound.RATE
    decibels = (
        np.interp(at / SLOT - 0.5, np.arange(len(smooth)), smooth) * -DUCKED_DB if len(smooth) else at * 0
    )
    fades = np.minimum(np.minimum(at / FADE_IN, (at[-1] - at) / FADE_OUT), 1.0) if len(at) else at
    return np.asarray(10 ** (decibels / 20) * fades, np.float32)


def without(mix: sound.Sound, under: sound.Sound) -> sound.Sound:
    """``mix`` with the bed taken out again, by the gain at which it fits best: what is left is the voice."""
    length = min(mix.shape[1], under.shape[1])
    pairs = [(mix[channel, :length], under[channel, :length]) for channel in (0, 1)]
    power = sum(float(np.dot(other, other)) for _, other in pairs)
    gain = sum(float(np.dot(one, other)) for one, other in pairs) / power if power else 0.0
    left = mix.copy()
    left[:, :length] -= np.float32(gain) * under[:, :length]
    return left


def _without_silence(tune: sound.Sound) -> sound.Sound:
    loud = np.flatnonzero(np.abs(tune).max(axis=0, initial=0.0) > QUIET) if tune.size else np.zeros(0)
    return tune[:, int(loud[0]) : int(loud[-1]) + 1] if len(loud) else tune[:, :0]
