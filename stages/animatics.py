"""Stage animatics: every scene as a silent clip whose parts appear as they are spoken."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stages import placing, recordings, storyboard_file
from stages import theme as themes
from stages.contract import StageError
from stages.earlier import earlier, sha256_of
from stages.last_plan import PLAN
from stages.sharing import Wanted, share
from stages.shot import Order, order, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from stages.contract import Context
    from stages.scenes import Storyboard

MOST_WORKERS = 4
"""Each takes about 150 MB for 1080p."""
_WORTH_A_PROCESS = 150_000_000
"""Pixels to encode (72 frames of 1080p) before a second process pays."""


def run(context: Context) -> None:
    """Write ``animatics/scene_NNN.mp4``: h264, yuv420p, exactly ``seconds * fps`` frames each."""
    from stages import clips

    written = storyboard_file.load(context.run_dir)
    heard = recordings.heard(written, context.run_dir)
    storyboard = placing.as_spoken(written, heard)
    clips.check_size(storyboard.width, storyboard.height)
    folder = context.out_dir / "animatics"
    folder.mkdir(parents=True, exist_ok=True)
    orders = orders_of(context, storyboard)
    made = EarlierClips(context)
    wanted = [each for each in orders if not made.kept(each, folder)]
    if wanted:
        _make_all(wanted, folder, Progress(context, sum(each.frames for each in orders), wanted, len(orders)))
    for each in orders:
        digest = each.digest()
        context.describe(f"animatics/{each.scene.id}.mp4", "video", made_of=digest, frames=each.frames)
    recordings.remember(context, heard.used)


def orders_of(context: Context, storyboard: Storyboard) -> list[Order]:
    """What the plan and the pictures, as they are after the gate, ask for."""
    plan = _plan(context)
    theme = themes.asked(context.params, context.sources)
    if (named := str(plan.get("theme", theme.name))) != theme.name:  # a person changed the plan
        theme = themes.load(named)
    shots = {shot["id"]: shot for shot in plan.get("scenes", [])}
    orders = []
    for index, scene in enumerate(storyboard.scenes):
        shot = shots.get(scene.id, {})
        still = context.run_dir / str(shot.get("still", ""))
        own = bool(shot) and still.is_file() and sha256_of(still) != shot.get("sha256")
        variant = int(shot.get("variant", 0))
        captions = bool(plan.get("burned_captions", True))
        picture = str(still) if own else ""
        orders.append(order(storyboard, index, theme, variant, captions=captions, picture=picture))
    return orders


def _plan(context: Context) -> dict[str, Any]:
    path = context.run_dir / PLAN
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StageError(
            f"{PLAN} is no JSON: {error}", f"undo the edit of {PLAN}, or go back to the stage assets"
        ) from error
    return dict(plan)


class EarlierClips:
    """Clips of earlier attempts, known by what they say they were made of: a scene may have had another number."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def kept(self, wanted: Order, folder: Path) -> bool:
        """Take an earlier clip over, byte for byte, if it was made of the same; a redo is made again."""
        name = f"{wanted.scene.id}.mp4"
        if wanted.scene.id in self._context.redo:
            return False
        digest = wanted.digest()
        own = (path for path in earlier(self._context, f"animatics/{name}") if _made_of(path) == digest)
        path = next(own, None) or self._others.get(digest)
        if path:
            shutil.copyfile(path, folder / name)
        return path is not None

    @cached_property
    def _others(self) -> dict[str, Path]:
        """All of them; read only when one is not found by its name."""
        run_dir = self._context.run_dir
        found = [*run_dir.glob("animatics/*.mp4"), *run_dir.glob("history/*/animatics/*.mp4")]
        return {digest: path for path in found if not path.is_symlink() and (digest := _made_of(path))}


def _made_of(path: Path) -> str:
    from stages import clips

    return clips.made_of(path)


@dataclass(frozen=True)
class Progress:
    """Says how far the drawing is, counted in frames."""

    context: Context
    total: int
    """Frames of all scenes, the unchanged ones included."""
    wanted: Sequence[Order]
    scenes: int

    def tell(self, drawn: int, done: int) -> None:
        """``drawn`` frames and ``done`` whole scenes of those wanted are there."""
        before = self.total - sum(each.frames for each in self.wanted)
        kept = self.scenes - len(self.wanted)
        scene = f"drawing scene {min(done + 1, len(self.wanted))} of {len(self.wanted)}"
        self.context.progress((before + drawn) / self.total, f"{scene}, {kept} unchanged" if kept else scene)


def _make_all(wanted: Sequence[Order], folder: Path, progress: Progress) -> None:
    """Draw and encode on as many processors as there are."""
    progress.tell(0, 0)
    files = [(folder / f"{each.scene.id}.mp4", each) for each in longest_first(wanted)]
    share(Wanted(files, make), processes_for(wanted), progress.tell)


def longest_first(wanted: Sequence[Order]) -> list[Order]:
    """So that no process begins a long scene when the others have none left."""
    return sorted(wanted, key=lambda each: -each.frames)


def processes_for(wanted: Sequence[Order]) -> int:
    """How many share the scenes."""
    pixels = sum(each.frames * math.prod(each.size) for each in wanted)
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS, len(wanted), 1 + pixels // _WORTH_A_PROCESS)


def make(path: Path, wanted: Order, drew: Callable[[], None]) -> None:
    """Draw and encode one scene; ``drew`` is called after each frame."""
    from stages import clips

    times = placing.times_of(wanted.scene)
    with clips.Clip(path, wanted.size, wanted.fps, wanted.digest(), times) as clip:
        for frame in frames(wanted):
            clip.add(frame)
            drew()
        clip.finish()


def frames(wanted: Order) -> Iterator[Any]:
    """The scene's pictures in order; one frame that is changed from step to step."""
    from stages.picture import Planes

    canvas, planes = prepare(wanted).canvas(), Planes(*wanted.size)
    for number in range(wanted.frames):
        for area in canvas.show(number / wanted.fps):
            planes.update(canvas, area)
        yield planes.frame
