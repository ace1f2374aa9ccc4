"""The frame sizes a video may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.contract import StageError

FORMATS = {"wide": (1920, 1080), "vertical": (1080, 1920), "square": (1080, 1080)}
"""``params.format`` -> width and height. Sizes of type and spacing follow the short side, 1080 in all three."""


def size_asked(params: Mapping[str, Any]) -> tuple[int, int]:
    """The frame size of ``params.format``. Raises StageError if there is no such format."""
    name = params.get("format") or "wide"
    if name not in FORMATS:
        raise StageError(f"format: {name!r} is not a format", f"use one of: {', '.join(FORMATS)}")
    return FORMATS[name]
