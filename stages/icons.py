"""Line icons (Lucide, ISC licence) as skia paths, chosen by the words of a text."""

from __future__ import annotations

import re
import zipfile
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import skia
import yaml

from stages.drawing import Canvas, Rect, part_of, stroke

GRID = 24.0
"""The icons are drawn on a square of 24 units with lines 2 units wide."""
FALLBACKS = ("circle-dot", "shapes", "diamond", "layers", "hexagon", "component", "asterisk", "blocks")
"""Marks that say nothing, for a text of which no word has an icon."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML was built with it: ten times as fast."""
_NUMBER = re.compile(r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?")
_COMMAND = re.compile(r"([MmLlHhVvCcSsQqTtAaZz])([^MmLlHhVvCcSsQqTtAaZz]*)")


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    """Word stem -> icon name, from ``icon_words.yaml`` (icon: words, one line each)."""
    text = (Path(__file__).parent / "icon_words.yaml").read_text(encoding="utf-8")
    known = yaml.load(text, Loader=_LOADER)  # noqa: S506  # both are safe loaders
    return {word: icon for icon, words in known.items() for word in words.split()}


def choose(text: str, avoid: tuple[str, ...] = ()) -> str | None:
    """The icon of the first word of ``text`` that has one, or None; of ``avoid`` as a last resort."""
    found = [icon for word in re.findall(r"[^\W\d_]+", text.lower()) if (icon := _icon_of(word))]
    return next((icon for icon in found if icon not in avoid), found[0] if found else None)


def _icon_of(word: str) -> str | None:
    known = _words()
    stems = (
        word,
        word.removesuffix("s"),
        word.removesuffix("es"),
        word.removesuffix("ed"),
        word.removesuffix("ing"),
    )
    return next((known[stem] for stem in stems if stem in known), None)


def paint_icon(
    canvas: Canvas, name: str, box: Rect, colour: str, weight: float = 2.0, drawn: float = 1.0
) -> None:
    """The icon in the largest square of ``box``; ``weight`` in units of the grid, ``drawn`` a share."""
    side = min(box.w, box.h)
    canvas.save()
    canvas.translate(box.x + (box.w - side) / 2, box.y + (box.h - side) / 2)
    canvas.scale(side / GRID, side / GRID)
    canvas.drawPath(part_of(path_of(name), drawn), stroke(colour, weight))
    canvas.restore()


@lru_cache(maxsize=1)
def _archive() -> zipfile.ZipFile:
    """Kept open: to list its thousands of icons takes longer than to draw a scene."""
    return zipfile.ZipFile(str(files("lucide") / "lucide.zip"))


@lru_cache(maxsize=512)
def path_of(name: str) -> Any:
    """All strokes of an icon as one path on the 24 grid."""
    root = ElementTree.fromstring(_archive().read(f"{name}.svg"))  # noqa: S314  # from an installed package
    path = skia.Path()
    for shape in root:
        _add(path, shape.tag.rpartition("}")[2], shape.attrib)
    return path


def _add(path: Any, tag: str, given: dict[str, str]) -> None:
    number = {key: float(value) for key, value in given.items() if _NUMBER.fullmatch(value)}
    if tag == "path":
        _trace(path, given["d"])
    elif tag in ("circle", "ellipse"):
        rx, ry = number.get("rx", number.get("r", 0)), number.get("ry", number.get("r", 0))
        path.addOval(
            skia.Rect.MakeLTRB(number["cx"] - rx, number["cy"] - ry, number["cx"] + rx, number["cy"] + ry)
        )
    elif tag == "rect":
        box = skia.Rect.MakeXYWH(number.get("x", 0), number.get("y", 0), number["width"], number["height"])
        radius = number.get("rx", number.get("ry", 0))
        path.addRoundRect(box, radius, radius)
    elif tag == "line":
        path.moveTo(number["x1"], number["y1"]).lineTo(number["x2"], number["y2"])
    elif tag in ("polyline", "polygon"):
        places = [float(n) for n in _NUMBER.findall(given["points"])]
        points = [skia.Point(x, y) for x, y in zip(places[::2], places[1::2], strict=True)]
        path.addPoly(points, tag == "polygon")


_ARITY = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}


def _trace(path: Any, data: str) -> None:
    """Follow SVG path data (SVG 1.1, section 8.3)."""
    pen = _Pen(path)
    for command, text in _COMMAND.findall(data):
        kind, numbers = command.upper(), _arguments(command, text)
        size = _ARITY[kind]
        if size == 0:
            pen.close()
        for at in range(0, len(numbers), size or 1):
            pen.step("L" if kind == "M" and at else kind, numbers[at : at + size], relative=command.islower())


def _arguments(command: str, text: str) -> list[float]:
    if command not in "Aa":
        return [float(n) for n in _NUMBER.findall(text)]
    # An arc's two flags may be written without any space after them: "a2 2 0 013 4".
    one = r"\s*,?\s*"
    number = _NUMBER.pattern
    arc = re.compile(one.join([rf"({number})"] * 3 + ["([01])"] * 2 + [rf"({number})"] * 2))
    return [float(n) for found in arc.findall(text) for n in found]


class _Pen:
    """Where the pen is while SVG path data is followed."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.x = self.y = self.start_x = self.start_y = 0.0
        self.control: tuple[str, float, float] = ("", 0.0, 0.0)

    def close(self) -> None:
        self.path.close()
        self.x, self.y = self.start_x, self.start_y

    def step(self, kind: str, given: list[float], *, relative: bool) -> None:
        dx, dy = (self.x, self.y) if relative else (0.0, 0.0)
        if kind in "HV":
            x, y = (given[0] + dx, self.y) if kind == "H" else (self.x, given[0] + dy)
            self._draw("L", [x, y])
        elif kind == "A":
            self._draw("A", [*given[:5], given[5] + dx, given[6] + dy])
        else:
            self._draw(kind, [n + (dy if index % 2 else dx) for index, n in enumerate(given)])

    def _draw(self, kind: str, n: list[float]) -> None:
        mirrored = self._mirrored("CS" if kind == "S" else "QT")
        self.control = ("", 0.0, 0.0)
        if kind == "M":
            self.path.moveTo(*n)
            self.start_x, self.start_y = n
        elif kind == "L":
            self.path.lineTo(*n)
        elif kind == "A":
            large = skia.Path.ArcSize.kLarge_ArcSize if n[3] else skia.Path.ArcSize.kSmall_ArcSize
            turn = skia.PathDirection.kCW if n[4] else skia.PathDirection.kCCW
            self.path.arcTo(n[0], n[1], n[2], large, turn, n[5], n[6])
        elif kind in "CS":
            points = n if kind == "C" else [*mirrored, *n]
            self.path.cubicTo(*points)
            self.control = (kind, points[2], points[3])
        else:
            points = n if kind == "Q" else [*mirrored, *n]
            self.path.quadTo(*points)
            self.control = (kind, points[0], points[1])
        self.x, self.y = n[-2], n[-1]

    def _mirrored(self, kinds: str) -> tuple[float, float]:
        kind, x, y = self.control
        return (2 * self.x - x, 2 * self.y - y) if kind and kind in kinds else (self.x, self.y)
