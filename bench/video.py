"""How fast the real video stages are, and what they cost beside two yardsticks on the same scenes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from bench import retold
from bench.measured import Used, run
from bench.peers.environments import Peer, python_of
from bench.subjects import CHECKOUT

_NEEDED = ("av", "skia", "numpy", "onnxruntime")
MOVIEPY = Peer("moviepy 2", "with_moviepy", ("moviepy==2.2.1",), "yes", approves=False)
STAGES = (
    "outline", "research", "script", "storyboard", "assets", "animatics", "audio", "assemble", "acceptance",
)  # fmt: skip
SCENES = 4
"""moviepy takes about five seconds for one of video."""


@dataclass(frozen=True)
class Goals:
    """What issue and promise ask for."""

    speed: float = 3.0
    """Seconds of video drawn and encoded in a second, on two cores."""
    ready: float = 1.3
    """CPU, in that of encoding ready-made frames."""
    peer: float = 8.0
    """moviepy's CPU, in ours."""
    mib: float = 700.0


def table(root: Path) -> str:
    """Make the example's video stage by stage, then some of its scenes in three ways."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"This needs {', '.join(missing)}: install the extra `video`."
    made = root / "video"
    (made / "sources").mkdir(parents=True)
    shutil.copy(CHECKOUT / "examples/inotify.md", made / "sources/inotify.md")
    costs = {stage: _stage(stage, made) for stage in STAGES}
    playing = _seconds_of(made / "video.mp4")
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {MOVIEPY.packages[0]}, "
        f"load average {os.getloadavg()[0]:.2f}"
    )
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `python -m bench video`, {machine}",
        "",
        *_stages(costs, playing),
        "",
        *_yardsticks(root, made),
    ]
    return "\n".join(lines)


def _stage(stage: str, run_dir: Path) -> Used:
    print(f"bench: {stage}", file=sys.stderr, flush=True)
    params = {"minutes": 1.5, "audience": "backend engineers", "sources": ["inotify.md"]}
    intent = "Explain how inotify works to a backend engineer"
    asked = ["--run", str(run_dir), "--params", json.dumps(params), "--intent", intent]
    return run([sys.executable, "-m", "stages.alone", f"stages.{stage}", *asked], CHECKOUT)


def _stages(costs: dict[str, Used], playing: float) -> list[str]:
    lines = [
        f"{playing:.1f} s of video, 1920x1080 at 30, each stage a process of its own:",
        "",
        "| stage | seconds | seconds of video a second | CPU seconds | peak MiB |",
        "|---|---|---|---|---|",
    ]
    total = Used(
        sum(cost.seconds for cost in costs.values()), sum(cost.cpu_seconds for cost in costs.values()),
        max(cost.peak_mib for cost in costs.values()), "",
    )  # fmt: skip
    for stage, cost in (*costs.items(), ("all", total)):
        lines.append(_row(stage, playing, cost))
    return lines


def _row(name: str, playing: float, cost: Used) -> str:
    memory = f"{cost.peak_mib:.0f}" if cost.peak_mib else ""
    speed = playing / cost.seconds
    return f"| {name} | {cost.seconds:.2f} | {speed:.1f} | {cost.cpu_seconds:.2f} | {memory} |"


def _yardsticks(root: Path, made: Path) -> list[str]:
    """Some scenes by our stage, by the encoder alone, and by moviepy."""
    few = root / "few"
    playing = _some_scenes(made, few)
    ours = _stage("animatics", few)
    print("bench: ready-made frames", file=sys.stderr, flush=True)
    told = json.loads(run([sys.executable, "-m", "bench.ready", few], CHECKOUT).output)
    ready = Used(told["seconds"], told["cpu_seconds"], 0.0, "")
    print("bench: moviepy", file=sys.stderr, flush=True)
    retold.write(few, few / "scenes.json")
    script = CHECKOUT / "bench/peers/with_moviepy.py"
    peer = run([python_of(MOVIEPY), script, few / "scenes.json", few / "moviepy.mp4"], CHECKOUT)
    goals = Goals()
    speed, above, below = (
        playing / ours.seconds, ours.cpu_seconds / ready.cpu_seconds, peer.cpu_seconds / ours.cpu_seconds,
    )  # fmt: skip
    return [
        f"{SCENES} of its scenes ({playing:.1f} s), pictures only:",
        "",
        "| | seconds | seconds of video a second | CPU seconds | peak MiB |",
        "|---|---|---|---|---|",
        _row("stage animatics: drawn and encoded", playing, ours),
        _row("ready-made frames, encoded only, one process", playing, ready),
        _row("moviepy", playing, peer),
        "",
        "| | measured | goal |",
        "|---|---|---|",
        f"| drawn and encoded, times as fast as it plays | {speed:.1f} | at least {goals.speed:g} |",
        f"| CPU, times that of ready-made frames | {above:.2f} | at most {goals.ready:g} |",
        f"| CPU of moviepy, times ours | {below:.1f} | at least {goals.peer:g} |",
        f"| peak MiB of the stage | {ours.peak_mib:.0f} | at most {goals.mib:g} |",
    ]


def _some_scenes(made: Path, few: Path) -> float:
    """A storyboard of some scenes, the shortest of as many layouts as there are; gives its seconds."""
    few.mkdir()
    board = json.loads((made / "storyboard.json").read_text(encoding="utf-8"))
    shortest = sorted(board["scenes"], key=lambda scene: float(scene["seconds"]))
    by_layout: dict[str, str] = {}
    for scene in shortest:
        by_layout.setdefault(scene["content"]["layout"], scene["id"])
    chosen = list(dict.fromkeys([*by_layout.values(), *(scene["id"] for scene in shortest)]))[:SCENES]
    board["scenes"] = [scene for scene in board["scenes"] if scene["id"] in chosen]
    for number, scene in enumerate(board["scenes"]):
        scene["id"] = f"scene_{number:03d}"
    (few / "storyboard.json").write_text(json.dumps(board), encoding="utf-8")
    return float(sum(scene["seconds"] for scene in board["scenes"]))


def _seconds_of(path: Path) -> float:
    import av

    with av.open(str(path)) as film:
        return float(film.duration or 0) / 1_000_000
