"""How each research item is told: a fact as it stands, a list with a lead, a table by its ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stages.callee import whole, whole_member
from stages.dates import at, dated, divided, is_date
from stages.figures import every_figures, tell
from stages.items import Item
from stages.said_numbers import MONTHS, cardinal
from stages.script_text import Line
from stages.sections import CLOSING, shown_heading
from stages.sentences import MAX_WORDS, count_words, is_sentence, shorten, split_sentences

MAX_PARTS = 6
FEW_WORDS = 3
"""A member of a list with no more is a name and no sentence."""
FEW_ROWS = 4
MAX_PAIRS, PAIR_WORDS = 7, 8
"""Rows of a table that are each read out; more of them where they are short."""
GENERIC = re.compile(
    r"^\W*$|\b(defaults?|descriptions?|what|types?|notes?|meanings?|values?|examples?|comments?|details?|"
    r"purpose|use|ideas?|definitions?|amounts?|quantit(?:y|ies))\b",
    re.I,
)
"""Headings of columns and rows that say nothing about a cell."""
MAX_CODE_LINES = 12
MAX_CODE_WIDTH = 88


UNFINISHED = re.compile(
    r"\b(?:using|with|by|as|like|is|are|be|to|of|for|in|from|via|calling|running|and|or|the|a|an|follows)\.$",
    re.I,
)
"""A lead that only its list, table or code would end ("It can be opened with:")."""


NO_LEAD = re.compile(
    r"(?:so|and|or|but)\b|(?:so,? |here (?:are|is) )?the following\b|"
    r"here (?:are|is) .*\b(?:it|its|they|their|them|this|that|these|those|above|below)\b",
    re.I,
)
"""A lead that leans on what stands before it, which may not be told."""


def tell_item(item: Item) -> tuple[Line, ...]:
    """The sentences that tell an item, each naming it; empty if it cannot be told."""
    if item.kind in ("fact", "number"):
        told = whole(item.text, item.section, opens=item.paragraph == 0)
        return tuple(Line(part, (item.id,)) for part in shorten(told))
    tellers = {"quote": _quote, "steps": _steps, "list": _list, "table": _table, "code": _code}
    lines = tuple(Line(text, (item.id,)) for text in tellers[item.kind](item))
    return lines if all(count_words(line.text) <= MAX_WORDS for line in lines) else ()


def _quote(item: Item) -> Iterator[str]:
    for sentence in split_sentences(item.text):
        yield from shorten(sentence.text)


def _steps(item: Item) -> Iterator[str]:
    parts = _short_parts(item)
    if len(parts) != len(item.parts) or not 2 <= len(parts) <= MAX_PARTS:
        return
    yield _lead(item, f"{cardinal(len(parts)).capitalize()} steps.")
    for place, part in enumerate(parts):
        opening = (
            "First,"
            if not place
            else "Finally,"
            if place == len(parts) - 1
            else ("Then", "After that,", "Next,")[(place - 1) % 3]
        )
        yield f"{opening} {_lower(part)}"


def _list(item: Item) -> Iterator[str]:
    parts = _short_parts(item)
    if len(parts) < 2:
        return
    if dated(item.parts) and len(parts) == len(item.parts) <= MAX_PARTS:
        yield from _dates(item, [divided(part) or ("", part) for part in parts])
        return
    if all(count_words(part) <= FEW_WORDS for part in parts):
        yield from _names(item, parts)
        return
    told = parts[:MAX_PARTS]
    count = cardinal(len(told))
    whole = len(told) == len(item.parts)
    heading = "" if re.search(r"[()`_<>{}]|::", item.section) else _heading(item)
    if heading and whole and CLOSING.match(heading):
        general = ""  # "In short." under the heading "In short" says nothing
    elif heading and whole:
        general = f"{heading}: {count} points."
    elif whole:
        general = f"There are {count} points."
    else:
        general = f"Here are {count} of {cardinal(len(item.parts))}."
    if lead := _lead(item, general) if whole else general:
        yield lead
    yield from told


def _names(item: Item, parts: list[str]) -> Iterator[str]:
    """A list of mere names, as one sentence after its lead; without a lead they say nothing."""
    lead = _lead(item, "").rstrip(".")
    names = [part.rstrip(".") for part in parts]
    line = f"{lead}: {', '.join(names[:-1])}, and {names[-1]}."
    if lead and count_words(line) <= MAX_WORDS and len(parts) == len(item.parts):
        yield line


def _dates(item: Item, parts: list[tuple[str, str]]) -> Iterator[str]:
    """What happened when, a sentence a date."""
    heading = _heading(item)
    yield _lead(item, f"{heading}." if heading else "The dates in order.")
    for when, what in parts:
        yield f"{at(when)}, {_lower(what)}"


def _table(item: Item) -> Iterator[str]:
    figures = every_figures(item.columns, item.rows)
    lead = _lead(item, "")
    if figures:
        if lead:
            yield lead
        yield from tell(*figures)
    elif dated([], item.rows) and len(item.rows) <= MAX_PARTS:
        yield from _dates(item, [(row[0], f"{', '.join(_cells(item, row[1:]))}.") for row in item.rows])
    elif opposed(item.columns, item.rows):
        yield from _sides(item, lead)
    elif len(item.rows) <= FEW_ROWS or _short_pairs(item):
        heading = _heading(item)
        yield lead or (f"{heading}." if heading else "Line by line.")
        for row in item.rows:
            cells = _cells(item, row[1:])
            yield f"{row[0]}: {', '.join(cells)}." if cells else f"{row[0]}."


def _short_pairs(item: Item) -> bool:
    """Whether a table is a list of names, each with a word or two: ingredients and amounts, keys and meanings."""
    short = all(len(row) == 2 and count_words(" ".join(row)) <= PAIR_WORDS for row in item.rows)
    return short and len(item.rows) <= MAX_PAIRS


def opposed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table sets two things against each other: two columns of words, a row for each aspect."""
    whole = len(columns) == 3 and 2 <= len(rows) <= 4 and all(len(row) == 3 for row in rows)
    cells = [cell for row in rows for cell in row[1:]]
    return (
        whole
        and not any(GENERIC.search(name) or not name for name in columns[1:])
        and not any(re.search(r"\d", cell) or count_words(cell) > MAX_WORDS - 5 for cell in cells)
    )


