"""The plan of a video. ``outline.txt`` is this, as a person reads and edits it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.contract import EditError, StageError
from stages.sections import Section

HEADER = """\
# outline.txt - the plan of the video. You may edit it: research and script follow what stands here.
#
#   Lines with # are notes. One part a line: "- heading (source)". Move lines to change the order,
#   delete one to leave that part out, add any heading of the sources.
#   Opening says why to watch, Close sums up; both may be empty.
"""
PART = re.compile(
    r"^\s*(?:[-*•]|\d+[.)])\s*(?P<heading>.+?)(?:\s+\((?P<source>[^()]+?)(?::\d+)?\))?\s*(?:#.*)?$"
)
FIELD = re.compile(
    r"^(?P<name>title|audience|minutes|length|opening|parts|close)\s*:\s*(?P<value>.*?)\s*(?:#.*)?$", re.I
)


@dataclass(frozen=True)
class PlannedPart:
    """One part of the video: a section of a source."""

    heading: str
    source: str
    line: int = 1


@dataclass(frozen=True)
class Plan:
    """What the video tells, in order."""

    title: str
    minutes: float
    audience: str = ""
    opening: tuple[PlannedPart, ...] = ()
    parts: tuple[PlannedPart, ...] = ()
    close: tuple[PlannedPart, ...] = ()

    @property
    def all_parts(self) -> tuple[PlannedPart, ...]:
        return (*self.opening, *self.parts, *self.close)


def print_plan(plan: Plan, remarks: dict[str, str], notes: Sequence[str]) -> str:
    """The text of outline.txt; ``remarks`` say by heading what a part holds."""
    lines = [
        HEADER,
        f"Title: {plan.title}",
        f"Audience: {plan.audience or 'anybody'}",
        f"Minutes: {plan.minutes:g}",
    ]
    for name, parts in (("Opening", plan.opening), ("Parts", plan.parts), ("Close", plan.close)):
        lines += ["", f"{name}:"]
        for part in parts:
            lines.append(f"- {part.heading} ({part.source}:{part.line})")
            if part.heading in remarks:
                lines.append(f"    # {remarks[part.heading]}")
    lines += ["", *(f"# Note: {note}" for note in notes)]
    return "\n".join(lines).rstrip() + "\n"


def parse_plan(text: str, known: Sequence[Section] = ()) -> Plan:
    """Read outline.txt as a person may have left it.

    Raises StageError, with the line, for a part that no source has.
    """
    fields: dict[str, str] = {}
    parts: dict[str, list[PlannedPart]] = {"opening": [], "parts": [], "close": []}
    where = "parts"
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := FIELD.match(line.strip()):
            name = match["name"].lower()
            fields[name] = match["value"]
            where = name if name in parts else where
        elif match := PART.match(line):
            parts[where].append(_planned(match, number, known))
        else:
            raise EditError(
                f"outline.txt line {number}: {line.strip()[:60]!r} is neither a field nor a part",
                'write a part as "- heading (source)", or begin the line with # to make it a note',
            )
    return Plan(
        fields.get("title", ""),
        _minutes(fields),
        fields.get("audience", ""),
        tuple(parts["opening"]),
        tuple(parts["parts"]),
        tuple(parts["close"]),
    )


def _minutes(fields: dict[str, str]) -> float:
    text = fields.get("minutes") or fields.get("length") or "1.5"
    match = re.match(r"\d+(?:\.\d+)?", text)
    if not match or not 0 < float(match[0]) <= 60:
        raise EditError(f"outline.txt: Minutes: {text!r} is not a length", "write for example Minutes: 1.5")
    return float(match[0])


def _planned(match: re.Match[str], number: int, known: Sequence[Section]) -> PlannedPart:
    heading, source = match["heading"], match["source"] or ""
    candidates = [section for section in known if not source or section.source == source]
    for section in candidates:
        if section.heading.casefold() == heading.casefold():
            return PlannedPart(section.heading, section.source, section.line)
    if not known:
        return PlannedPart(heading, source)
    near = difflib.get_close_matches(heading, [section.heading for section in known], 1, 0.3)
    hint = f"did you mean {near[0]!r}?" if near else "use a heading of the sources"
    raise EditError(f"outline.txt line {number}: no source has a part {heading!r}", hint)


def load_plan(run_dir: Path, known: Sequence[Section] = ()) -> Plan:
    """Read ``outline.txt`` from a run directory. Raises StageError if it is missing or not understood."""
    path = run_dir / "outline.txt"
    if not path.exists():
        raise StageError("outline.txt is missing", "run the stage outline first")
    return parse_plan(path.read_text(encoding="utf-8"), known)
