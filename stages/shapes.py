"""The layout of a scene, chosen by the shape of what it tells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.cardtext import CARD, STATEMENT, bare, emphasis, headline, overlap, strongest_clause
from stages.code_words import spoken_of
from stages.dates import divided
from stages.items import Item, Research
from stages.passages import MAX_CODE_LINES
from stages.scenes import (
    Bullets,
    Code,
    Comparison,
    Event,
    Quote,
    Recap,
    Statement,
    Steps,
    Timeline,
    Title,
)
from stages.script_text import Line, Paragraph, Script
from stages.sentences import count_words
from stages.shape import Cue, Look, Shape
from stages.sources_card import sources_shape
from stages.table_shapes import table_shape

TIGHT = 40
MOST = 130
CARD_MOST = 84
"""Characters that a card may have at all; a longer sentence is shown alone."""
PAIR_MOST = 124
"""Characters that each of two cards may have: they are twice as high."""
LEAD_MOST = 40
"""Characters of a lead that can be a heading."""
NAME_WORDS = 3
"""A term with more words is a sentence of its own, and stands against no other."""
TERM = re.compile(r"^(?P<term>[^:–—]{2,40}?)\s*(?::|\s[–—]|\s-)\s+(?P<rest>.+)$")


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
        shape = sources_shape(script, research)
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
        shape = _timeline(lines) or table_shape(lines, item)
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


def _line_cues(lines: Sequence[Line], code: Sequence[str]) -> tuple[Cue | None, ...]:
    """Each line of code comes with the word that names something in it; the first with the first sentence."""
    words = [(at, word) for at, line in enumerate(lines) for word in bare(line.text).split()]
    named = {line: words[word] for line, word in spoken_of(code, [word for _, word in words]).items()}
    first = () if 0 in named else (Cue(0),)
    return (*first, *(Cue(*named[at]) if at in named else None for at in range(len(first), len(code))))
