"""Scenes before they have times: what is said, what is shown, and which word brings each part of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from stages.cardtext import headline
from stages.items import Item, Research
from stages.scenes import Statement
from stages.script_text import Line, Paragraph, Script, ScriptPart
from stages.sections import shown_heading
from stages.sentences import count_words, points_back
from stages.shape import Look, Shape
from stages.shapes import CARD_MOST, PAIR_MOST, shape_of

SCENE_LEAST = 7
SCENE_WORDS = 30
"""Prose beyond this is divided: about twelve seconds of one picture."""
TITLE_WORDS = 16
JOINED_WORDS = 40
PARTS_A_SCENE = 6
DIVISIBLE = ("list", "steps", "recap", "timeline")
"""Layouts whose parts are sentences: half of the sentences is half of the picture."""
UNSHOWN = {"opening", "close", "closing", "end"}
"""Headings that name a place in the video and not a subject."""

NOWHERE = ScriptPart("", ())


@dataclass(frozen=True)
class Draft:
    """One scene without its times."""

    heading: str
    lines: tuple[Line, ...]
    shape: Shape
    items: tuple[str, ...]
    note: str = ""
    """What could not be shown as it should."""
    refused: bool = False
    """Whether it stays as it was although a person asked for something else."""
    part: ScriptPart = NOWHERE
    """Where in the script it stands."""
    show: str = ""
    """What its paragraph asks to be shown."""

    @property
    def text(self) -> str:
        return " ".join(line.text for line in self.lines)


def drafts_of(
    script: Script, research: Research, audience: str = "", fits: Callable[[Draft], bool] | None = None
) -> list[Draft]:
    """The scenes of a script, in order; what does not fit the frame is divided, or told without its picture."""
    return drafts_in(frame_of(script, research, audience, fits))


def frame_of(
    script: Script, research: Research, audience: str = "", fits: Callable[[Draft], bool] | None = None
) -> Frame:
    return Frame(script, research, Look(f"for {audience}" if audience else ""), fits)


def drafts_in(frame: Frame) -> list[Draft]:
    pieces = [piece for part, paragraph in frame.script.paragraphs for piece in _pieces(part, paragraph)]
    return [draft for part, paragraph in _joined(pieces) for draft in fitting(part, paragraph, frame)]


def fitting(part: ScriptPart, paragraph: Paragraph, frame: Frame) -> list[Draft]:
    """A paragraph as one scene; as several, or without its picture, where the frame has no room for it."""
    draft = draft_of(part, paragraph, frame)
    if frame.fits is None or frame.fits(draft):
        return [draft]
    middle = -(-len(paragraph.lines) // 2)
    if draft.shape.content.layout in DIVISIBLE and middle < len(paragraph.lines):
        halves = [
            Paragraph(lines, paragraph.show) for lines in (paragraph.lines[:middle], paragraph.lines[middle:])
        ]
        return [each for half in halves for each in fitting(part, half, frame)]
    plain = draft_of(part, paragraph, replace(frame, look=replace(frame.look, layout="statement")))
    if plain.shape.content.layout == draft.shape.content.layout or not frame.fits(plain):
        return [draft]
    kind = draft.shape.content.layout
    return [replace(plain, note=f"its {kind} is too large for the frame and is told without being shown")]


def _joined(pieces: Sequence[tuple[ScriptPart, Paragraph]]) -> list[tuple[ScriptPart, Paragraph]]:
    """Single sentences of one part that follow each other are told over one picture, two and two.

    One with a number stays alone: it is shown large.
    """
    done: list[tuple[ScriptPart, Paragraph]] = []
    closed = True
    for part, paragraph in pieces:
        alone = _joinable(paragraph)
        if alone and not closed and done[-1][0] is part:
            together = (*done[-1][1].lines, *paragraph.lines)
            if sum(count_words(line.text) for line in together) <= JOINED_WORDS:
                done[-1] = part, Paragraph(together)
                closed = True
                continue
        done.append((part, paragraph))
        closed = not alone
    return done


def _joinable(paragraph: Paragraph) -> bool:
    if paragraph.show or len(paragraph.lines) != 1:
        return False
    text = headline(paragraph.lines[0].text)
    return len(text) <= PAIR_MOST and not re.search(r"\d", text)


@dataclass(frozen=True)
class Frame:
    """What a scene needs to know of the whole."""

    script: Script
    research: Research
    look: Look
    fits: Callable[[Draft], bool] | None = None
    """Whether a draft's texts have room; without it they are taken to."""

    @cached_property
    def items(self) -> dict[str, Item]:
        return {item.id: item for item in self.research.items}


