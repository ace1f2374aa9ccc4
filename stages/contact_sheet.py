"""All scenes in a grid on one picture, with their numbers, layouts and lengths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import skia

from stages.drawing import BOLD, REGULAR, Rect, draw_line, fill, measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stages.scenes import Scene, Storyboard
    from stages.theme import Theme

_WIDTH = 1920
_EDGE = 24
_LABEL = 52


def contact_sheet(storyboard: Storyboard, stills: Sequence[Path], theme: Theme, path: Path) -> None:
    """Write the sheet; cells are as large as lets a row be 1920 wide."""
    across = 3 if storyboard.width > storyboard.height else 5
    across = min(across, len(stills))
    w = (_WIDTH - _EDGE * (across + 1)) / across
    h = w * storyboard.height / storyboard.width
    lines = math.ceil(len(stills) / across)
    surface = skia.Surface(_WIDTH, math.ceil(_EDGE + lines * (h + _LABEL + _EDGE)))
    canvas = surface.getCanvas()
    canvas.clear(fill(theme.colours.code_background).getColor())
    clock = 0.0
    for index, (scene, still) in enumerate(zip(storyboard.scenes, stills, strict=True)):
        x = _EDGE + (index % across) * (w + _EDGE)
        y = _EDGE + (index // across) * (h + _LABEL + _EDGE)
        _cell(canvas, scene, still, Rect(x, y, w, h), clock, theme)
        clock += scene.seconds
    surface.makeImageSnapshot().save(str(path), skia.kPNG)


def _cell(canvas: Any, scene: Scene, still: Path, box: Rect, clock: float, theme: Theme) -> None:
    soft = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
    image = skia.Image.open(str(still)).withDefaultMipmaps()
    canvas.drawImageRect(image, box.sk(), soft)
    minutes, seconds = divmod(round(clock), 60)
    facts = f"{scene.content.layout}  ·  {minutes}:{seconds:02d}  ·  {scene.seconds:.1f} s"
    at = box.bottom + 34
    draw_line(canvas, scene.id, BOLD, 22, (box.x + 4, at), theme.colours.accent)
    width = measure(facts, REGULAR, 22)
    draw_line(canvas, facts, REGULAR, 22, (box.right - width - 4, at), theme.colours.muted)
