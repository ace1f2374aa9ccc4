"""Where a scene stands among the others, as far as its picture shows it: its part and its neighbours alone count.

A part is what stands under one heading. Nothing is counted from the beginning of the video, and no heading is
read: a scene put in or taken out changes the pictures of its own part, and how the one after it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.scenes import Scene

_SEEDS = 60
"""Divisible by every number of arrangements and of transitions that anything has."""


@dataclass(frozen=True)
class Place:
    """What a scene's picture takes from the scenes around it."""

    piece: int
    """Which scene of its part it is, from 0."""
    pieces: int
    """How many scenes its part has."""
    arrangement: int
    """Another one for each scene of a part."""
    comes: int | None
    """Which transition brings it, counted round the theme's; None at the beginning of the video."""
    leaves: int | None
    """Which one takes it away; None at the end of the video."""
    ground: tuple[int, int]
    """Where the ground comes from, and where it rests: it glides when a part begins."""
    shared: tuple[bool, bool]
    """Whether the heading stays from the scene before, and for the one after."""


def place_of(scenes: Sequence[Scene], index: int) -> Place:
    first, after = _part(scenes, index)
    last = index + 1 == len(scenes)
    rests = _seed(scenes, index)
    return Place(
        piece=index - first,
        pieces=after - first,
        arrangement=arrangement_of(scenes, index),
        comes=arrangement_of(scenes, index) if index else None,
        leaves=None if last else arrangement_of(scenes, index + 1),
        ground=(_seed(scenes, first - 1) if first and index == first else rests, rests),
        shared=(index > 0 and _alike(scenes, index - 1), not last and _alike(scenes, index)),
    )


def arrangement_of(scenes: Sequence[Scene], index: int) -> int:
    """Those of a part follow each other; each part begins with one of its own."""
    first, _ = _part(scenes, index)
    return _seed(scenes, index) + index - first


def _part(scenes: Sequence[Scene], index: int) -> tuple[int, int]:
    """The first scene of a scene's part, and the first one after it; a scene without a heading opens none."""
    first = index
    while first and not _opens(scenes, first):
        first -= 1
    after = index + 1
    while after < len(scenes) and not _opens(scenes, after):
        after += 1
    return first, after


def _opens(scenes: Sequence[Scene], index: int) -> bool:
    before = next((scene.heading for scene in reversed(scenes[:index]) if scene.heading), "")
    return scenes[index].heading not in ("", before)


def _seed(scenes: Sequence[Scene], index: int) -> int:
    """A number that a part keeps wherever it stands and whatever is edited in it: from the first place it cites."""
    first, after = _part(scenes, index)
    cited = (citation for scene in scenes[first:after] for citation in scene.citations)
    place = next((f"{each.source} {each.page} {each.line}" for each in cited), "")
    return crc32(place.encode()) % _SEEDS if first else 0


def _alike(scenes: Sequence[Scene], index: int) -> bool:
    """Whether a scene and the next one show the same heading."""
    return scenes[index].heading == scenes[index + 1].heading != ""