def _sides(item: Item, lead: str) -> Iterator[str]:
    """First one column of a comparison, then the other, aspect by aspect."""
    if lead:
        yield lead
    for side in (1, 2):
        held = f"{item.columns[side].rstrip(':')}:"
        for row in item.rows:
            cell = _lower(row[side].rstrip("."))
            aspect = f" {cell}" if GENERIC.search(row[0]) else f" {_lower(row[0].rstrip(':'))}, {cell}"
            if count_words(held + aspect) > MAX_WORDS:
                yield f"{held.rstrip(';')}."
                held = aspect[1:2].upper() + aspect[2:]
            else:
                held += aspect
            held += ";"
        yield f"{held.rstrip(';')}."


def _cells(item: Item, cells: Sequence[str]) -> list[str]:
    """The cells of a row as a sentence joins them: with the heading of their column where that says more."""
    names = [*item.columns[1:], *("" for _ in cells)]
    return [_cell(name, cell) for name, cell in zip(names, cells, strict=False) if cell]


def _cell(name: str, cell: str) -> str:
    if GENERIC.search(name):
        return _lower(cell)
    if name.strip() in MONTHS or is_date(name):
        return f"{_lower(cell)} in {name.strip()}"  # "May 1" would be a day
    return f"{_lower(name)} {_lower(cell)}"


def _code(item: Item) -> Iterator[str]:
    if len(item.parts) <= MAX_CODE_LINES and max(map(len, item.parts), default=0) <= MAX_CODE_WIDTH:
        yield _lead(item, "In code, it looks like this.")


def _lead(item: Item, otherwise: str) -> str:
    """The source's own sentence that leads to it, if it has one."""
    text = re.sub(r"\s*:$", ".", item.text)
    if (
        text == item.text
        or not is_sentence(text)
        or UNFINISHED.search(text)
        or NO_LEAD.match(text)
        or (re.match(r"(?:this|that|these|it)\b", text, re.I) and item.kind != "code")
    ):
        return otherwise
    return text if count_words(text) <= MAX_WORDS else otherwise


def _heading(item: Item) -> str:
    """The heading as a sentence may begin with it; empty for a question, which was asked before."""
    heading = shown_heading(item.section)
    return "" if heading.endswith("?") else heading


def _short_parts(item: Item) -> list[str]:
    """The parts as sentences: each its first sentence, if that is short enough."""
    found: list[str] = []
    for part in item.parts:
        first = whole_member(next((sentence.text for sentence in split_sentences(part)), ""))
        first = re.sub(r"[;,:]$", "", first)
        if first and not first.endswith((".", "!", "?")):
            first += "."
        pieces = shorten(first, MAX_WORDS - (3 if item.kind == "steps" else 0))
        if pieces and count_words(first) >= 1:
            found.append(" ".join(pieces) if len(pieces) == 1 else pieces[0])
    return found


def _lower(text: str) -> str:
    """The text inside a sentence: its first letter is small unless the word is a name."""
    if re.match(rf"(?:{'|'.join(MONTHS)})\b", text):
        return text
    return text[:1].lower() + text[1:] if re.match(r"[A-Z][a-z]+\b", text) or re.match(r"A\s", text) else text
