"""Everything the checks look at, read once; what cannot be read is absent, and why is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stages import placing, sound
from stages.checks.contrast import TextsSeen
from stages.checks.film import Film, watch
from stages.contract import Context, Published, StageError
from stages.scenes import Storyboard

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Line:
    """One caption: seconds of the video, and its lines."""

    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)


@dataclass(frozen=True)
class Evidence:
    """A run as it is on disk."""

    run_dir: Path
    artifacts: tuple[Published, ...]
    board: Storyboard | None
    film: Film | None
    mix: sound.Sound | None
    captions: tuple[Line, ...] | None
    second_captions: tuple[Line, ...] | None
    plan: Mapping[str, Any] | None
    seen: Mapping[int, float] = field(default_factory=dict)
    """The measured contrast of each planned text that was seen, by its number."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """For each file that could not be read, why."""

    @property
    def retimed(self) -> frozenset[str]:
        """Scenes whose words were timed anew by the stage audio: recordings and edited narration."""
        meta = next((a.meta for a in self.artifacts if a.path == "voiceover.mp3"), {})
        return frozenset((*meta.get("recorded", ()), *meta.get("retimed", ())))


def gather(context: Context) -> Evidence:
    """Read the run directory of ``context``; nothing that is wrong in it raises."""
    run_dir = context.run_dir
    faults: dict[str, str] = {}

    def read(name: str, reader: Callable[[], _Read]) -> _Read | None:
        try:
            return reader()
        except (StageError, OSError, ValueError, KeyError) as error:
            faults[name] = str(error)
            return None

    board = read("storyboard.json", lambda: placing.spoken_board(run_dir))
    plan = read("asset_plan.json", lambda: _plan(run_dir / "asset_plan.json"))
    texts = TextsSeen(plan, board)
    return Evidence(
        run_dir=run_dir,
        artifacts=tuple(context.artifacts),
        board=board,
        film=read("video.mp4", lambda: watch(run_dir / "video.mp4", texts.look)),
        mix=read("video.mp4 (sound)", lambda: sound.read(run_dir / "video.mp4")),
        captions=read("captions.srt", lambda: _captions(run_dir / "captions.srt")),
        second_captions=read("captions.vtt", lambda: _captions(run_dir / "captions.vtt")),
        plan=plan,
        seen=texts.best,
        faults=faults,
    )


def _captions(path: Path) -> tuple[Line, ...]:
    import pysubs2

    try:
        subs = pysubs2.load(str(path), encoding="utf-8")
    except pysubs2.exceptions.Pysubs2Error as error:
        raise ValueError(f"these are no captions: {error}") from error
    return tuple(Line(e.start / 1000, e.end / 1000, tuple(e.plaintext.split("\n"))) for e in subs)


def _plan(path: Path) -> Mapping[str, Any]:
    plan = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(plan, dict) and isinstance(plan.get("scenes"), list):
        return plan
    raise ValueError("no list of scenes in it")
