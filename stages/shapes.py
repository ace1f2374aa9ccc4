"""The layout of a scene, chosen by the shape of what it tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.cardtext import CARD, STATEMENT, bare, emphasis, headline, names, overlap, strongest_clause
from stages.code_words import spoken_of
from stages.dates import divided
from stages.figures import figures_of
from stages.items import Item, Research
from stages.passages import MAX_CODE_LINES
from stages.scenes import (
    Bullets,
    Chart,
    Code,
    Comparison,
    Content,
    Event,
    Point,
    Quote,
    Recap,
    SourcesCard,
    Statement,
    Steps,
    Table,
    Timeline,
    Title,
)
from stages.script_text import Line, Paragraph, Script
from stages.sections import shown_heading
from stages.sentences import count_words

TIGHT = 40
MOST = 130
CARD_MOST = 84
"""Characters that a card may have at all; a longer sentence is shown alone."""
PAIR_MOST = 124
"""Characters that each of two cards may have: they are twice as high."""
MAX_ROWS = 7
SOURCES_MOST = 8
LEAD_MOST = 40
"""Characters of a lead that can be a heading."""
GENERIC = re.compile(
    r"\b(default|description|what|type|notes?|meaning|limits?|value|example|comment|details?|purpose|use)\b",
    re.I,
)
NAME_WORDS = 3
"""A term with more words is a sentence of its own, and stands against no other."""
TERM = re.compile(r"^(?P<term>[^:–—]{2,40}?)\s*(?::|\s[–—]|\s-)\s+(?P<rest>.+)$")


@dataclass(frozen=True)
class Cue:
    """What brings a part on: the first word of a sentence, or words within one."""

    line: int
    words: str = ""


@dataclass(frozen=True)
class Look:
    """What the whole video says of a scene's look."""

    subtitle: str = ""
    tight: bool = False
    layout: str = ""
    """The layout that a person asked for; empty: by its shape."""


@dataclass(frozen=True)
class Shape:
    """What a scene shows, and the cue of each of its parts; None lies between its neighbours."""

    content: Content
    cues: tuple[Cue | None, ...]
    heading: str = ""
    """What the picture shows, where that says more than the part's heading."""


def shape_of(
    paragraph: Paragraph, shown: Item | None, script: Script, research: Research, look: Look
) -> Shape:
    """The layout for a paragraph: the one that is asked for, else the one its material has."""
    lines = paragraph.lines
    asked = look.layout or (paragraph.show if not shown else "")
    if asked == "title":
        cues = (Cue(0), Cue(0)) if look.subtitle else (Cue(0),)
        shape = Shape(Title(title=bare(script.title), subtitle=look.subtitle), cues)
    elif asked == "sources":
        shape = _sources(script, research)
    elif asked == "statement":
        shape = _whole(lines) if together(lines) else _statement(lines, look)
    elif asked == "steps":
        shape = _list(lines, _only_list(lines, research), "steps", look)
    elif asked in ("list", "recap"):
        shape = _list(lines, _only_list(lines, research), asked, look)
    elif asked == "quote":
        shape = _quote(lines, "")
    elif shown:
        shape = _shown(lines, shown, research, look)
    else:
        shape = _prose(lines, look)
    return shape


def _shown(lines: Sequence[Line], item: Item, research: Research, look: Look) -> Shape:
    if item.kind in ("list", "steps"):
        shape = _timeline(lines) or _list(lines, item, item.kind, look)
    elif item.kind == "table":
        shape = _timeline(lines) or _table(lines, item)
    elif item.kind == "code":
        code = Code(language=item.language, lines=item.parts[:MAX_CODE_LINES])
        shape = Shape(code, _line_cues(lines, code.lines))
    elif item.kind == "quote":
        titles = {document.name: document.title for document in research.documents}
        shape = _quote(lines, item.parts[0] if item.parts else titles.get(item.source, item.source))
    else:
        shape = _prose(lines, look)
    return shape


def _prose(lines: Sequence[Line], look: Look) -> Shape:
    """Sentences that show nothing else: one is a statement, several are cards if they are short enough."""
    if timeline := _timeline(lines):
        return timeline
    most = CARD_MOST if len(lines) > 2 else PAIR_MOST
    if len(lines) == 1 or any(len(headline(line.text)) > most for line in lines):
        return _statement(lines, look)
    return _list(lines, None, "points", look)


