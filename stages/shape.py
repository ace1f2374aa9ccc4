"""What a scene shows and what brings each part of it on, whoever chose it."""

from __future__ import annotations

from dataclasses import dataclass

from stages.scenes import Content


@dataclass(frozen=True)
class Cue:
    """What brings a part on: the first word of a sentence, or words within one."""

    line: int
    words: str = ""


@dataclass(frozen=True)
class Look:
    """What the whole video says of a scene's look."""

    subtitle: str = ""
    tight: bool = False
    layout: str = ""
    """The layout that a person asked for; empty: by its shape."""


@dataclass(frozen=True)
class Shape:
    """What a scene shows, and the cue of each of its parts; None lies between its neighbours."""

    content: Content
    cues: tuple[Cue | None, ...]
    heading: str = ""
    """What the picture shows, where that says more than the part's heading."""
