"""Silent clips that can be joined by copying packets: every one is encoded with the same fixed settings."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

import av

from stages.contract import StageError

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = {
    "preset": "veryfast",
    "crf": "22",
    "profile": "high",
    # One thread: with more, the bytes would depend on the machine; scenes are what runs in parallel.
    "threads": "1",
    # No B-frames and closed groups: packets of one clip can follow those of another.
    "bf": "0",
    "sc_threshold": "0",
    "x264-params": (
        "open-gop=0:scenecut=0:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"
        # Flat drawings: 1.8 times as fast as the bare preset, text sharper, files twice as large (measured).
        ":rc-lookahead=0:sync-lookahead=0:mbtree=0:weightp=0:ref=1:mixed-refs=0"
        ":subme=1:me=dia:trellis=0:partitions=none:aq-mode=0"
    ),
}
KEY_SECONDS = 4


class Clip:
    """A file that frames (yuv420p) are encoded into; the two digests are kept in it."""

    def __init__(
        self, path: Path, size: tuple[int, int], fps: int, made_of: str = "", times: str = ""
    ) -> None:
        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags"})
        self._file.metadata["made_of"] = made_of
        self._file.metadata["times"] = times
        self._stream = self._file.add_stream("libx264", rate=fps, options=dict(OPTIONS))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = fps * KEY_SECONDS
        self._unit = Fraction(1, fps)
        self._stream.time_base = self._stream.codec_context.time_base = self._unit
        self.frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, frame: Any) -> None:
        frame.pts, frame.time_base = self.frames, self._unit
        self._file.mux(self._stream.encode(frame))
        self.frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._file.mux(self._stream.encode(None))


def made_of(path: Path) -> str:
    """What a clip says it was made of; empty if it is no whole clip of ours."""
    return _said(path, "made_of")


def times_in(path: Path) -> str:
    """The digest of the times that a clip follows (``placing.times_of``); empty if it does not say."""
    return _said(path, "times")


def _said(path: Path, name: str) -> str:
    try:
        with av.open(str(path)) as container:
            return str(container.metadata.get(name, ""))
    except (av.FFmpegError, OSError):
        return ""


def check_size(width: int, height: int) -> None:
    """H.264 in 4:2:0 has no odd sizes."""
    if width % 2 or height % 2 or min(width, height) < 64:
        raise StageError(
            f"storyboard.json asks for {width}x{height}; width and height must be even and at least 64",
            "correct width and height in storyboard.json, for example to 1920 and 1080",
        )
