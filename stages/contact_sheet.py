"""All scenes in a grid on one picture, with their numbers, layouts and lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import skia

from stages.drawing import Rect, fill
from stages.lettering import BOLD, REGULAR, draw_line, measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stages.scenes import Storyboard
    from stages.theme import Theme

_EDGE = 24
_LABEL = 52
_WIDTH = 1920
_TYPE = 22.0
_SOFT = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)


@dataclass(frozen=True)
class Seen:
    """One picture of the sheet and what stands under it."""

    image: Any
    """``skia.Image``"""
    name: str
    facts: str


def contact_sheet(storyboard: Storyboard, stills: Sequence[Path], theme: Theme, path: Path) -> None:
    """The stills of a storyboard, each with its scene's id, layout, start and length."""
    seen, clock = [], 0.0
    for scene, still in zip(storyboard.scenes, stills, strict=True):
        minutes, seconds = divmod(round(clock), 60)
        facts = f"{scene.content.layout}  ·  {minutes}:{seconds:02d}  ·  {scene.seconds:.1f} s"
        seen.append(Seen(skia.Image.open(str(still)), scene.id, facts))
        clock += scene.seconds
    write_sheet(seen, theme, path)


def write_sheet(seen: Sequence[Seen], theme: Theme, path: Path, across: int = 0, width: int = _WIDTH) -> None:
    """Write the sheet, ``across`` pictures in a row; they are as large as lets a row be ``width`` wide."""
    tall = seen[0].image.height() / seen[0].image.width()
    across = min(across or (3 if tall < 1 else 5), len(seen))
    w = (width - _EDGE * (across + 1)) / across
    h = w * tall
    lines = math.ceil(len(seen) / across)
    surface = skia.Surface(width, math.ceil(_EDGE + lines * (h + _LABEL + _EDGE)))
    canvas = surface.getCanvas()
    canvas.clear(fill(theme.colours.code_background).getColor())
    widest = max(measure(each.facts, REGULAR, _TYPE) for each in seen)
    size = min(_TYPE, _TYPE * w * 0.6 / max(widest, 1.0))
    for index, each in enumerate(seen):
        x = _EDGE + (index % across) * (w + _EDGE)
        y = _EDGE + (index // across) * (h + _LABEL + _EDGE)
        _cell(canvas, each, Rect(x, y, w, h), theme, size)
    surface.makeImageSnapshot().save(str(path), skia.kPNG)


def _cell(canvas: Any, seen: Seen, box: Rect, theme: Theme, size: float) -> None:
    canvas.drawImageRect(seen.image.withDefaultMipmaps(), box.sk(), _SOFT)
    at = box.bottom + 34
    width = measure(seen.facts, REGULAR, size)
    name = _shortened(seen.name.removeprefix("scene_"), box.w - width - 24)
    draw_line(canvas, name, BOLD, _TYPE, (box.x + 4, at), theme.colours.accent)
    draw_line(canvas, seen.facts, REGULAR, size, (box.right - width - 4, at), theme.colours.muted)


def _shortened(name: str, room: float) -> str:
    """As much of a name as its picture is wide."""
    shown = name
    while len(shown) > 1 and measure(shown, BOLD, _TYPE) > room:
        shown = f"{shown.rstrip('…')[:-1].rstrip()}…"
    return shown
