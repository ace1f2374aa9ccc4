"""The narration with its sources. ``script.txt`` is this, as a person reads and edits it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.contract import EditError, StageError
from stages.sentences import split_sentences

HEADER = """\
# script.txt - what the voice says. Edit it freely: the storyboard, the voice and the captions follow.
#
#   == Heading ==      begins a part; the heading is shown, not spoken.
#   An empty line      begins a new paragraph: one idea, one picture.
#   [f012]             after a sentence names the item of research.json it rests on; it is not spoken.
#                      A sentence of your own needs none.
#   show: f012         before a paragraph shows that list, table, code or quote while it is spoken.
#                      Also: show: title | statement | list | recap | sources
#   {nginx|engine x}   is shown as the first and spoken as the second. `code` is shown without quotes.
#   # ...              is a note like this one.
"""
LAYOUTS = ("title", "statement", "list", "recap", "sources")
HEADING = re.compile(r"^\s*(?:={2,}\s*(?P<a>.*?)\s*=*|#{2,}\s*(?P<b>.*?)\s*#*)\s*$")
MARKER = re.compile(r"\[\s*(f\d+(?:\s*[,;]\s*f\d+)*)\s*\]", re.I)
SHOW = re.compile(r"^\s*show\s*[:=]\s*\[?(?P<what>[^\]#]*?)\]?\s*$", re.I)
TITLE = re.compile(r"^\s*title\s*:\s*(?P<title>.+?)\s*$", re.I)


@dataclass(frozen=True)
class Line:
    """One sentence of the narration, as it is written, and the items it rests on."""

    text: str
    items: tuple[str, ...] = ()
    number: int = 0
    """The line of script.txt, from 1; 0 before it is printed."""


@dataclass(frozen=True)
class Paragraph:
    """One idea: what is said, and what is shown with it (an item id, a layout, or nothing)."""

    lines: tuple[Line, ...]
    show: str = ""

    @property
    def text(self) -> str:
        return " ".join(line.text for line in self.lines)

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item for line in self.lines for item in line.items))


@dataclass(frozen=True)
class ScriptPart:
    """One part under its heading."""

    heading: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Script:
    """The whole narration."""

    title: str
    parts: tuple[ScriptPart, ...]

    @property
    def paragraphs(self) -> Iterator[tuple[ScriptPart, Paragraph]]:
        return ((part, paragraph) for part in self.parts for paragraph in part.paragraphs)

    @property
    def text(self) -> str:
        return " ".join(paragraph.text for _, paragraph in self.paragraphs)


def print_script(script: Script, notes: Sequence[str] = ()) -> str:
    """The text of script.txt: a sentence a line."""
    lines = [HEADER, f"Title: {script.title}"]
    for part in script.parts:
        lines += ["", f"== {part.heading} =="]
        for paragraph in part.paragraphs:
            lines += ["", *([f"show: {paragraph.show}"] if paragraph.show else [])]
            lines += [line.text + "".join(f" [{item}]" for item in line.items) for line in paragraph.lines]
    lines += ["", *(f"# Note: {note}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def load_script(run_dir: Path, known: Collection[str]) -> Script:
    """Read ``script.txt`` from a run directory. Raises StageError if it is missing or not understood."""
    path = run_dir / "script.txt"
    if not path.exists():
        raise StageError("script.txt is missing", "run the stage script first")
    try:
        return parse_script(path.read_text(encoding="utf-8-sig"), known)
    except UnicodeDecodeError:
        raise EditError("script.txt is not UTF-8 text", "save it as UTF-8") from None


def parse_script(text: str, known: Collection[str]) -> Script:
    """Read a script as a person may have left it; ``known`` are the ids of research.json.

    Raises StageError, with the line, for a marker that names nothing, and for a script that says nothing.
    """
    title = ""
    read = _Reading()
    for number, raw in enumerate(text.replace("\r", "").split("\n"), 1):
        if heading := HEADING.match(raw):
            read.begin((heading["a"] or heading["b"] or "").strip())
        elif raw.lstrip().startswith("#"):
            continue
        elif not raw.strip():
            read.close()
        elif not read.parts and not read.held and (match := TITLE.match(raw)):
            title = match["title"]
        elif match := SHOW.match(raw):
            read.close()
            read.show = _show(match["what"], number, known)
        else:
            read.held += _lines(raw, number, known)
    read.close()
    filled = tuple(ScriptPart(heading, tuple(paragraphs)) for heading, paragraphs in read.parts if paragraphs)
    if not filled:
        raise EditError(
            "script.txt says nothing", "write at least one sentence, or reject the gate with notes"
        )
    return Script(title or filled[0].heading, filled)


@dataclass
class _Reading:
    """The parts so far, and the paragraph that is being read."""

    parts: list[tuple[str, list[Paragraph]]] = field(default_factory=list)
    held: list[Line] = field(default_factory=list)
    show: str = ""

    def begin(self, heading: str) -> None:
        """A part; what was to be shown before it shows nothing."""
        self.close()
        self.show = ""
        self.parts.append((heading, []))

    def close(self) -> None:
        """The paragraph ends, if one has begun; what stands before the first heading has a part without one."""
        if self.held:
            if not self.parts:
                self.parts.append(("", []))
            self.parts[-1][1].append(Paragraph(tuple(self.held), self.show))
            self.held, self.show = [], ""


def _lines(raw: str, number: int, known: Collection[str]) -> Iterator[Line]:
    """The sentences of one line; a marker belongs to the sentence before it."""
    at = 0
    for text, markers in _marked(raw):
        ids = [name.lower() for marker in markers for name in re.split(r"\s*[,;]\s*", marker)]
        for name in ids:
            _check(name, number, known)
        stray = re.search(r"\[\s*f\d+[^\]]*$|(?<!\[)\bf\d{3,}\s*\]", text)
        if stray:
            raise EditError(
                f"script.txt line {number}: the marker {stray[0].strip()!r} is not closed",
                "write it as [f012]",
            )
        sentences = [sentence.text for sentence in split_sentences(text)]
        if not sentences and ids and not at:
            raise EditError(
                f"script.txt line {number}: the marker [{ids[0]}] follows no sentence",
                "put it at the end of the sentence that rests on it",
            )
        for place, sentence in enumerate(sentences, 1):
            at += 1
            yield Line(sentence, tuple(ids) if place == len(sentences) else (), number)


def _marked(raw: str) -> Iterator[tuple[str, list[str]]]:
    """Stretches of text, each with the markers that follow it directly."""
    pieces = MARKER.split(raw)
    texts, markers = pieces[0::2], pieces[1::2]
    held, ids = texts[0], list[str]()
    for following, marker in zip(texts[1:], markers, strict=True):
        ids.append(marker)
        text = following
        # "sentence [f001]." keeps its full stop.
        stop = re.match(r"\s*[.!?]+(?=\s|$)", text)
        if stop and held.rstrip()[-1:].isalnum():
            held, text = held.rstrip() + stop[0].strip(), text[stop.end() :]
        if not re.search(r"\w", text):
            continue
        yield held.strip(), ids
        held, ids = text, []
    if held.strip() or ids:
        yield held.strip(), ids


def _check(name: str, number: int, known: Collection[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, list(known), 1)
        hint = f"did you mean [{near[0]}]? " if near else ""
        raise EditError(
            f"script.txt line {number}: [{name}] is not an item of research.json",
            f"{hint}correct it, or remove the marker if the sentence is your own",
        )


def _show(what: str, number: int, known: Collection[str]) -> str:
    what = what.strip().lower()
    if re.fullmatch(r"f\d+", what):
        _check(what, number, known)
        return what
    if what in LAYOUTS or not what:
        return what
    near = difflib.get_close_matches(what, LAYOUTS, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise EditError(
        f"script.txt line {number}: nothing can be shown as {what!r}",
        f"{hint}write show: and an item such as f012, or one of {', '.join(LAYOUTS)}",
    )
