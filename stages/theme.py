"""The look of a video: one YAML file of colours, sizes, spacing and motion, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from stages.contract import StageError

FOLDER = Path(__file__).parent / "themes"
CONTRAST = 4.5
"""WCAG 2 level AA for text."""

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
Pixels = Annotated[float, Field(gt=0)]

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

    @model_validator(mode="after")
    def readable(self) -> Colours:
        for text, ground in _ON:
            ratio = contrast(getattr(self, text), getattr(self, ground))
            if ratio < CONTRAST:
                raise ValueError(
                    f"{text} on {ground} has a contrast of {ratio:.2f}:1, at least {CONTRAST}:1 is needed"
                )
        return self


class TypeScale(Strict):
    """Sizes in pixels for a short side of 1080."""

    display: Pixels
    heading: Pixels
    body: Pixels
    small: float = Field(ge=30)


class Fonts(Strict):
    sans: Literal["inter"] = "inter"
    mono: Literal["jetbrains-mono"] = "jetbrains-mono"


class Spacing(Strict):
    margin: Pixels
    gap: Pixels
    radius: float = Field(ge=0)
    stroke: Pixels


class Motion(Strict):
    """Seconds of an entrance, a change of focus and an exit; pixels of travel."""

    enter: float = Field(gt=0, le=2)
    focus: float = Field(gt=0, le=2)
    exit: float = Field(gt=0, le=2)
    travel: float = Field(ge=0)


class Theme(Strict):
    name: str
    colours: Colours
    type: TypeScale
    fonts: Fonts = Fonts()
    spacing: Spacing
    motion: Motion


def load(name: str = "midnight", folder: Path = FOLDER) -> Theme:
    """Read the theme ``folder/name.yaml``; StageError names the file, the line and what is wrong."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise StageError(f"there is no theme called {name}", f"use one of: {names}")
    text = path.read_text(encoding="utf-8")
    try:
        return Theme.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise StageError(
            f"{path.name} is no YAML: {' '.join(str(error).split())}", "correct the theme"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        message = f"{path.name} line {_line(text, first['loc'])}, {where}: {first['msg']}"
        raise StageError(message, "correct the theme") from error


def contrast(one: str, other: str) -> float:
    """The WCAG 2 contrast ratio of two ``#RRGGBB`` colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """WCAG 2 relative luminance."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _line(text: str, path: tuple[int | str, ...]) -> int:
    """The line of the key at ``path``, or of its nearest parent that is there."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 1
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((k, v) for k, v in pairs if k.value == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
