"""What a storyboard shows and when, as plain JSON for a tool that knows nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from stages import placing, theme
from stages.cues import cues
from stages.scenes import Scene

MOST_PARTS = 8
UNSHOWN = ("layout", "language", "icon", "unit")


def write(run_dir: Path, target: Path) -> None:
    """Write RUN/storyboard.json down for ``bench/peers/with_moviepy.py``."""
    board = placing.spoken_board(run_dir)
    look = theme.load("midnight")
    told = {
        "width": board.width, "height": board.height, "fps": board.fps,
        "font": str(import_module("fontpkg_inter").ROOT / "files/Inter[opsz,wght].ttf"),
        "colours": {name: getattr(look.colours, name) for name in ("background", "surface", "ink", "accent")},
        "scenes": [_scene(scene) for scene in board.scenes],
    }  # fmt: skip
    target.write_text(json.dumps(told), encoding="utf-8")


def _scene(scene: Scene) -> dict[str, Any]:
    texts = list(_texts(scene.content.model_dump(mode="json")))[:MOST_PARTS]
    reveals = [*scene.reveals, *([scene.reveals[-1] if scene.reveals else 0.0] * len(texts))]
    return {
        "heading": scene.heading,
        "seconds": scene.seconds,
        "parts": [(text, min(at, scene.seconds - 0.1)) for text, at in zip(texts, reveals, strict=False)],
        "cues": [
            {
                "start": cue.start,
                "end": cue.end,
                "rows": [[(word.text, word.start, word.end) for word in row] for row in cue.rows],
            }
            for cue in cues(scene.words, until=scene.seconds)
        ],
    }


def _texts(value: Any, name: str = "") -> Iterator[str]:
    """Every text of a content, in order; a row of a table is one."""
    if isinstance(value, str) and name not in UNSHOWN and value.strip():
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts("  ".join(map(str, inner)) if isinstance(inner, list) else inner, name)
