"""Loudness, limiting and alignment, against signals whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages import sound
from stages.align import aligned, recorded_speech
from stages.contract import StageError
from stages.voice import Speech, speak

pytestmark = pytest.mark.video


def tone(decibels: float, hertz: float = 997.0, seconds: float = 3.0) -> sound.Sound:
    time = np.arange(round(seconds * sound.RATE)) / sound.RATE
    return (10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_a_tone_measures_as_the_standard_says() -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS has -23.0 LUFS (+-0.1)."""
    measured = sound.measure(sound.stereo(tone(-23.0, 1000.0, 20.0)))
    assert measured.lufs == pytest.approx(-23.0, abs=0.1)
    assert measured.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)


def test_peaks_between_samples_are_seen() -> None:
    """A sine at a quarter of the rate, 45 degrees off, has samples 3 dB below its true peak."""
    samples = (0.9 * np.sin(np.pi / 2 * np.arange(96_000) + np.pi / 4)).astype(np.float32)
    samples[:2000] *= np.linspace(0, 1, 2000, dtype=np.float32)
    samples[-2000:] *= np.linspace(1, 0, 2000, dtype=np.float32)
    assert 20 * np.log10(np.abs(samples).max()) < -3.5
    assert sound.measure(sound.stereo(samples)).true_peak_dbtp == pytest.approx(-0.92, abs=0.3)


def test_silence_is_far_below_everything() -> None:
    measured = sound.measure(np.zeros((2, 48_000), np.float32))
    assert measured.lufs < -100
    assert measured.true_peak_dbtp < -100


def test_measuring_one_channel_is_refused() -> None:
    """Mono read as mono is 3 dB lower than what is heard in stereo."""
    with pytest.raises(ValueError, match="samples"):
        sound.measure(np.zeros((1, 48_000), np.float32))


def test_speech_is_levelled_with_room_for_the_encoder() -> None:
    """At -16 LUFS within 0.1, true peaks at most -2 dBTP (0.1 for the last resampling)."""
    speech = speak("The kernel already knows, so a better way is to ask the kernel.")
    loud = sound.levelled(sound.resampled(speech.samples, speech.rate))
    measured = sound.measure(sound.stereo(loud))
    assert measured.lufs == pytest.approx(-16.0, abs=0.1)
    assert measured.true_peak_dbtp <= sound.CEILING_DBTP + 0.1


def test_the_limiter_keeps_time_and_length() -> None:
    """What is below the ceiling passes unmoved; what is above is held."""
    soft = tone(-20.0)
    kept = sound.limited(soft, -2.0)
    assert len(kept) == len(soft)
    assert np.abs(kept[4800:-4800] - soft[4800:-4800]).max() < 0.01
    held = sound.limited(tone(+6.0), -2.0)
    assert sound.measure(sound.stereo(held)).true_peak_dbtp <= -1.9


def test_mp3_comes_back_in_place(tmp_path: Path) -> None:
    """No encoder delay and no padding: nothing moved, and at most a millisecond of it left at the end.

    The voice differs a little from processor to processor, and with it the length: where under 48 samples of
    padding fill the last frame, the decoder does not cut them off.
    """
    speech = speak("Watch the folder, then read the file once.")
    mono = sound.levelled(sound.resampled(speech.samples, speech.rate))
    sound.write_mp3(tmp_path / "voice.mp3", sound.stereo(mono))
    back = sound.read(tmp_path / "voice.mp3")
    assert len(back) == 2
    assert 0 <= back.shape[1] - len(mono) < 48
    window = slice(24_000, 72_000)
    lags = range(-1500, 1501, 5)
    best = max(lags, key=lambda lag: float(mono[window] @ back[0][window.start + lag : window.stop + lag]))
    assert abs(best) <= 5


def test_a_file_that_is_no_sound_says_so(tmp_path: Path) -> None:
    (tmp_path / "scene_000.wav").write_bytes(b"not a wave file at all")
    with pytest.raises(StageError, match=r"scene_000\.wav"):
        sound.read(tmp_path / "scene_000.wav")


def test_a_recording_gets_the_times_of_its_words() -> None:
    """The same words, slower: half of them are found within 30 ms, and each within 100 ms."""
    reference = speak("Ships came slowly, carrying salt, timber, and letters from the north.")
    factor = 1.2
    at = np.arange(round(len(reference.samples) * factor)) / factor
    slow = np.interp(at, np.arange(len(reference.samples)), reference.samples).astype(np.float32)
    found = aligned(slow, reference.rate, reference)
    off = [abs(one.start - other.start * factor) for one, other in zip(found, reference.words, strict=True)]
    assert float(np.median(off)) < 0.03
    assert max(off) < 0.1


def test_silence_around_a_recording_is_cut() -> None:
    reference = speak("The kernel already knows.")
    silence = np.zeros(reference.rate, np.float32)
    recording = np.concatenate([silence, reference.samples, silence])
    speech = recorded_speech(recording, reference.rate, reference)
    assert speech.seconds == pytest.approx(reference.seconds, abs=0.1)
    assert speech.words[-1].start == pytest.approx(reference.words[-1].start, abs=0.06)


def test_a_silent_recording_has_no_words() -> None:
    reference = Speech(np.ones(24_000, np.float32), 24_000, speak("Yes.").words)
    assert recorded_speech(np.zeros(24_000, np.float32), 24_000, reference).words == ()
