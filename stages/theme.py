"""The look of a video: one YAML file of colours, sizes, spacing and motion, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from stages.contract import StageError
from stages.theme_file import Lines

FOLDER = Path(__file__).parent / "themes"
DEFAULT = "midnight"
CONTRAST = 4.5
"""WCAG 2 level AA for text."""

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
Display = Literal["inter", "source-serif-4", "montserrat"]
Transition = Literal["push", "lift", "zoom", "wipe"]

_ON = (
    ("ink", "background"),
    ("ink", "backdrop"),
    ("ink", "surface"),
    ("ink", "surface_lit"),
    ("ink", "code_background"),
    ("muted", "background"),
    ("muted", "backdrop"),
    ("muted", "surface"),
    ("muted", "code_background"),
    ("accent", "background"),
    ("accent", "backdrop"),
    ("accent", "surface"),
    ("accent", "surface_lit"),
    ("accent", "code_background"),
    ("second", "backdrop"),
    ("second", "surface_lit"),
    ("accent_ink", "accent"),
    ("second", "background"),
    ("second", "surface"),
    ("second", "code_background"),
    ("positive", "surface"),
    ("positive", "code_background"),
    ("negative", "surface"),
    ("caption_ink", "caption_background"),
)
"""Text colour and ground, as the layouts combine them."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Colours(Strict):
    """``#RRGGBB`` each; text colours are checked against their grounds."""

    background: Colour
    backdrop: Colour
    surface: Colour
    surface_lit: Colour
    line: Colour
    ink: Colour
    muted: Colour
    accent: Colour
    accent_ink: Colour
    second: Colour
    positive: Colour
    negative: Colour
    code_background: Colour
    caption_background: Colour
    caption_ink: Colour


class TypeScale(Strict):
    """Sizes in pixels for a short side of 1080."""

    display: float = Field(ge=60, le=200)
    heading: float = Field(ge=44, le=120)
    body: float = Field(ge=36, le=80)
    small: float = Field(ge=30, le=48)

    @model_validator(mode="after")
    def falls(self) -> TypeScale:
        if not self.display > self.heading > self.body > self.small:
            raise ValueError("display, heading, body and small must fall in this order")
        return self


class Fonts(Strict):
    """The families that come as packages; ``display`` is for titles, headings and large numbers."""

    display: Display = "inter"
    display_weight: int = Field(default=720, ge=400, le=900)
    sans: Literal["inter"] = "inter"
    mono: Literal["jetbrains-mono"] = "jetbrains-mono"


class Grid(Strict):
    """Columns of a wide frame, its margin at the sides and the gutter between columns, in pixels."""

    columns: int = Field(default=12, ge=6, le=24)
    margin: float = Field(ge=72, le=200)
    gutter: float = Field(ge=8, le=60)


class Spacing(Strict):
    gap: float = Field(ge=8, le=60)
    radius: float = Field(ge=0, le=60)
    stroke: float = Field(ge=2, le=12)


class Shapes(Strict):
    """What the large quiet ground, the cards and the heading's mark look like."""

    backdrop: Literal["discs", "rules", "slants"] = "discs"
    card: Literal["filled", "outlined", "edged"] = "filled"
    heading: Literal["bar", "underline", "block"] = "bar"


class Motion(Strict):
    """Seconds of an entrance, a change of focus and an exit; pixels of travel.

    Scenes give way to each other by the ``transitions``, in turn.
    """

    enter: float = Field(gt=0, le=2)
    focus: float = Field(gt=0, le=2)
    exit: float = Field(gt=0, le=2)
    travel: float = Field(ge=0, le=200)
    transitions: tuple[Transition, ...] = Field(default=("push", "lift", "zoom"), min_length=1)


class Theme(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    colours: Colours
    type: TypeScale
    fonts: Fonts = Fonts()
    grid: Grid
    spacing: Spacing
    shapes: Shapes = Shapes()
    motion: Motion


def load(name: str = DEFAULT) -> Theme:
    """The theme ``name`` of those that ship; StageError lists them if it is none."""
    path = FOLDER / f"{name}.yaml"
    if name not in shipped():
        raise StageError(f"there is no theme called {name}", f"use one of: {', '.join(shipped())}")
    return read(path)


def shipped() -> list[str]:
    """The names of the themes that ship."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def asked(params: Mapping[str, Any], sources: Path) -> Theme:
    """The request's own theme file, which lies among its sources, else the shipped theme it names."""
    own = params.get("theme_file") or []
    if own:
        if not (sources / own[0]).is_file():
            raise StageError(
                f"theme_file: {own[0]} is not among the job's sources", "drop it beside the request"
            )
        return read(sources / own[0])
    return load(str(params.get("theme") or DEFAULT))


def read(path: Path) -> Theme:
    """A theme from its file; StageError names the file, the line and what is wrong."""
    lines = Lines(path)
    try:
        theme = Theme.model_validate(lines.values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the whole file"
        what = first["msg"].removeprefix("Value error, ")
        raise lines.fault(lines.line(first["loc"]), f"{where}: {what}") from error
    for text, ground in _ON:
        ratio = contrast(getattr(theme.colours, text), getattr(theme.colours, ground))
        if ratio < CONTRAST:
            raise lines.fault(
                lines.line(("colours", text)),
                f"{text} on {ground} has a contrast of {ratio:.2f}:1, at least {CONTRAST}:1 is needed",
            )
    return theme


def contrast(one: str, other: str) -> float:
    """The WCAG 2 contrast ratio of two ``#RRGGBB`` colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """WCAG 2 relative luminance."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
