"""How each research item is told: a fact as it stands, a list with a lead, a table by its ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.figures import figures_of, tell
from stages.items import Item
from stages.said_numbers import cardinal
from stages.script_text import Line
from stages.sections import shown_heading
from stages.sentences import MAX_WORDS, count_words, is_sentence, shorten, split_sentences

MAX_PARTS = 5
MAX_CODE_LINES = 12
MAX_CODE_WIDTH = 88


def tell_item(item: Item) -> tuple[Line, ...]:
    """The sentences that tell an item, each naming it; empty if it cannot be told."""
    if item.kind in ("fact", "number"):
        return tuple(Line(part, (item.id,)) for part in shorten(item.text))
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
    told = parts[:MAX_PARTS]
    count = cardinal(len(told))
    whole = len(told) == len(item.parts)
    heading = shown_heading(item.section)
    general = (
        f"{heading}: {count} points."
        if heading and whole
        else f"Here are {count} of {cardinal(len(item.parts))}."
    )
    yield _lead(item, general) if whole else general
    yield from told


def _table(item: Item) -> Iterator[str]:
    figures = figures_of(item.columns, item.rows)
    if figures:
        lead = _lead(item, "")
        if lead:
            yield lead
        yield from tell(figures)
    elif len(item.rows) <= 4:
        heading = shown_heading(item.section)
        yield _lead(item, f"{heading}, line by line." if heading else "Line by line.")
        for row in item.rows:
            cells = [cell for cell in row if cell]
            yield f"{cells[0]}: {', '.join(cells[1:])}." if cells[1:] else f"{cells[0]}."


def _code(item: Item) -> Iterator[str]:
    if len(item.parts) <= MAX_CODE_LINES and max(map(len, item.parts), default=0) <= MAX_CODE_WIDTH:
        yield _lead(item, "In code, it looks like this.")


def _lead(item: Item, otherwise: str) -> str:
    """The source's own sentence that leads to it, if it has one."""
    text = re.sub(r"\s*:$", ".", item.text)
    if (
        text == item.text
        or not is_sentence(text)
        or (re.match(r"(?:this|that|these|it)\b", text, re.I) and item.kind != "code")
    ):
        return otherwise
    return text if count_words(text) <= MAX_WORDS else otherwise


def _short_parts(item: Item) -> list[str]:
    """The parts as sentences: each its first sentence, if that is short enough."""
    found: list[str] = []
    for part in item.parts:
        first = next((sentence.text for sentence in split_sentences(part)), "")
        first = re.sub(r"[;,:]$", "", first)
        if first and not first.endswith((".", "!", "?")):
            first += "."
        pieces = shorten(first, MAX_WORDS - 3)
        if pieces and count_words(first) >= 1:
            found.append(" ".join(pieces) if len(pieces) == 1 else pieces[0])
    return found


def _lower(text: str) -> str:
    """The text inside a sentence: its first letter is small unless the word is a name."""
    return text[:1].lower() + text[1:] if re.match(r"[A-Z][a-z]+\b", text) or re.match(r"A\s", text) else text