def _timeline(lines: Sequence[Line]) -> Shape | None:
    """Sentences that each begin with a date, after at most one that leads to them."""
    parts = [divided(bare(re.sub(r"^(?:On|From|In the) ", "", line.text))) for line in lines]
    first = 0 if parts and parts[0] else 1
    if len(parts) - first < 2 or len(parts) - first > 6 or not all(parts[first:]):
        return None
    events = [Event(when=part[0], text=headline(_capital(part[1]))) for part in parts if part]
    if any(len(event.text) > CARD_MOST for event in events):
        return None
    cues = tuple(Cue(first + place, event.when) for place, event in enumerate(events))
    return Shape(Timeline(events=events), cues)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _statement(lines: Sequence[Line], look: Look) -> Shape:
    """One sentence, large; of several the shortest that says something."""
    place = max(range(len(lines)), key=lambda at: (len(lines[at].text) <= MOST, len(lines[at].text)))
    text = strongest_clause(lines[place].text, TIGHT if look.tight else STATEMENT)
    strong = emphasis(lines[place].text, text)
    return Shape(Statement(text=text, emphasis=strong), (Cue(0),))


def together(lines: Sequence[Line]) -> str:
    """Several sentences as one large text; empty if they are too long for that, or one alone."""
    text = headline(" ".join(line.text for line in lines), MOST)
    return text if len(lines) > 1 and len(text) <= MOST else ""


def _whole(lines: Sequence[Line]) -> Shape:
    """All of the sentences, large."""
    text = together(lines)
    strong = next(filter(None, (emphasis(line.text, headline(line.text, MOST)) for line in lines)), "")
    return Shape(Statement(text=text, emphasis=strong if strong in text else ""), (Cue(0),))


def _quote(lines: Sequence[Line], source: str) -> Shape:
    text = " ".join(bare(line.text) for line in lines).strip('"“”')
    return Shape(Quote(text=text, attribution=bare(source)), (Cue(0), Cue(len(lines) - 1)))


def _list(lines: Sequence[Line], item: Item | None, kind: str, look: Look) -> Shape:
    """A card a sentence; the sentence that leads to the list has none."""
    if len(lines) == 1 and (within := _enumerated(lines[0].text)):
        lead = bare(lines[0].text).partition(":")[0]
        heading = lead if len(lead) <= LEAD_MOST else ""
        return Shape(Bullets(items=within), tuple(Cue(0, part) for part in within), heading)
    first = 1 if len(lines) > 1 and _is_lead(lines[0], item, kind) else 0
    told = lines[first:][:6]
    cues = tuple(Cue(first + place) for place in range(len(told)))
    texts = [headline(line.text, TIGHT if look.tight else CARD) for line in told]
    if kind == "recap":
        return Shape(Recap(items=texts[:5]), cues[:5])
    if len(texts) < 2:
        return _statement(lines, look)
    if kind == "steps":
        return Shape(Steps(items=texts), cues)
    terms = [TERM.match(bare(line.text)) for line in told]
    pair = [term for term in terms if term and count_words(term["term"]) <= NAME_WORDS]
    if kind == "list" and len(told) == 2 and len(pair) == 2:
        left, right = pair
        content = Comparison(
            left_heading=left["term"],
            left=[headline(left["rest"])],
            right_heading=right["term"],
            right=[headline(right["rest"])],
        )
        return Shape(content, cues)
    return Shape(Bullets(items=texts), cues)


def _only_list(lines: Sequence[Line], research: Research) -> Item | None:
    """The list that all of some sentences rest on, if it is one."""
    items = [research.item(name) for name in dict.fromkeys(name for line in lines for name in line.items)]
    only = items[0] if len(items) == 1 else None
    return only if only and only.kind in ("list", "steps") else None


def _is_lead(line: Line, item: Item | None, kind: str) -> bool:
    """Whether a sentence only leads to a list."""
    if item is not None:
        return all(overlap(line.text, part) < 0.6 for part in item.parts)
    return kind == "recap" and (not line.items or line.text.rstrip().endswith(":"))


def _enumerated(sentence: str) -> list[str]:
    """The parts of "In a minute: one, two, and three."; empty if it is no such sentence."""
    _, colon, rest = bare(sentence).rstrip(".").partition(": ")
    joints = r";\s+(?:and\s+)?" if ";" in rest else r",\s+(?:and\s+)?|\s+and\s+(?=[^,]*$)"
    parts = [part.strip() for part in re.split(joints, rest)] if colon else []
    parts = [part for part in parts if part and part.lower() != "more"]
    return (
        [part if re.match(r"\S*[_()]", part) else _capital(part) for part in parts]
        if 2 <= len(parts) <= 6
        else []
    )


