"""Everything the checks look at, read once; what cannot be read is absent, and why is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stages import music, placing, sound
from stages.checks.contrast import TextsSeen
from stages.checks.edges import EdgesSeen
from stages.checks.film import Film, watch
from stages.contract import Context, Published, StageError
from stages.earlier import sha256_of
from stages.scenes import Storyboard

_Read = TypeVar("_Read")

SAID_SECONDS = 1.0
"""Of the video, between two words on how far it is."""


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
    """What is heard."""
    voice: sound.Sound | None
    """The same without the music that the request asked for."""
    captions: tuple[Line, ...] | None
    second_captions: tuple[Line, ...] | None
    plan: Mapping[str, Any] | None
    seen: Mapping[int, float] = field(default_factory=dict)
    """The measured contrast of each planned text that was seen, by its number."""
    edges: frozenset[str] = frozenset()
    """Scenes that show something like text outside the safe area."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """For each file that could not be read, why."""

    @property
    def retimed(self) -> frozenset[str]:
        """Scenes whose words were timed anew by the stage audio: recordings and edited narration."""
        meta = next((a.meta for a in self.artifacts if a.path == "voiceover.mp3"), {})
        return frozenset((*meta.get("recorded", ()), *meta.get("retimed", ())))


@dataclass
class Looks:
    """Shows each frame to all who look, and says from time to time how far the video has been seen."""

    eyes: Sequence[Callable[[float, Any], None]]
    seconds: float
    said: Callable[[float], None]
    last: float = 0.0

    def look(self, time: float, frame: Any) -> None:
        if self.seconds and time >= self.last + SAID_SECONDS:
            self.last = time
            self.said(min(time / self.seconds, 1.0))
        for look in self.eyes:
            look(time, frame)


def gather(context: Context, said: Callable[[float], None] = lambda _: None) -> Evidence:
    """Read the run directory of ``context``; nothing that is wrong in it raises.

    ``said`` hears from time to time which share of the video has been seen: to watch it takes nearly all the time.
    """
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
    mix = read("video.mp4 (sound)", lambda: sound.read(run_dir / "video.mp4"))
    texts, edges = TextsSeen(plan, board), EdgesSeen(board, _own_pictures(run_dir, plan))
    looks = Looks((texts.look, edges.look), board.seconds if board else 0.0, said)
    return Evidence(
        run_dir=run_dir,
        artifacts=tuple(context.artifacts),
        board=board,
        film=read("video.mp4", lambda: watch(run_dir / "video.mp4", looks.look)),
        mix=mix,
        voice=read("music", lambda: _without_music(context, mix)) if mix is not None else None,
        captions=read("captions.srt", lambda: _captions(run_dir / "captions.srt")),
        second_captions=read("captions.vtt", lambda: _captions(run_dir / "captions.vtt")),
        plan=plan,
        seen=texts.best,
        edges=edges.scenes,
        faults=faults,
    )


def _without_music(context: Context, mix: sound.Sound) -> sound.Sound:
    tune = music.asked(context)
    if tune is None:
        return mix
    return music.without(mix, music.bed(tune, sound.read(context.run_dir / "voiceover.mp3")))


def _own_pictures(run_dir: Path, plan: Mapping[str, Any] | None) -> set[str]:
    """Scenes whose still a person replaced: what lies at its edges is that person's choice."""
    shots = [shot for shot in (plan or {}).get("scenes", ()) if shot.get("still") and shot.get("sha256")]
    stills = [(str(shot.get("id")), run_dir / str(shot["still"]), shot["sha256"]) for shot in shots]
    return {scene for scene, still, sha256 in stills if still.is_file() and sha256_of(still) != sha256}


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
