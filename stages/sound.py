"""Sound as arrays: read, measured, made loud enough, written. Always 48 kHz; stereo is (2, samples)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as chain_together
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.contract import StageError

Sound = NDArray[np.float32]
RATE = 48_000
TARGET_LUFS = -16.0
TRUE_PEAK_DBTP = -1.0
CEILING_DBTP = -2.0
"""What the limiter is set to: lossy encoders move peaks by up to a decibel."""
_BLOCK = RATE
_SILENT_DB = -120.0


@dataclass(frozen=True)
class Loudness:
    """ITU-R BS.1770-4, of the sound as stereo: integrated loudness and true peak."""

    lufs: float
    true_peak_dbtp: float


_STEADY_FRAME = 0.02
"""Seconds: shorter than a syllable, longer than a period of any voice."""


def ups_and_downs(mono: Sound, rate: int = RATE) -> float:
    """How many decibels lie between the soft and the loud moments of a sound: its level's 10th and 90th percentile."""
    size = round(_STEADY_FRAME * rate)
    frames = mono[: len(mono) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return 0.0
    soft, loud = np.percentile(10 * np.log10((frames**2).mean(axis=1) + 1e-12), [10, 90])
    return float(loud - soft)


def read(path: Path, most: float = math.inf) -> Sound:
    """The first audio stream of a file as (2, samples) at 48 kHz, up to ``most`` seconds; StageError if none."""
    import av

    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise StageError(f"{path.name} has no sound in it", hint="give a WAV, FLAC or MP3 file")
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
            frames = (frame for decoded in file.decode(audio=0) for frame in resampler.resample(decoded))
            blocks, length = [], 0
            for frame in frames:
                blocks.append(frame.to_ndarray())
                length += frame.samples
                if length >= most * RATE:
                    break
            else:
                blocks += [frame.to_ndarray() for frame in resampler.resample(None)]
    except (av.FFmpegError, OSError) as error:
        raise StageError(
            f"{path.name} cannot be read as sound: {error.strerror or error}",
            hint="give a WAV, FLAC or MP3 file that a player plays",
        ) from error
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)


def resampled(mono: Sound, rate: int) -> Sound:
    """One channel at 48 kHz."""
    return _filtered(mono[np.newaxis], rate, ("aresample", str(RATE)))[0] if len(mono) else mono


def stereo(mono: Sound) -> Sound:
    """Both channels alike; a view, which takes no memory."""
    return np.broadcast_to(mono, (2, len(mono)))


def measure(sound: Sound) -> Loudness:
    """Loudness and true peak of a stereo sound; -120 for silence.

    Measured as stereo: the same signal measured as mono reads 3 dB lower. The filter reports once in
    100 ms: silence behind the end lets its last report see everything, and does not count.
    """
    if sound.shape[0] != 2:
        raise ValueError(f"measure wants (2, samples), not {sound.shape}")
    reports = [
        dict(frame.metadata)
        for frame in _frames(sound, RATE, ("ebur128", "metadata=1:peak=true"), tail=RATE * 2 // 5)
        if "lavfi.r128.I" in frame.metadata
    ]
    lufs = float(reports[-1]["lavfi.r128.I"])
    peak = max(float(reports[-1][f"lavfi.r128.true_peaks_ch{channel}"]) for channel in (0, 1))
    return Loudness(lufs if lufs > -70 else _SILENT_DB, 20 * float(np.log10(max(peak, 1e-6))))


def levelled(mono: Sound, lufs: float = TARGET_LUFS, ceiling: float = CEILING_DBTP) -> Sound:
    """The sound at ``lufs`` as stereo, its true peaks held under ``ceiling`` by a look-ahead limiter."""
    gain = 0.0
    result = mono
    for _ in range(5):
        result = limited(mono * np.float32(10 ** (gain / 20)), ceiling)
        missing = lufs - measure(stereo(result)).lufs
        if abs(missing) < 0.05 or missing > 80:
            break
        gain += missing
    return result


def limited(sound: Sound, ceiling: float) -> Sound:
    """True peaks under ``ceiling``, of one channel or of both with one gain.

    Limited at four times the rate, where the peaks between samples show.
    """
    channels = np.atleast_2d(sound)
    limit = f"limit={10 ** (ceiling / 20):.6f}:level=0:attack=3:release=80:latency=1"
    chain = (("aresample", str(4 * RATE)), ("alimiter", limit), ("aresample", str(RATE)))
    length = channels.shape[1]
    result = _filtered(channels, RATE, *chain)[:, :length]
    return np.pad(result, ((0, 0), (0, length - result.shape[1]))).reshape(sound.shape)


def write_mp3(path: Path, sound: Sound, bit_rate: int = 192_000) -> None:
    """Stereo at 48 kHz, with the header that lets players cut the encoder's padding off again."""
    import av

    with av.open(str(path), "w", format="mp3") as file:
        stream = file.add_stream("libmp3lame", rate=RATE, layout="stereo", format="fltp")
        stream.bit_rate = bit_rate
        for packet in encoded(stream, sound):
            file.mux(packet)


def encoded(stream: Any, sound: Sound) -> Iterator[Any]:
    """The packets of ``sound`` from an audio stream that takes planar floats."""
    for frame in _blocks(sound, RATE):
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _filtered(sound: Sound, rate: int, *chain: tuple[str, str]) -> Sound:
    planar = ("aformat", "sample_fmts=fltp")
    frames = [frame.to_ndarray() for frame in _frames(sound, rate, *chain, planar)]
    return np.concatenate(frames, axis=1).astype(np.float32, copy=False)


def _frames(sound: Sound, rate: int, *chain: tuple[str, str], tail: int = 0) -> Iterator[Any]:
    """``sound``, and ``tail`` samples of silence, through a chain of filters, (name, arguments)."""
    import av
    import av.filter

    graph = av.filter.Graph()
    layout = "mono" if sound.shape[0] == 1 else "stereo"
    source = last = graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout)
    for name, arguments in (*chain, ("abuffersink", "")):
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    graph.configure()
    silence = np.zeros((sound.shape[0], tail), np.float32)
    for frame in chain_together(_blocks(sound, rate), _blocks(silence, rate, sound.shape[1]), (None,)):
        source.push(frame)
        while True:
            try:
                yield last.pull()
            except (av.BlockingIOError, av.EOFError):
                break


def _blocks(sound: Sound, rate: int, at: int = 0) -> Iterator[Any]:
    import av

    layout = "mono" if sound.shape[0] == 1 else "stereo"
    for start in range(0, sound.shape[1], _BLOCK):
        block = np.ascontiguousarray(sound[:, start : start + _BLOCK], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, at + start
        yield frame
