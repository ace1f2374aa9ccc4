"""Text in the picture: fonts, measured and wrapped lines, and the largest size at which they fit their box."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from stages.drawing import ink, skia  # by way of the message for who lacks its libraries
from stages.typography import HELD, held_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Canvas, Rect

Family = Literal["inter", "source-serif-4", "montserrat", "jetbrains-mono"]
Align = Literal["left", "center", "right"]
_ENDLESS = 100_000.0
_SPACES = re.compile(r"[ \t\r\n\f\v\u2028\u2029]+")


class Unfit(ValueError):
    """A text is too long for its box even at the smallest readable size."""


@dataclass(frozen=True)
class Face:
    family: Family = "inter"
    weight: int = 400

    @property
    def name(self) -> str:
        return f"{self.family}-{self.weight}"


REGULAR, MEDIUM, BOLD, MONO = Face(), Face("inter", 550), Face("inter", 720), Face("jetbrains-mono", 450)
_FILES: dict[Family, tuple[str, str, dict[str, float]]] = {
    "inter": ("fontpkg_inter", "Inter[opsz,wght].ttf", {"opsz": 28.0}),
    "source-serif-4": ("fontpkg_source_serif_4", "SourceSerif4[opsz,wght].ttf", {"opsz": 48.0}),
    "montserrat": ("fontpkg_montserrat", "Montserrat[wght].ttf", {}),
    "jetbrains-mono": ("fontpkg_jetbrains_mono", "JetBrainsMono[wght].ttf", {}),
}
"""Package, file and fixed axes of each family."""


@dataclass(frozen=True)
class Block:
    """Text broken into lines at one size; ``width`` is that of the widest line."""

    lines: tuple[str, ...]
    face: Face
    size: float
    width: float
    leading: float

    @property
    def height(self) -> float:
        return self.leading * len(self.lines)


@lru_cache(maxsize=16)
def _shaper(face: Face) -> tuple[Any, Any]:
    """What text is shaped with: the face, then those that lend it letters it lacks; and the Unicode tables."""
    provider = skia.textlayout.TypefaceFontProvider()
    for each in _lending(face):
        provider.registerTypeface(_typeface(each), each.name)
    collection = skia.textlayout.FontCollection()
    collection.setDefaultFontManager(provider)
    return collection, skia.Unicodes.ICU.Make()


def _lending(face: Face) -> list[Face]:
    return list(dict.fromkeys((face, Face("inter", face.weight), MONO)))


@lru_cache(maxsize=16)
def _typeface(face: Face) -> Any:
    package, file, fixed = _FILES[face.family]
    root = importlib.import_module(package).ROOT
    base = skia.Typeface.MakeFromFile(str(root / "files" / file))
    axes = {"wght": float(face.weight)} | fixed
    position = skia.FontArguments.VariationPosition
    # skia only points at the coordinates: they have to live until the clone is made.
    places = position.Coordinates(
        [position.Coordinate(int.from_bytes(tag.encode(), "big"), value) for tag, value in axes.items()]
    )
    arguments = skia.FontArguments()
    arguments.setVariationDesignPosition(position(places))
    return base.makeClone(arguments)


def unknown_letters(text: str) -> str:
    """The letters of ``text`` that the fonts cannot show, each once."""
    face = _typeface(REGULAR)
    return "".join(dict.fromkeys(c for c in text if c.isalpha() and not face.unicharToGlyph(ord(c))))


@lru_cache(maxsize=4096)
def showable(text: str) -> str:
    """``text`` in one line without pictographs and controls that the fonts lack, spaces held where no line may end."""
    faces = (_typeface(REGULAR), _typeface(MONO))
    kept = (
        c for c in text if c.isspace() or c.isalpha() or any(face.unicharToGlyph(ord(c)) for face in faces)
    )
    return held_together(_SPACES.sub(" ", "".join(kept)).strip(" "))


def _paragraph(text: str, face: Face, size: float, colour: str) -> Any:
    collection, tables = _shaper(face)
    style = skia.textlayout.TextStyle()
    style.setFontFamilies([each.name for each in _lending(face)])
    style.setFontSize(size)
    style.setColor(ink(colour))
    whole = skia.textlayout.ParagraphStyle()
    whole.setTextStyle(style)
    builder = skia.textlayout.ParagraphBuilder.make(whole, collection, tables)
    builder.addText(text)
    paragraph = builder.Build()
    paragraph.layout(_ENDLESS)
    return paragraph


@lru_cache(maxsize=65536)
def measure(text: str, face: Face, size: float) -> float:
    """The width in pixels of one line, kerned; trailing spaces count."""
    if not text:
        return 0.0
    return _longest(text + "|", face, size) - _guard(face, size)


@lru_cache(maxsize=1024)
def _guard(face: Face, size: float) -> float:
    """The width of what keeps trailing spaces from being left out."""
    return _longest("|", face, size)


def _longest(text: str, face: Face, size: float) -> float:
    return float(_paragraph(text, face, size, "#000000").LongestLine)


def wrap(text: str, face: Face, size: float, width: float) -> tuple[str, ...]:
    """Break ``text`` into as few lines as ``width`` allows, evened out; long words are cut, never lost."""
    words = [piece for word in text.split(" ") for piece in _cut(word, face, size, width)]
    lines = _greedy(words, face, size, width)
    if len(lines) < 2:
        return lines
    low, high = width * 0.5, width
    for _ in range(6):
        middle = (low + high) / 2
        fits = len(_greedy(words, face, size, middle)) == len(lines)
        low, high = (low, middle) if fits else (middle, high)
    return _greedy(words, face, size, high)


def _greedy(words: Sequence[str], face: Face, size: float, width: float) -> tuple[str, ...]:
    lines: list[str] = []
    for word in words:
        if lines and measure(f"{lines[-1]} {word}", face, size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return tuple(lines)


def _cut(word: str, face: Face, size: float, width: float) -> list[str]:
    """``word`` in pieces no wider than ``width``, best after a separator."""
    if measure(word, face, size) <= width:
        return [word]
    pieces = [""]
    for part in re.findall(r"[^/\\._\-:=&?\u00a0]+[/\\._\-:=&?\u00a0]*|[/\\._\-:=&?\u00a0]+", word):
        rest = part
        if measure(pieces[-1] + rest, face, size) > width and pieces[-1]:
            pieces.append("")
        while measure(pieces[-1] + rest, face, size) > width and len(rest) > 1:
            at = next(n for n in range(len(rest), 0, -1) if n == 1 or measure(rest[:n], face, size) <= width)
            pieces[-1:] = [rest[:at], ""]
            rest = rest[at:]
        pieces[-1] += rest
    return [piece.rstrip(HELD) for piece in pieces if piece]


@lru_cache(maxsize=8192)
def block(text: str, face: Face, size: float, width: float, leading: float = 1.25) -> Block:
    lines = wrap(showable(text), face, size, width)
    widest = max((measure(line, face, size) for line in lines), default=0.0)
    return Block(lines, face, size, widest, size * leading)


def fit(
    text: str, face: Face, box: tuple[float, float], sizes: tuple[float, float], leading: float = 1.25
) -> Block:
    """The text at the largest size that fits ``box`` (width, height); ``sizes`` is (smallest, largest)."""
    return fit_all([text], face, [box], sizes, leading)[0]


def fit_all(
    texts: Sequence[str],
    face: Face,
    boxes: Sequence[tuple[float, float]],
    sizes: tuple[float, float],
    leading: float = 1.25,
    *,
    whole_words: bool = False,
) -> list[Block]:
    """All texts at the one largest size at which each fits its box; raises Unfit below the smallest.

    A word too wide is cut only near the smallest size; with ``whole_words`` it raises Unfit instead.
    """
    smallest, size = sizes
    while True:
        made = [block(text, face, size, box[0], leading) for text, box in zip(texts, boxes, strict=True)]
        if all(b.height <= box[1] and b.width <= box[0] for b, box in zip(made, boxes, strict=True)):
            may_cut = size <= smallest * 1.2 and not whole_words
            if may_cut or not any(_cuts_words(b, text) for b, text in zip(made, texts, strict=True)):
                return made
        if size <= smallest:
            raise Unfit(f"too long to be readable: {max(texts, key=len)[:60]!r}")
        size = max(size * 0.94, smallest)


def _cuts_words(made: Block, text: str) -> bool:
    return " ".join(made.lines) != showable(text)


def draw_line(
    canvas: Canvas, text: str, face: Face, size: float, at: tuple[float, float], colour: str
) -> None:
    """One line of text; ``at`` is its left end and its baseline."""
    paragraph = _paragraph(text, face, size, colour)
    paragraph.paint(canvas, at[0], at[1] - paragraph.AlphabeticBaseline)


def draw_block(canvas: Canvas, made: Block, box: Rect, colour: str, align: Align = "left") -> None:
    """The block from the top of ``box``, each line aligned in its width."""
    for index, line in enumerate(made.lines):
        spare = box.w - measure(line, made.face, made.size) if align != "left" else 0.0
        x = box.x + (spare / 2 if align == "center" else spare)
        draw_line(canvas, line, made.face, made.size, (x, box.y + baseline(made, index)), colour)


def baseline(made: Block, index: int) -> float:
    """How far under the block's top line ``index`` stands: its capitals are centred in the leading."""
    return made.leading * (index + 0.5) + made.size * 0.364