def _table(lines: Sequence[Line], item: Item) -> Shape:
    figures = figures_of(item.columns, item.rows)
    if figures and len(item.columns) == 2:
        unit = figures.unit
        points = [
            Point(label=label, value=value)
            for label, value in zip(figures.labels, figures.values, strict=True)
        ]
        axes = f"{figures.heading} by {figures.label_heading[:1].lower()}{figures.label_heading[1:]}"
        return Shape(
            Chart(unit=unit, decimals=figures.decimals, points=points),
            _point_cues(lines, figures.labels),
            bare(axes),
        )
    rows = [[bare(cell) for cell in row] for row in item.rows[:MAX_ROWS]]
    columns = [bare(column) for column in item.columns]
    if comparison := _comparison(columns, rows):
        return Shape(comparison, _point_cues(lines, columns[1:]))
    return Shape(Table(columns=columns, rows=rows), _point_cues(lines, [row[0] for row in rows]))


def _comparison(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Comparison | None:
    """A table that sets two things against each other."""
    if (
        len(columns) != 3
        or len(rows) > 5
        or any(len(row) != 3 for row in rows)
        or GENERIC.search(" ".join(columns[1:]))
    ):
        return None
    if any(re.search(r"\d", row[1]) or re.search(r"\d", row[2]) for row in rows):
        return None
    return Comparison(
        left_heading=columns[1],
        left=[f"{row[0]}: {row[1]}" for row in rows],
        right_heading=columns[2],
        right=[f"{row[0]}: {row[2]}" for row in rows],
    )


def _point_cues(lines: Sequence[Line], labels: Sequence[str]) -> tuple[Cue | None, ...]:
    """Each row comes with the sentence that names it; the first with the first sentence."""
    cues: list[Cue | None] = []
    for label in labels:
        named = [at for at, line in enumerate(lines) if names(line.text, label)]
        cues.append(Cue(named[0]) if named else None)
    shared = [cue for cue in cues if cue is not None and cues.count(cue) > 1]
    cues = [
        replace(cue, words=label) if cue in shared and cue is not None else cue
        for cue, label in zip(cues, labels, strict=True)
    ]
    if cues and cues[0] is None:
        cues[0] = Cue(0)
    return tuple(cues)


def _line_cues(lines: Sequence[Line], code: Sequence[str]) -> tuple[Cue | None, ...]:
    """Each line of code comes with the word that names something in it; the first with the first sentence."""
    words = [(at, word) for at, line in enumerate(lines) for word in bare(line.text).split()]
    named = {line: words[word] for line, word in spoken_of(code, [word for _, word in words]).items()}
    first = () if 0 in named else (Cue(0),)
    return (*first, *(Cue(*named[at]) if at in named else None for at in range(len(first), len(code))))


def _sources(script: Script, research: Research) -> Shape:
    """What the script cites: of one source its parts, of several the documents, with lines or pages."""
    cited = {name for _, paragraph in script.paragraphs for name in paragraph.items}
    used = [item for item in research.items if item.id in cited]
    titles = {document.name: document.title for document in research.documents}
    grouped: dict[tuple[str, str], list[Item]] = {}
    for item in used:
        part = shown_heading(item.section) if len(titles) == 1 else ""
        grouped.setdefault((item.source, part or titles.get(item.source, item.source)), []).append(item)
    if len(titles) == 1:
        (name, title), *_ = titles.items()
        entries = [f"{bare(title)} — {name}"] if grouped else []
        entries += [
            f"{bare(part).rstrip('?')}, {_places(items)}"
            for (_, part), items in grouped.items()
            if part != title
        ]
    else:
        entries = [f"{bare(title)} — {name}, {_places(items)}" for (name, title), items in grouped.items()]
    entries = entries or [f"{bare(title)} — {name}" for name, title in titles.items()]
    more = len(entries) - SOURCES_MOST
    shown = entries if more <= 0 else [*entries[: SOURCES_MOST - 1], f"{more + 1} more passages"]
    return Shape(SourcesCard(items=shown), tuple(Cue(0) for _ in shown))


def _places(items: Sequence[Item]) -> str:
    pages = sorted({item.page for item in items if item.page})
    numbers = pages or sorted({item.line for item in items})
    word = "page" if pages else "line"
    return f"{word} {numbers[0]}" if len(numbers) == 1 else f"{word}s {numbers[0]}–{numbers[-1]}"
