"""What a person reads of a script at its gate: each sentence with its place, and what the sources had beside it."""

from __future__ import annotations

from collections.abc import Sequence

from stages.contract import Context
from stages.items import Research, load_research
from stages.script_text import Script, load_script
from stages.sections import shown_heading
from stages.sentences import MAX_WORDS, count_words

HEADING = ["part", "what is said", "source"]
MOST = 6
"""Of one kind of thing that is named; the rest is counted."""
ENOUGH = 0.9
"""Of the length asked for; a shorter script says so."""
KINDS = ("table", "code", "steps", "list", "quote")


def review(context: Context) -> None:
    """Read ``script.txt`` as a person has left it at its gate, as the stages after it will, and describe that.

    Raises EditError, with the line, for what they cannot follow.
    """
    from stages.rehearsal import rehearse
    from stages.voice import voice_asked

    research = load_research(context.run_dir)
    script = load_script(context.run_dir, [item.id for item in research.items])
    seconds = rehearse(script, research, voice_asked(context.params))
    made = next(a.meta for a in context.artifacts if a.path == "script.txt")
    asked = float(made.get("asked_seconds", seconds))
    describe(context, script, research, (seconds, asked), length_notes(script, seconds, asked))


def describe(
    context: Context, script: Script, research: Research, lasts: tuple[float, float], notes: Sequence[str]
) -> None:
    """Say of ``script.txt`` what its gate shows; ``lasts``: its seconds, and those asked for."""
    seconds, asked = lasts
    context.describe(
        "script.txt",
        "script",
        words=count_words(script.text),
        seconds=round(seconds, 1),
        asked_seconds=asked,
        note=summary(script, seconds),
        notes=[*notes, *script_notes(script, research)],
        table=script_table(script, research),
    )


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


def summary(script: Script, seconds: float) -> str:
    """Its words, its length and how much of it rests on the sources, in a line."""
    lines = [line for _, paragraph in script.paragraphs for line in paragraph.lines]
    cited = sum(bool(line.items) for line in lines)
    words = sum(count_words(line.text) for line in lines)
    return f"{words} words, about {seconds:.0f} seconds; {cited} of {len(lines)} sentences name their source"


def length_notes(script: Script, seconds: float, asked: float) -> list[str]:
    """What is to be told of its length, and of sentences that are too long."""
    notes: list[str] = []
    if not ENOUGH * asked <= seconds <= (2 - ENOUGH) * asked:
        notes.append(f"it takes {seconds:.0f} seconds instead of the {asked:.0f} asked for")
    long = [
        line.text
        for _, paragraph in script.paragraphs
        for line in paragraph.lines
        if count_words(line.text) > MAX_WORDS
    ]
    return [*notes, *(f"longer than {MAX_WORDS} words: {text[:60]} ..." for text in long)]
