"""The storyboard: what every scene shows, says and for how long. ``storyboard.json`` is this, printed.

Times are seconds from the start of the scene; lengths are whole frames. The storyboard decides the
timing once; every later stage keeps to it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Word(Strict):
    """One word as it is shown, and when it is spoken."""

    text: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)


class Citation(Strict):
    """Where a claim comes from: a research item and its place in a source."""

    item: str
    source: str
    line: int = Field(ge=1)
    """In a PDF counted within the page."""
    page: int | None = None

    @property
    def place(self) -> str:
        """As a person writes it: ``notes.md:12``, ``report.pdf, page 3``."""
        return f"{self.source}, page {self.page}" if self.page else f"{self.source}:{self.line}"


class Point(Strict):
    """One bar of a chart."""

    label: str
    value: float


class Title(Strict):
    layout: Literal["title"] = "title"
    title: str
    subtitle: str = ""


class Statement(Strict):
    layout: Literal["statement"] = "statement"
    text: str
    emphasis: str = ""


class Bullets(Strict):
    """Three to five parts, each shown when it is spoken."""

    layout: Literal["list"] = "list"
    items: list[str] = Field(min_length=2, max_length=6)


class Steps(Strict):
    layout: Literal["steps"] = "steps"
    items: list[str] = Field(min_length=2, max_length=6)


class Comparison(Strict):
    layout: Literal["comparison"] = "comparison"
    left_heading: str
    left: list[str]
    right_heading: str
    right: list[str]


class Chart(Strict):
    """Numbers of a source; never invented."""

    layout: Literal["chart"] = "chart"
    unit: str = ""
    decimals: int | None = Field(None, ge=0, le=6)
    """How many each number is shown with; none: as many as it needs."""
    points: list[Point] = Field(min_length=2, max_length=8)


class Event(Strict):
    """One date of a timeline, as the source writes it, and what happened then."""

    when: str = Field(min_length=1, max_length=40)
    text: str


class Timeline(Strict):
    """Dates in their order."""

    layout: Literal["timeline"] = "timeline"
    events: list[Event] = Field(min_length=2, max_length=6)


class Table(Strict):
    layout: Literal["table"] = "table"
    columns: list[str]
    rows: list[list[str]]


class Code(Strict):
    layout: Literal["code"] = "code"
    language: str = ""
    lines: list[str]


class Quote(Strict):
    layout: Literal["quote"] = "quote"
    text: str
    attribution: str


class Recap(Strict):
    layout: Literal["recap"] = "recap"
    items: list[str] = Field(min_length=1, max_length=5)


class SourcesCard(Strict):
    layout: Literal["sources"] = "sources"
    items: list[str] = Field(min_length=1)


Content = Annotated[
    Title
    | Statement
    | Bullets
    | Steps
    | Comparison
    | Chart
    | Timeline
    | Table
    | Code
    | Quote
    | Recap
    | SourcesCard,
    Field(discriminator="layout"),
]


def part_count(content: Content) -> int:
    """How many parts of a content are revealed one by one.

    title: title, subtitle if any; statement: 1; quote: text, attribution; comparison: left, right;
    list, steps, recap, sources: items; timeline: events; chart: points; table: rows; code: lines.
    """
    match content:
        case Title():
            count = 2 if content.subtitle else 1
        case Statement():
            count = 1
        case Quote() | Comparison():
            count = 2
        case Chart():
            count = len(content.points)
        case Timeline():
            count = len(content.events)
        case Table():
            count = len(content.rows)
        case Code():
            count = len(content.lines)
        case _:
            count = len(content.items)
    return count


def narration_digest(narration: str, voice: str = "") -> str:
    """Twelve hexadecimal digits for ``Scene.timed_for``; spaces and line ends do not count."""
    said = " ".join(narration.split()) + (f"\0{voice}" if voice else "")
    return hashlib.sha256(said.encode()).hexdigest()[:12]


class Scene(Strict):
    id: str = Field(pattern=r"^scene_\d{3}$")
    heading: str = ""
    content: Content
    narration: str
    """What the voice says, spelled as it is said."""
    words: list[Word]
    """The narration as it is shown in captions, with its times."""
    citations: list[Citation] = []
    reveals: list[float] = []
    """When each part of the content appears, in the order of ``part_count``; empty: all at once."""
    seconds: float = Field(gt=0)
    timed_for: str = ""
    """The digest of the narration that the times belong to; if it is another, they are found anew."""

    @model_validator(mode="after")
    def _times_fit(self) -> Scene:
        ends = [word.end for word in self.words] + list(self.reveals)
        if ends and max(ends) > self.seconds + 0.001:
            raise ValueError(f"a time of {max(ends):.3f} lies after the scene's end, {self.seconds:.3f}")
        if self.reveals and len(self.reveals) != part_count(self.content):
            raise ValueError(
                f"{len(self.reveals)} reveals for {part_count(self.content)} parts of a {self.content.layout}"
            )
        return self


class Storyboard(Strict):
    schema_version: Literal[1] = Field(1, alias="schema")
    title: str
    width: int = 1920
    height: int = 1080
    fps: int = 30
    voice: str = ""
    """Who speaks; empty: the built-in voice, whose times the scenes have."""
    scenes: list[Scene] = Field(min_length=1)
    notes: list[str] = []
    """What could not be done as asked, for the person at the gate."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _names_are_its_own(self) -> Storyboard:
        ids = [scene.id for scene in self.scenes]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            free = next((name for n in range(1000) if (name := f"scene_{n:03d}") not in ids), "with a number")
            raise ValueError(f"two scenes have the id {twice[0]}; give one of them one that is free: {free}")
        return self

    @property
    def seconds(self) -> float:
        return sum(scene.seconds for scene in self.scenes)


def schema() -> dict[str, Any]:
    """The JSON Schema of storyboard.json, for editors."""
    described = Storyboard.model_json_schema(by_alias=True)
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return described
