"""The yardstick below us: encode frames that are ready, by our own ``Clip``, and do nothing else.

``python -m bench.ready RUN [PROCESSES]`` draws the scenes of RUN/storyboard.json a second at a time, which does not
count, keeps copies of the frames, and then encodes them, which does. They are the stage's own frames, the encoder has
its settings, one thread among them, and unless told otherwise as many processes as the stage has share the scenes in
its order: what one processor does costs the other some of the memory they both use.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av

from stages import animatics, clips, placing, theme
from stages.sharing import Wanted, share
from stages.shot import Order, order


def main(run_dir: Path, processes: int = 0) -> None:
    """Print processes, frames, seconds (of the process that took longest) and CPU seconds as JSON."""
    board, look = placing.spoken_board(run_dir), theme.load("midnight")
    orders = animatics.longest_first([order(board, index, look) for index in range(len(board.scenes))])
    processes = processes or animatics.processes_for(orders)
    with tempfile.TemporaryDirectory() as folder:
        files = [(Path(folder) / f"{each.scene.id}.json", each) for each in orders]
        share(Wanted(files, encode), processes, lambda _steps, _done: None)
        told = [json.loads(path.read_text(encoding="utf-8")) for path, _ in files]
    seconds: Counter[int] = Counter()
    for each in told:
        seconds[each["process"]] += each["seconds"]
    facts = {
        "processes": processes,
        "frames": sum(each["frames"] for each in told),
        "seconds": max(seconds.values()),
        "cpu_seconds": sum(each["cpu_seconds"] for each in told),
    }
    print(json.dumps(facts))


def encode(path: Path, wanted: Order, drew: Callable[[], None]) -> None:
    """Encode the frames of one scene, and write to ``path`` what that alone took."""
    drawn, frames, seconds, busy = animatics.frames(wanted), 0, 0.0, 0.0
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
            drew()
        began, spent = time.monotonic(), time.process_time()
        clip.finish()
        seconds, busy = seconds + time.monotonic() - began, busy + time.process_time() - spent
    facts = {"process": os.getpid(), "frames": frames, "seconds": seconds, "cpu_seconds": busy}
    path.write_text(json.dumps(facts), encoding="utf-8")


def _copies(frames: Iterator[Any]) -> Iterator[Any]:
    """Our drawing keeps one frame and changes it: each of these is one of its own."""
    for frame in frames:
        copy = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
        copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
        yield copy


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
