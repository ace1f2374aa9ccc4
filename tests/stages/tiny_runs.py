"""Run directories in miniature: real speech, pictures of 320x180 at ten frames a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from stages.contract import Context, Published
from stages.scenes import Scene, Statement, Storyboard, Word
from stages.spoken import narration, say
from stages.voice import speak

WIDTH, HEIGHT, FPS = 320, 180, 10
TEXTS = (
    "When a program wants to know that a file has changed, it can look again and again.",
    "The kernel already knows. So a better way is to ask the kernel.",
)
Painter = Callable[[int, float], Any]


def context(run_dir: Path, out_dir: Path, stage: str, artifacts: Sequence[Published] = ()) -> Context:
    out_dir.mkdir(parents=True, exist_ok=True)
    return Context(
        run_dir=run_dir, out_dir=out_dir, job_id="tiny", stage=stage, attempt=1, artifacts=artifacts
    )


def scene(number: int, text: str, lead: float = 0.3, tail: float = 0.4) -> Scene:
    said = say(text)
    speech = speak(narration(said))
    words, at = [], 0
    for group in said:
        first, last = speech.words[at], speech.words[at + len(group.words) - 1]
        at += len(group.words)
        words.append(
            Word(text=group.written, start=round(lead + first.start, 3), end=round(lead + last.end, 3))
        )
    return Scene(
        id=f"scene_{number:03d}",
        heading=f"Part {number}",
        content=Statement(text=text),
        narration=narration(said),
        words=words,
        seconds=round((lead + speech.seconds + tail) * FPS + 0.5) / FPS,
    )


def storyboard(texts: Sequence[str] = TEXTS) -> Storyboard:
    scenes = [scene(number, text) for number, text in enumerate(texts)]
    return Storyboard(title="Tiny", width=WIDTH, height=HEIGHT, fps=FPS, scenes=scenes)


def save(board: Storyboard, run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "storyboard.json").write_text(board.model_dump_json(by_alias=True), encoding="utf-8")


def moving(number: int, time: float) -> Any:
    """A dark picture with a light bar that never rests and white stripes where the plan has a text."""
    picture = np.full((HEIGHT, WIDTH, 3), (20 + 20 * number, 24, 40), np.uint8)
    left = int(time * 40) % (WIDTH - 60)
    picture[120:150, left : left + 48] = (90, 200, 250)
    picture[40:70:3, 40:200] = 245
    return picture


def film(
    path: Path, number: int, seconds: float, painter: Painter = moving, pixel_format: str = "yuv420p"
) -> None:
    """One silent clip, encoded as every other one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "bf": "0", "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for frame in _frames(number, seconds, painter):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _frames(number: int, seconds: float, painter: Painter) -> Iterator[Any]:
    for frame in range(round(seconds * FPS)):
        yield av.VideoFrame.from_ndarray(painter(number, frame / FPS), format="rgb24")


def plan(board: Storyboard) -> dict[str, Any]:
    text = {"text": "Stripes", "box": [40, 40, 160, 30], "contrast": 14.2}
    scenes = [{"id": scene.id, "texts": [dict(text)]} for scene in board.scenes]
    return {
        "schema": 1,
        "width": WIDTH,
        "height": HEIGHT,
        "fps": FPS,
        "burned_captions": True,
        "scenes": scenes,
    }


def complete(run_dir: Path, texts: Sequence[str] = TEXTS, painter: Painter = moving) -> Storyboard:
    """Everything that the stages before audio leave behind."""
    board = storyboard(texts)
    save(board, run_dir)
    for name in ("outline.txt", "research.json", "script.txt"):
        (run_dir / name).write_text("made earlier\n", encoding="utf-8")
    (run_dir / "asset_plan.json").write_text(json.dumps(plan(board)), encoding="utf-8")
    (run_dir / "assets").mkdir(exist_ok=True)
    for number, shot in enumerate(board.scenes):
        (run_dir / "assets" / f"{shot.id}.png").write_bytes(b"\x89PNG")
        film(run_dir / "animatics" / f"{shot.id}.mp4", number, shot.seconds, painter)
    return board
