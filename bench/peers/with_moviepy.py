"""The same scenes made with moviepy 2, in moviepy's own way: ``with_moviepy.py SCENES.json TARGET.mp4``.

Ground, heading, each part on a card that fades in and rises when it is spoken of, captions with the spoken word
marked, a line for the progress. It draws less than the stages do (no figures, nothing that stands out while it is
spoken of, plain cuts between scenes), so the comparison favours moviepy. It imports nothing of ours: it runs in an
environment of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from moviepy import ColorClip, CompositeVideoClip, TextClip, concatenate_videoclips, vfx

ENTER = 0.45
MARGIN = 88
RISE = 48


class Maker:
    """Clips of the scenes that ``bench.video`` wrote down."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.width, self.height = told["width"], told["height"]
        self.colours = {name: _rgb(colour) for name, colour in told["colours"].items()}

    def scene(self, scene: dict[str, Any], index: int) -> Any:
        """One scene as a clip."""
        seconds = scene["seconds"]
        size = (self.width, self.height)
        layers = [ColorClip(size, color=self.colours["background"], duration=seconds)]
        if scene["heading"]:
            heading = self._text(scene["heading"], 66, "ink", seconds)
            layers.append(heading.with_position((MARGIN, MARGIN)).with_effects([vfx.CrossFadeIn(ENTER)]))
        layers += [*self._parts(scene), *self._captions(scene), self._progress(seconds, index)]
        return CompositeVideoClip(layers, size=size).with_duration(seconds)

    def _parts(self, scene: dict[str, Any]) -> Iterator[Any]:
        height = (self.height - 5 * MARGIN) // max(len(scene["parts"]), 1)
        for number, (text, start) in enumerate(scene["parts"]):
            left = scene["seconds"] - start
            top = 2 * MARGIN + number * height
            card = ColorClip(
                (self.width - 2 * MARGIN, height - 28), color=self.colours["surface"], duration=left
            )
            words = self._text(text, 48, "ink", left, self.width - 4 * MARGIN)
            for clip, x, y in ((card, MARGIN, top), (words, 2 * MARGIN, top + 20)):
                placed = clip.with_position(_rising(x, y)).with_effects([vfx.CrossFadeIn(ENTER)])
                yield placed.with_start(start)

    def _captions(self, scene: dict[str, Any]) -> Iterator[Any]:
        """Each row of a cue, and over it the word that is being said."""
        for cue in scene["cues"]:
            top = self.height - 2 * MARGIN
            for row in cue["rows"]:
                line = self._text(" ".join(text for text, _, _ in row), 44, "ink", cue["end"] - cue["start"])
                at = (self.width - line.w) // 2
                yield line.with_position((at, top)).with_start(cue["start"])
                for text, start, end in row:
                    marked = self._text(text, 44, "accent", max(end - start, 1 / self.told["fps"]))
                    yield marked.with_position((at, top)).with_start(start)
                    at += marked.w + 12
                top += 56

    def _progress(self, seconds: float, index: int) -> Any:
        piece = self.width / len(self.told["scenes"])
        bar = ColorClip((self.width, 8), color=self.colours["accent"], duration=seconds)
        return bar.with_position(lambda t: (piece * (index + t / seconds) - self.width, self.height - 8))

    def _text(self, text: str, size: int, colour: str, seconds: float, width: int | None = None) -> Any:
        method: dict[str, Any] = (
            {"method": "caption", "size": (width, None)} if width else {"method": "label"}
        )
        ink = self.colours[colour]
        return TextClip(
            font=self.told["font"],
            text=text,
            font_size=size,
            color=ink,
            duration=seconds,
            margin=(2, 8),
            **method,
        )


def _rising(x: int, y: int) -> Callable[[float], tuple[float, float]]:
    """From 48 pixels below to its place, slowing down."""
    return lambda t: (x, y + RISE * max(1 - t / ENTER, 0.0) ** 3)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def main(source: Path, target: Path) -> None:
    """Write the video, with our encoder's preset and quality."""
    told = json.loads(source.read_text(encoding="utf-8"))
    maker = Maker(told)
    film = concatenate_videoclips([maker.scene(scene, number) for number, scene in enumerate(told["scenes"])])
    film.write_videofile(
        str(target), fps=told["fps"], codec="libx264", preset="veryfast", audio=False, logger=None,
        ffmpeg_params=["-crf", "22", "-pix_fmt", "yuv420p"],
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
