"""What the last attempt drew: a scene is known again by what it shows, whatever number it has now."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from stages.earlier import earlier, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from stages.contract import Context
    from stages.scenes import Scene

PLAN = "asset_plan.json"

Shot = dict[str, Any]
"""What a plan says of one scene."""


def shows(scene: Scene) -> str:
    """What tells a scene from others for the eye: heading and content, not its times and not its number."""
    facts = scene.model_dump(mode="json", include={"heading", "content"})
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class LastPlan:
    """The plan before this one; an empty one if there was none or it cannot be read."""

    def __init__(self, context: Context, scenes: Sequence[Scene]) -> None:
        self._context = context
        self._shots = _read(context)
        self._same = dict(_pairs(scenes, self._shots))

    def __bool__(self) -> bool:
        return bool(self._shots)

    def of(self, scene: Scene) -> Shot:
        """What it says of that scene; nothing of a new one."""
        return self._same.get(scene.id, {})

    def variant(self, scene: Scene, redo: Mapping[str, str]) -> int:
        """Another arrangement for a scene that a person asked for again, the same one for the rest."""
        return int(self.of(scene).get("variant", 0)) + (scene.id in redo)

    def still(self, made_of: str) -> Path | None:
        """An earlier still that is of the same, if nobody has changed it since."""
        for shot in (shot for shot in self._shots if shot.get("made_of") == made_of):
            for path in earlier(self._context, str(shot.get("still"))):
                if sha256_of(path) == shot.get("sha256"):
                    return path
        return None

    def arranged(self, planned: Iterable[Shot], redo: Mapping[str, str]) -> list[str]:
        """What became of each scene that was asked for again."""
        return [
            f"{shot['id']}: "
            + (
                "looks as before, its layout has no other arrangement"
                if shot["sha256"] == self._same.get(shot["id"], {}).get("sha256")
                else "has another arrangement"
            )
            + (f" for {reason!r}" if reason else "")
            for shot in planned
            if (reason := redo.get(shot["id"])) is not None
        ]

    def changes(self, planned: Sequence[Shot]) -> list[str]:
        """Each scene whose picture is not the last attempt's."""
        told = [
            f"{shot['id']}: {'drawn anew' if shot['id'] in self._same else 'new'}"
            for shot in planned
            if shot["sha256"] != self._same.get(shot["id"], {}).get("sha256")
        ]
        left = {shot["id"] for shot in self._same.values()}
        return [*told, *(f"{shot['id']} of before: gone" for shot in self._shots if shot["id"] not in left)]


def _read(context: Context) -> list[Shot]:
    for path in earlier(context, PLAN):
        try:
            shots = json.loads(path.read_text(encoding="utf-8"))["scenes"]
            return [{**shot, "id": shot["id"]} for shot in shots]
        except (ValueError, KeyError, TypeError):
            continue
    return []


def _pairs(scenes: Sequence[Scene], shots: Sequence[Shot]) -> Iterator[tuple[str, Shot]]:
    """Each scene with its shot: the one that shows the same, else the one of its number that nobody else has."""
    left = {shot["id"]: shot for shot in shots}
    unknown = []
    for scene in scenes:
        same = [shot for shot in left.values() if shot.get("shows") == shows(scene)]
        found = next((shot for shot in same if shot["id"] == scene.id), same[0] if same else None)
        if found:
            yield scene.id, left.pop(found["id"])
        else:
            unknown.append(scene)
    for scene in unknown:
        if scene.id in left:
            yield scene.id, left.pop(scene.id)
