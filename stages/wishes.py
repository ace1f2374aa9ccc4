"""What a rejected storyboard is to look like, scene by scene, and what of it cannot be done."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LAYOUTS = re.compile(r"\b(title|statement|list|steps|recap|quote)\b", re.I)
DIVIDE = re.compile(r"\b(split|divide|too long|two scenes)\b", re.I)
TIGHTEN = re.compile(r"\b(text|words|crowded|shorter|wordy)\b", re.I)
INSTEAD = "edit storyboard.json, or reject with from: script"


@dataclass(frozen=True)
class Wish:
    """What a person asks of one scene; ``reason`` is how they said it."""

    reason: str
    layout: str = ""
    tight: bool = False
    divided: bool = False

    @property
    def understood(self) -> bool:
        return bool(self.layout or self.tight or self.divided)

    def refused(self, why: str) -> str:
        """The note for a scene that stays as it was."""
        return f"could not be honoured: {self.reason!r}: {why}; {INSTEAD}"


def read_wishes(redo: Mapping[str, str]) -> dict[str, Wish]:
    """The wishes by scene id; one that asks for nothing that rules can do is not ``understood``."""
    return {scene: _read(" ".join(reason.split())) for scene, reason in redo.items()}


def _read(reason: str) -> Wish:
    if DIVIDE.search(reason):
        return Wish(reason, divided=True)
    if TIGHTEN.search(reason):
        return Wish(reason, tight=True)
    match = LAYOUTS.search(reason)
    return Wish(reason, layout=match[1].lower() if match else "")


def unheard(wishes: Mapping[str, Wish], feedback: str, scenes: Sequence[str]) -> list[str]:
    """A note for each wish that reaches no scene or no rule; ``scenes`` are those that can be named."""
    notes: list[str] = []
    for scene, wish in wishes.items():
        asked = f"{scene}: {wish.reason}".rstrip(": ")
        if scene not in scenes:
            near = difflib.get_close_matches(scene, scenes, 1, 0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            notes.append(
                f"could not be honoured: {asked}: there is no scene {scene}; {hint}"
                f"They go from {scenes[0]} to {scenes[-1]}"
            )
        elif not wish.understood:
            notes.append(f"could not be honoured without a writer: {asked}")
    if feedback.strip() and not wishes:
        notes.append(
            f"could not be honoured: {' '.join(feedback.split())[:200]!r}. Name scenes (redo: "
            "{scene_003: too much text}), "
            "edit storyboard.json, or reject with from: script"
        )
    return notes
