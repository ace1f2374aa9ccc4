"""Watch the whole video once: its streams, and ten small pictures a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.contract import StageError

SAMPLES_PER_SECOND = 10
BLOCK = 16
"""Pixels; the small pictures are the mean luma of blocks this large."""
CHANGED_LUMA = 2.5
"""Levels of 256 by which a block must differ to have changed."""


@dataclass(frozen=True, eq=False)
class Film:
    """What was decoded, not what the header promises."""

    path: Path
    video_codec: str
    audio_codec: str
    width: int
    height: int
    fps: float
    pixel_format: str
    frames: int
    header_seconds: float
    fast_start: bool
    broken: str
    """Why decoding ended early; empty if it did not."""
    chapters: tuple[tuple[float, str], ...]
    """When each chapter begins, in seconds, and its title."""
    times: NDArray[np.float64]
    """When each small picture is shown."""
    brightest: NDArray[np.float64]
    """The luma that only a thousandth of the picture exceeds: text on black counts as light."""
    small: NDArray[np.uint8]
    """(pictures, rows, columns)."""

    @property
    def seconds(self) -> float:
        return self.frames / self.fps if self.fps else 0.0

    def changed(self, one: int, other: int) -> float:
        """The share of blocks that differ between two of the small pictures."""
        difference = self.small[one].astype(np.float32) - self.small[other]
        return float(np.mean(np.abs(difference) > CHANGED_LUMA))

    def at(self, seconds: float) -> int:
        """The small picture shown at that time."""
        return max(int(np.searchsorted(self.times, seconds + 1e-6, "right")) - 1, 0)


def watch(path: Path, look: Callable[[float, Any], None]) -> Film:
    """Decode every frame and let ``look`` see it; StageError if there is no video in it at all."""
    import av

    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise StageError("there is no video stream in it")
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            audio = file.streams.audio[0].codec_context.name if file.streams.audio else ""
            fps = float(stream.average_rate or 0)
            step = max(round(fps / SAMPLES_PER_SECOND), 1)
            frames, broken, samples = 0, "", []
            decoded = _until_broken(file.decode(stream))
            for frame in decoded:
                if isinstance(frame, str):
                    broken = frame
                    break
                time = frames / fps if fps else 0.0
                look(time, frame)
                if frames % step == 0:
                    samples.append((time, *_small(frame)))
                frames += 1
            return Film(
                path, stream.codec_context.name, audio, stream.width, stream.height, fps,
                str(stream.pix_fmt), frames, float((stream.duration or 0) * (stream.time_base or 0)),
                _fast_start(path), broken, _chapters(file),
                np.array([time for time, _, _ in samples]), np.array([light for _, light, _ in samples]),
                np.array([picture for _, _, picture in samples], np.uint8),
            )  # fmt: skip
    except (av.FFmpegError, OSError) as error:
        raise StageError(f"it cannot be opened as a video: {error}") from error


def _chapters(file: Any) -> tuple[tuple[float, str], ...]:
    return tuple(
        (float(chapter["start"] * chapter["time_base"]), str(chapter["metadata"].get("title", "")))
        for chapter in file.chapters()
    )


def _until_broken(frames: Iterator[Any]) -> Iterator[Any]:
    """The frames, and at a fault its message instead of an exception."""
    import av

    try:
        yield from frames
    except av.FFmpegError as error:
        yield str(error)


def _small(frame: Any) -> tuple[float, NDArray[np.uint8]]:
    plane = frame.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height : 2, : frame.width : 2]
    rows, columns = luma.shape[0] * 2 // BLOCK, luma.shape[1] * 2 // BLOCK
    side = BLOCK // 2
    blocks = luma[: rows * side, : columns * side].reshape(rows, side, columns, side)
    light = float(np.partition(luma.ravel(), -(luma.size // 1000) - 1)[-(luma.size // 1000) - 1])
    return light, blocks.mean(axis=(1, 3)).astype(np.uint8)


def _fast_start(path: Path) -> bool:
    """Whether the index (moov) comes before the media (mdat), so that playing can begin at once."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            if size < 8:
                return False
            file.seek(size - 8, 1)
    return False
