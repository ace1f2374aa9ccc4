"""How fast the real video stages are: seconds of video for each second of each stage."""

from __future__ import annotations

import json
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.subjects import CHECKOUT, Daemon, until

_NEEDED = ("av", "skia", "numpy", "onnxruntime")


def table(root: Path) -> str:
    """Make the example's video with every gate open, and tell each stage's share of the time."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"The video stages need {', '.join(missing)}: install the extra `video`."
    daemon = Daemon(root / "video")
    (daemon.root / "conf/operator.yaml").write_text(
        "gates: {script: {required: false}, storyboard: {required: false},"
        " assets: {required: false}, audio: {required: false}}\n"
    )
    shutil.copy(CHECKOUT / "conf/pipelines/video.yaml", daemon.root / "conf/pipelines/video.yaml")
    shutil.copy(CHECKOUT / "examples/inotify.md", daemon.root / "sources/inotify.md")
    daemon.start()
    try:
        began = time.monotonic()
        part = daemon.root / "inotify.part"
        part.write_bytes(b"id: inotify\n" + (CHECKOUT / "examples/inotify.yaml").read_bytes())
        part.rename(daemon.root / "inbox/inotify.yaml")
        state: dict[str, Any] = {}

        def over() -> bool:
            nonlocal state
            time.sleep(0.2)
            try:
                state = json.loads((daemon.root / "runs/inotify/state.json").read_text())
            except FileNotFoundError:
                return False
            return state["status"] in ("completed", "failed", "paused", "needs_approval")

        until(over, "the video", seconds=1800.0)
        elapsed = time.monotonic() - began
    finally:
        daemon.stop()
    return _rows(state, _seconds_of(daemon.root / "runs/inotify/video.mp4"), elapsed)


def _seconds_of(path: Path) -> float:
    import av

    with av.open(str(path)) as film:
        return float(film.duration or 0) / 1_000_000


def _rows(state: dict[str, Any], playing: float, elapsed: float) -> str:
    lines = [
        f"{playing:.1f} s of video in {elapsed:.1f} s; the job is {state['status']}.",
        "",
        "| stage | seconds | seconds of video a second |",
        "|---|---|---|",
    ]
    for stage in state["stages"]:
        rate = playing / stage["seconds"] if stage["seconds"] else 0.0
        lines.append(f"| {stage['name']} | {stage['seconds']:.2f} | {rate:.1f} |")
    busy = sum(stage["seconds"] for stage in state["stages"])
    lines.append(f"| all | {busy:.2f} | {playing / busy if busy else 0.0:.1f} |")
    if state.get("error"):
        print(f"bench: {state['error']}", file=sys.stderr)
    return "\n".join(lines)
