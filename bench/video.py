"""How fast the real video stages are, and what the pictures cost beside two yardsticks."""

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
_NOTHING = Used(0.0, 0.0, 0.0, "")
SCENES = 4
"""moviepy takes about five seconds for one of video."""


@dataclass(frozen=True)
class Pictures:
    """The same scenes by our stage and by the encoder alone, one right after the other."""

    playing: float
    """Seconds of video."""
    ours: Used
    ready: Used
    """In as many processes as the stage has."""
    alone: Used
    """In one process, the other processors idle."""

    @property
    def above(self) -> float:
        return self.ours.cpu_seconds / self.ready.cpu_seconds

    @property
    def above_one(self) -> float:
        return self.ours.cpu_seconds / self.alone.cpu_seconds

    def rows(self, of: str) -> list[str]:
        return [
            _row(f"{of}: stage animatics, drawn and encoded", self.playing, self.ours),
            _row(f"{of}: ready-made frames, encoded only, as many processes", self.playing, self.ready),
            _row(f"{of}: ready-made frames, encoded only, one process", self.playing, self.alone),
        ]


@dataclass(frozen=True)
class Goals:
    """What issue and promise ask for."""

    speed: float = 3.0
    """Seconds of video drawn and encoded in a second, on two cores."""
    ready: float = 1.3
    """CPU for the whole video, in that of encoding ready-made frames in as many processes."""
    peer: float = 8.0
    """moviepy's CPU, in ours."""
    mib: float = 700.0


def table(root: Path) -> str:
    """Make the example's video stage by stage, its pictures in two ways, and some of its scenes in three."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"This needs {', '.join(missing)}: install the extra `video`."
    made = root / "video"
    (made / "sources").mkdir(parents=True)
    shutil.copy(CHECKOUT / "examples/inotify.md", made / "sources/inotify.md")
    costs: dict[str, Used] = {}
    encoded: tuple[Used, Used] = (_NOTHING, _NOTHING)
    for stage in STAGES:
        costs[stage] = _stage(stage, made)
        if stage == "animatics":  # at once: what runs minutes apart cannot be compared
            encoded = _both(made)
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
        *_yardsticks(root, made, Pictures(playing, costs["animatics"], *encoded)),
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


def _both(run_dir: Path) -> tuple[Used, Used]:
    """What it takes to encode the frames alone, in as many processes as the stage has, and in one."""
    return _ready(run_dir), _ready(run_dir, "1")


def _ready(run_dir: Path, *processes: str) -> Used:
    print("bench: ready-made frames", file=sys.stderr, flush=True)
    told = json.loads(run([sys.executable, "-m", "bench.ready", run_dir, *processes], CHECKOUT).output)
    return Used(told["seconds"], told["cpu_seconds"], 0.0, "")


def _yardsticks(root: Path, made: Path, whole: Pictures) -> list[str]:
    """The pictures of the whole video and of some scenes by our stage and the encoder alone; those also by moviepy."""
    few = Pictures(_some_scenes(made, root / "few"), _stage("animatics", root / "few"), *_both(root / "few"))
    print("bench: moviepy", file=sys.stderr, flush=True)
    scenes = root / "few/scenes.json"
    retold.write(root / "few", scenes)
    script = CHECKOUT / "bench/peers/with_moviepy.py"
    peer = run([python_of(MOVIEPY), script, scenes, root / "few/moviepy.mp4"], CHECKOUT)
    goals = Goals()
    speed, below = whole.playing / whole.ours.seconds, peer.cpu_seconds / few.ours.cpu_seconds
    return [
        f"Pictures only, the whole video ({whole.playing:.1f} s) and {SCENES} of its scenes ({few.playing:.1f} s):",
        "",
        "| | seconds | seconds of video a second | CPU seconds | peak MiB |",
        "|---|---|---|---|---|",
        *whole.rows("whole"),
        *few.rows(f"{SCENES} scenes"),
        _row(f"{SCENES} scenes: moviepy", few.playing, peer),
        "",
        "| | measured | goal |",
        "|---|---|---|",
        f"| whole, drawn and encoded, times as fast as it plays | {speed:.1f} | at least {goals.speed:g} |",
        f"| whole, CPU, times that of ready-made frames | {whole.above:.2f} | at most {goals.ready:g} |",
        f"| whole, CPU, times that of ready-made frames in one process | {whole.above_one:.2f} | |",
        f"| {SCENES} scenes, CPU, times that of ready-made frames | {few.above:.2f} | |",
        f"| {SCENES} scenes, CPU of moviepy, times ours | {below:.1f} | at least {goals.peer:g} |",
        f"| peak MiB of the stage | {whole.ours.peak_mib:.0f} | at most {goals.mib:g} |",
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
