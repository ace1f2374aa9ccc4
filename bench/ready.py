"""The yardstick below us: encode frames that are ready, by our own ``Clip``, and do nothing else.

``python -m bench.ready RUN`` draws the scenes of RUN/storyboard.json a second at a time, which does not count,
keeps copies of the frames, and then encodes them, which does. They are the stage's own frames, and the encoder
has its settings, one thread among them; no file is read and no process started meanwhile.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av

from stages import animatics, clips, placing, theme
from stages.shot import order


def main(run_dir: Path) -> None:
    """Print frames, seconds and CPU seconds as JSON."""
    board = placing.spoken_board(run_dir)
    frames, seconds, busy = 0, 0.0, 0.0
    for index in range(len(board.scenes)):
        wanted = order(board, index, theme.load("midnight"))
        drawn = animatics.frames(wanted)
        with (
            tempfile.NamedTemporaryFile(suffix=".mp4") as target,
            clips.Clip(Path(target.name), wanted.size, wanted.fps) as clip,
        ):
            while chunk := list(_copies(islice(drawn, wanted.fps))):
                began, spent = time.monotonic(), time.process_time()
                for frame in chunk:
                    clip.add(frame)
                seconds, busy = seconds + time.monotonic() - began, busy + time.process_time() - spent
                frames += len(chunk)
            began, spent = time.monotonic(), time.process_time()
            clip.finish()
            seconds, busy = seconds + time.monotonic() - began, busy + time.process_time() - spent
    print(json.dumps({"frames": frames, "seconds": seconds, "cpu_seconds": busy}))


def _copies(frames: Iterator[Any]) -> Iterator[Any]:
    """Our drawing keeps one frame and changes it: each of these is one of its own."""
    for frame in frames:
        copy = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
        copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
        yield copy


if __name__ == "__main__":
    main(Path(sys.argv[1]))
