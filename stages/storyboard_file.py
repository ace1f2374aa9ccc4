"""Read ``storyboard.json`` as it is now: a person may have edited it at its gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from pydantic import ValidationError

from stages.contract import EditError, StageError
from stages.scenes import Storyboard

NAME = "storyboard.json"


def load(run_dir: Path) -> Storyboard:
    """The storyboard of a run; StageError names each field that is wrong."""
    path = run_dir / NAME
    if not path.exists():
        raise StageError(f"{NAME} is missing in {run_dir}", hint="run the stage storyboard first")
    data = path.read_bytes()
    try:
        return Storyboard.model_validate_json(data)
    except ValidationError as error:
        text = data.decode("utf-8", "replace")
        lines = [
            f"  {_line(text, fault['loc'])}{'.'.join(map(str, fault['loc'])) or NAME}: {fault['msg']}"
            for fault in error.errors()[:8]
        ]
        raise EditError(
            f"{NAME} is not a storyboard:\n" + "\n".join(lines), hint="mend these fields and approve again"
        ) from error


def _line(text: str, place: Sequence[int | str]) -> str:
    """``line 41: `` where the field of a scene stands, or where its scene begins; empty where neither is found."""
    try:
        scenes = json.loads(text)["scenes"][place[1] :] if place[:1] == ("scenes",) else []
        at, *following = (text.index(f'"{scene["id"]}"') for scene in scenes[:2])
    except (ValueError, LookupError, TypeError):
        return ""
    for name in place[2:]:
        found = text.find(f'"{name}"', at, *following)
        at = found if found >= 0 else at
    return f"line {text.count(chr(10), 0, at) + 1}: "


def frame_counts(board: Storyboard) -> list[int]:
    """How many frames each scene lasts."""
    return [max(round(scene.seconds * board.fps), 1) for scene in board.scenes]


def starts(board: Storyboard) -> list[float]:
    """When each scene begins in the video, in seconds, and at last when the video ends."""
    return [frames / board.fps for frames in accumulate(frame_counts(board), initial=0)]


def chapters(board: Storyboard) -> list[tuple[float, float, str]]:
    """(start, end, title) in seconds: one for each scene with a heading; neighbours that share it are one."""
    times = starts(board)
    found: list[tuple[float, float, str]] = []
    for number, scene in enumerate(board.scenes):
        title = scene.heading or (board.title if number == 0 else "")
        if number == 0 or (title and title != found[-1][2]):
            found.append((times[number], times[number], title))
        found[-1] = (found[-1][0], times[number + 1], found[-1][2])
    return found
