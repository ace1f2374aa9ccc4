"""What a person wrote in ``script.txt``, carried into the script that a rejection has written anew.

What they wrote is what is different between an attempt as it was made, which the daemon keeps at a gate, and as they
left it. A sentence of theirs goes where the sentence stands that it was written for, or written behind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path

from stages.contract import Context, StageError
from stages.script_text import Line, Script, ScriptPart, parse_script, print_script

NAME = "script.txt"
_SHORT = 60
_ATTEMPT = re.compile(r"\d+-(?P<stage>.+)\.(?P<attempt>\d+)")


def carried(context: Context, script: Script, known: Collection[str]) -> tuple[Script, list[str]]:
    """The script with what was edited by hand in earlier attempts, and what is to be told of that."""
    attempts = list(_edited(context, known))
    if not attempts:
        return script, []
    script = parse_script(print_script(script), known)
    written: list[str] = []
    for made, left in attempts:
        script = _titled(_applied(script, made, left), made, left)
        written += _added(made, left)
    said = _texts(script)
    last = _texts(attempts[-1][1])
    kept = [text for text in dict.fromkeys(written) if text in said]
    lost = [text for text in dict.fromkeys(written) if text in last and text not in said]
    return script, [
        *([f"kept as somebody wrote it in {NAME}: {_few(kept)}"] if kept else []),
        *(
            f"could not be kept, what it was written for is not told any more: {_quoted(text)}; the script as it "
            f"was left is in history/"
            for text in lost
        ),
    ]


def _edited(context: Context, known: Collection[str]) -> Iterator[tuple[Script, Script]]:
    """Each attempt that a person has edited, the oldest first: as it was made, and as they left it."""
    folders = [
        (int(match["attempt"]), path)
        for path in context.run_dir.glob("history/*")
        if (match := _ATTEMPT.fullmatch(path.name)) and match["stage"] == context.stage
    ]
    kept = [folder for _, folder in sorted(folders) if (folder / "made" / NAME).is_file()]
    for folder in kept:
        # The last one's lies in the run directory until the next one takes its place.
        there = (folder / NAME).is_file() or folder is not kept[-1]
        made, left = (
            _read(path / NAME, known) for path in (folder / "made", folder if there else context.run_dir)
        )
        if made and left and print_script(made) != print_script(left):
            yield made, left


def _read(path: Path, known: Collection[str]) -> Script | None:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return parse_script(path.read_text(encoding="utf-8-sig"), known)
    except (StageError, UnicodeDecodeError):
        return None


def _applied(script: Script, made: Script, left: Script) -> Script:
    """The sentences that were changed, added and taken out, so in ``script`` where it has those they belong to."""
    old, mine, new = _lines(made), _lines(left), _lines(script)
    blocks = SequenceMatcher(None, _texts(made), _texts(script), autojunk=False).get_matching_blocks()
    at = {block.a + step: block.b + step for block in blocks for step in range(block.size)}
    places = [[line] for line in new]
    edits = SequenceMatcher(None, _texts(made), _texts(left), autojunk=False).get_opcodes()
    for edit, first, after, begin, end in edits:
        if edit == "equal":
            continue
        there = [at[line] for line in range(first, after) if line in at]
        for place in there:
            places[place] = []
        if there:
            places[there[0]] = mine[begin:end]
        elif edit == "insert" and first - 1 in at:
            places[at[first - 1]] += mine[begin:end]
        elif edit == "insert" and first in at and first < len(old):
            places[at[first]][:0] = mine[begin:end]
    return _filled(script, places) or script


def _filled(script: Script, places: Sequence[Sequence[Line]]) -> Script | None:
    """The script with other sentences in place of each of its own; None if none are left."""
    given = iter(places)
    parts: list[ScriptPart] = []
    for part in script.parts:
        paragraphs = [
            replace(each, lines=tuple(line for _ in each.lines for line in next(given)))
            for each in part.paragraphs
        ]
        if told := tuple(each for each in paragraphs if each.lines):
            parts.append(replace(part, paragraphs=told))
    return replace(script, parts=tuple(parts)) if parts else None


def _titled(script: Script, made: Script, left: Script) -> Script:
    """With the title and the headings that a person has put in place of others."""
    before = {part.heading for part in made.parts}
    pairs = zip(made.parts, left.parts, strict=False) if len(made.parts) == len(left.parts) else ()
    named = {old.heading: new.heading for old, new in pairs if new.heading not in before}
    parts = tuple(replace(part, heading=named.get(part.heading, part.heading)) for part in script.parts)
    return Script(left.title if left.title != made.title else script.title, parts)


def _added(made: Script, left: Script) -> Iterator[str]:
    before = _texts(made)
    return (text for text in _texts(left) if text not in before)


def _lines(script: Script) -> list[Line]:
    return [line for _, paragraph in script.paragraphs for line in paragraph.lines]


def _texts(script: Script) -> list[str]:
    return [line.text for line in _lines(script)]


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - 3
    return ", ".join(map(_quoted, texts[:3])) + (f", and {more} more" if more > 0 else "")


def _quoted(text: str) -> str:
    return f"“{text if len(text) <= _SHORT else text[:_SHORT].rpartition(' ')[0] + ' …'}”"
