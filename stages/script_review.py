"""What a person reads of a script at its gate: each sentence with its place, and what the sources had beside it."""

from __future__ import annotations

from stages.items import Research
from stages.script_text import Script
from stages.sections import shown_heading

HEADING = ["part", "what is said", "source"]
MOST = 6
"""Of one kind of thing that is named; the rest is counted."""
KINDS = ("table", "code", "steps", "list", "quote")


def script_table(script: Script, research: Research) -> list[list[str]]:
    """One row a sentence: the part it stands in, and the places that it rests on."""
    places = {item.id: item.place for item in research.items}
    rows = []
    for part in script.parts:
        name = part.heading
        for line in (line for paragraph in part.paragraphs for line in paragraph.lines):
            named = ", ".join(dict.fromkeys(places[item] for item in line.items if item in places))
            rows.append([name, line.text, named or "none"])
            name = ""
    return [HEADING, *rows]


def script_notes(script: Script, research: Research) -> list[str]:
    """The sentences that rest on nothing, and what of the research items is not told: in short."""
    lines = [line for _, paragraph in script.paragraphs for line in paragraph.lines]
    told = {name for line in lines for name in line.items}
    bare = [f"“{line.text}”" for line in lines if not line.items]
    notes = [f"without a source: {_few(bare)}"] if bare else []
    rest = [item for item in research.items if item.id not in told]
    sections = {(item.source, item.section) for item in research.items if item.id in told}
    whole = dict.fromkeys(
        shown_heading(item.section) or item.place
        for item in rest
        if (item.source, item.section) not in sections
    )
    beside = [item for item in rest if (item.source, item.section) in sections]
    shapes = [f"the {item.kind} at {item.place}" for item in beside if item.kind in KINDS]
    numbers = [item.place for item in beside if item.kind == "number"]
    for what, found in (
        ("whole parts", list(whole)),
        ("what could be shown", shapes),
        ("sentences with figures", numbers),
    ):
        if found:
            notes.append(f"the sources have more, {what}: {_few(found)}")
    return notes


def _few(found: list[str]) -> str:
    more = len(found) - MOST
    return ", ".join(found[:MOST]) + (f", and {more} more" if more > 0 else "")