def draft_of(part: ScriptPart, paragraph: Paragraph, frame: Frame) -> Draft:
    """A paragraph as one scene, whether it fits or not."""
    items = frame.items
    shown = items.get(paragraph.show) or _shown_by_itself(paragraph, items)
    cited = [
        name for name in dict.fromkeys((*paragraph.items, *([shown.id] if shown else []))) if name in items
    ]
    heading = "" if part.heading.lower() in UNSHOWN else shown_heading(part.heading)
    if paragraph.show == "sources":
        heading = "Sources"
    elif paragraph.show == "recap" and not heading:
        heading = "To sum up"
    asked = _asks(paragraph.lines, heading)
    told = replace(paragraph, lines=paragraph.lines[asked:])
    shape = _later(shape_of(told, shown, frame.script, frame.research, frame.look), asked)
    content = shape.content
    if isinstance(content, Statement) and _same(content.text, heading):
        heading = ""  # the picture says it large
    return Draft(
        shape.heading or heading, paragraph.lines, shape, tuple(cited), part=part, show=paragraph.show
    )


def _asks(lines: Sequence[Line], heading: str) -> int:
    """How many sentences say nothing but the heading, which the picture has: 1 or none."""
    return int(len(lines) > 1 and _same(lines[0].text, heading))


def _same(one: str, other: str) -> bool:
    return re.findall(r"\w+", one.lower()) == re.findall(r"\w+", other.lower()) != []


def _later(shape: Shape, lines: int) -> Shape:
    """The shape of what follows some spoken lines: its parts come with the sentences that much later."""
    cues = tuple(cue and replace(cue, line=cue.line + lines) for cue in shape.cues)
    return replace(shape, cues=cues)


def _shown_by_itself(paragraph: Paragraph, items: Mapping[str, Item]) -> Item | None:
    """The list, table, code or quote that all of a paragraph rests on, if it names none to show."""
    cited = [items[name] for name in paragraph.items if name in items]
    only = len(cited) == 1 and not paragraph.show
    return cited[0] if only and cited[0].kind not in ("fact", "number") else None


def _pieces(part: ScriptPart, paragraph: Paragraph) -> Iterator[tuple[ScriptPart, Paragraph]]:
    """A paragraph divided; a heading that is said first, as a question is, stays before the first piece."""
    asked = _asks(paragraph.lines, shown_heading(part.heading))
    question = paragraph.lines[:asked]
    for _, piece in _divided(part, replace(paragraph, lines=paragraph.lines[asked:])):
        yield part, replace(piece, lines=(*question, *piece.lines))
        question = ()


def _divided(part: ScriptPart, paragraph: Paragraph) -> Iterator[tuple[ScriptPart, Paragraph]]:
    """A paragraph as pieces that are not too long for one picture."""
    if paragraph.show == "title":
        first = _opening_lines(paragraph.lines)
        yield part, Paragraph(paragraph.lines[:first], "title")
        rest = paragraph.lines[first:]
        yield from ((part, Paragraph(lines)) for lines in _leaning([*_chunks(rest)]))
    elif re.fullmatch(r"f\d+", paragraph.show) or paragraph.show in ("recap", "sources", "list"):
        yield from ((part, Paragraph(lines, paragraph.show)) for lines in _long_list(paragraph.lines))
    else:
        yield from (
            (part, Paragraph(lines, paragraph.show)) for lines in _leaning([*_chunks(paragraph.lines)])
        )


def _opening_lines(lines: Sequence[Line]) -> int:
    """How many sentences the title card stays for."""
    count = 1
    while count < len(lines) and sum(count_words(line.text) for line in lines[: count + 1]) <= TITLE_WORDS:
        count += 1
    return count


def _long_list(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """A list with more parts than a card holds, in even pieces."""
    pieces = -(-len(lines) // (PARTS_A_SCENE + 1))
    size = -(-len(lines) // pieces)
    return (tuple(lines[at : at + size]) for at in range(0, len(lines), size))


def _chunks(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """Sentences together while they are short enough for one scene, evenly."""
    total = sum(count_words(line.text) for line in lines)
    pieces = max(1, -(-total // SCENE_WORDS))
    held: list[Line] = []
    for line in lines:
        words = sum(count_words(each.text) for each in held)
        full = words + count_words(line.text) > SCENE_WORDS or words >= total / pieces
        # A sentence that no card holds gets a picture of its own.
        most = PAIR_MOST if len(held) == 1 else CARD_MOST
        long = any(len(headline(each.text)) > most for each in (line, *held))
        short = min(words, count_words(line.text)) < SCENE_LEAST
        if held and (full or long) and not (short and words + count_words(line.text) <= SCENE_WORDS):
            yield tuple(held)
            held = []
        held.append(line)
    if held:
        yield tuple(held)


def _leaning(chunks: Sequence[tuple[Line, ...]]) -> list[tuple[Line, ...]]:
    """The chunks, where one that begins with "they" or "it" has the sentence before it in the same picture."""
    done: list[tuple[Line, ...]] = []
    for chunk in chunks:
        before = done[-1] if done else ()
        together = (*before[-1:], *chunk)
        if (
            len(before) > 1
            and points_back(chunk[0].text)
            and sum(count_words(line.text) for line in before[:-1]) >= SCENE_LEAST
            and sum(count_words(line.text) for line in together) <= SCENE_WORDS
            and all(len(headline(line.text)) <= PAIR_MOST for line in together)
        ):
            done[-1:] = [before[:-1], together]
        else:
            done.append(chunk)
    return done
