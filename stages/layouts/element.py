"""One thing in the picture: how it looks, when it comes, and the texts in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stages.theme import contrast

if TYPE_CHECKING:
    from collections.abc import Callable

    from stages.drawing import Canvas, Rect

    Paint = Callable[[Canvas], None]
    Growing = Callable[[Canvas, float], None]

Entrance = Literal["fade", "rise", "slide", "wipe", "pop", "grow"]
Shared = tuple[bool, bool]


@dataclass(frozen=True)
class Text:
    """A text as it stands in the picture, for the plan and its checks."""

    text: str
    box: Rect
    size: float
    colour: str
    ground: str

    @property
    def contrast(self) -> float:
        return contrast(self.colour, self.ground)


@dataclass(frozen=True)
class Alive:
    """Something that moves for as long as the scene lasts; both by seconds from its start."""

    draw: Growing
    place: Callable[[float], Rect]
    """What it covers at that time."""


@dataclass(frozen=True)
class Element:
    """One thing drawn: how it looks at rest, when it is spoken of, and how it comes.

    ``paint`` draws the rest state in frame coordinates and within ``box``; ``lit`` the state while its part
    is spoken of; ``grow`` the way there, from 0 to 1; ``alive`` replaces all three by what never rests.
    """

    name: str
    box: Rect
    paint: Paint
    part: int | None = None
    """Which reveal brings it; None is there from the start."""
    lit: Paint | None = None
    grow: Growing | None = None
    alive: Alive | None = None
    entrance: Entrance = "fade"
    delay: float = 0.0
    passing: bool = False
    """Leaves when the next part comes."""
    shared: Shared = (False, False)
    """Whether the scene before and the one after show it as well: then it neither comes nor goes."""
    handed: str = ""
    """What it shows, if the next scene may take it over: it then moves from where it was to where it will be."""
    origin: Rect | None = None
    """Where the scene before left it."""
    texts: tuple[Text, ...] = ()
