"""REVIEW.md, the page that a person reads at a gate: what was asked for, what changed, what was made, how to answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.beneath import is_beneath
from daemon.clock import span
from daemon.difference import unified
from daemon.escapes import escape_lines
from daemon.looking import read_regular
from daemon.model import Artifact, Event, Gate, Job, Stage, Type
from daemon.rulings import OnDisk

TEXT_LIMIT = 1024 * 1024
DIFF_LINES = 60
TOLD_LINES = 200
QUOTED_BYTES = 6000
TABLE_ROWS = 200
AS_MADE = "before the edit"


@dataclass(frozen=True, slots=True)
class Looked:
    """What the stage's own ``review`` says of its files as somebody has edited them."""

    wrong: str = ""
    """Why they cannot be used as they are, with what to do; empty where they can."""
    meta: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What it says of each file now, as it did when it made it."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the page tells besides the files. ``notes``: on what lies beside the gate. ``asked``: `asked_for`."""

    notes: Sequence[str] = ()
    asked: Sequence[str] = ()
    reviews: bool = False
    """Whether the stage can look at an edit."""
    looked: Looked | None = None


def label(job: Job, stage: Stage, attempt: int) -> str:
    """``03-script.1``: how history, logs, decisions and .work name an attempt."""
    return f"{job.number(stage.name):02d}-{stage.name}.{attempt}"


def made_by(job: Job, stage: Stage) -> str:
    """Where the stage's texts are kept as they were made, below the run directory."""
    return f"history/{label(job, stage, stage.attempts)}/made/"


def text_of(run: Path, relative: str) -> str | None:
    """The file as text; None if it is missing, no regular file, not UTF-8, or larger than the limit."""
    try:
        return read_regular(run, relative, TEXT_LIMIT).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def edited(run: Path, job: Job, stage: Stage) -> frozenset[str]:
    """The texts that are no longer as the stage made them: what it said of them may not hold."""
    made = made_by(job, stage)
    kept = ((a.path, text_of(run, f"{made}{a.path}")) for a in stage.artifacts)
    return frozenset(path for path, text in kept if text is not None and text != text_of(run, path))


def asked_for(events: Iterable[Event], stage: str) -> list[str]:
    """A line for each note that the stage's last attempt was made with: given since the one before was complete."""
    before: list[str] = []
    since: list[str] = []
    for event in events:
        if event.type is Type.STAGE_COMPLETED and event.stage == stage:
            before, since = since, []
        elif event.type is Type.JOB_RESUMED or (
            event.type is Type.GATE_REJECTED and (event.stage == stage or event.payload.get("from"))
        ):
            redo = [f"{name}: {why}" for name, why in (event.payload.get("redo") or {}).items()]
            said = [text for text in (event.payload.get("notes"), *redo) if text]
            if said:
                about = (
                    f"about {event.stage}.{event.attempt}" if event.type is Type.GATE_REJECTED else "resuming"
                )
                since.append(
                    f"{event.payload.get('by')}, {about}: {'; '.join(' '.join(s.split()) for s in said)}"
                )
    return before


def page(run: Path, job: Job, on_disk: OnDisk, around: Around) -> str:
    """The whole page for the job's gate."""
    # People read it with cat as well: what a stage or a stranger wrote must not act on their terminal.
    return escape_lines("\n".join(_page(run, job, on_disk, around)))


def _page(run: Path, job: Job, on_disk: OnDisk, around: Around) -> Iterator[str]:
    gate = job.gate
    assert gate is not None
    stage = job.at(gate.stage)
    changed = edited(run, job, stage)
    yield f"# {gate.stage} of {job.id}: please decide\n"
    yield f"> {' '.join(job.intent.split())}\n"
    yield from _standing(job, gate, on_disk, around, any_edit=bool(changed))
    yield from _spent(job, stage, gate)
    if around.asked:
        yield "\n## What was asked for\n"
        yield from (f"- {line}" for line in around.asked)
    yield from _changes(run, job, stage)
    yield from _made(run, job, stage, changed, around.looked)
    yield from _quoted(run, stage)
    if around.notes:
        yield "\n## Beside the gate\n"
        yield from (f"- {note}" for note in around.notes)
    yield from _answering(job.id, on_disk)


def _standing(job: Job, gate: Gate, on_disk: OnDisk, around: Around, *, any_edit: bool) -> Iterator[str]:
    """What is out of the ordinary, before all else."""
    if job.reason == "expired":
        yield f"**This gate expired at {gate.expires_at}. It can still be answered, or resumed for a new time.**\n"
    if gate.stale:
        yield "**Asked again: a file changed after it was approved. Later stages that read it are made again.**\n"
    if on_disk.missing:
        yield f"**Missing, so it cannot be approved: {', '.join(on_disk.missing)}**\n"
    if around.looked is not None and around.looked.wrong:
        yield "**As it was edited, it cannot be used:**\n"
        yield f"{_fenced(around.looked.wrong)}\n"
    elif any_edit and around.reviews and around.looked is None:
        yield f"**Edited. `spork review {job.id}` says whether it can be used so, and shows it as it is now.**\n"


def _spent(job: Job, stage: Stage, gate: Gate) -> Iterator[str]:
    spent = sum(s.seconds for s in job.stages)
    yield f"Attempt {gate.attempt}, made in {span(stage.seconds)}; all stages as they stand: {span(spent)}."
    if gate.expires_at and job.reason != "expired":
        then = "it approves itself" if gate.auto_approve else f"then: {gate.on_timeout}"
        yield f"Open since {gate.opened_at}, until {gate.expires_at} ({then})."
    yield "How to answer stands at the end of this page."


def _made(run: Path, job: Job, stage: Stage, changed: frozenset[str], looked: Looked | None) -> Iterator[str]:
    now = {} if looked is None else looked.meta
    yield "\n## What was made\n"
    yield "| file | what | bytes | |"
    yield "|---|---|---|---|"
    for artifact in stage.artifacts:
        meta = now.get(artifact.path)
        if meta is not None:
            mark = f"**edited**; {_note(meta)}"
        else:
            mark = _note(artifact.meta)
            if artifact.path in changed:
                mark = _before_edit(run, job, stage, artifact, mark)
        yield f"| {artifact.path} | {artifact.kind} | {artifact.bytes} | {mark} |"
    metas = [now.get(a.path, a.meta) for a in stage.artifacts]
    # What a stage says of its files is its own; only a list is read as one.
    lists = (meta.get("notes") for meta in metas)
    for note in dict.fromkeys(
        " ".join(str(n).split()) for found in lists if isinstance(found, list | tuple) for n in found
    ):
        yield f"\n- {note}"
    for artifact, meta in zip(stage.artifacts, metas, strict=True):
        when = ""
        if artifact.path in changed:
            when = ", as edited" if artifact.path in now else f", {AS_MADE}"
        yield from table(f"{artifact.path}{when}", meta.get("table"))


def _note(meta: Mapping[str, Any]) -> str:
    return "**PLACEHOLDER**" if meta.get("placeholder") else " ".join(str(meta.get("note", "")).split())


def _before_edit(run: Path, job: Job, stage: Stage, artifact: Artifact, note: str) -> str:
    """What a stage said of a file that is another by now; where it counted the words, how many there are now."""
    words, count = artifact.meta.get("words"), ""
    if isinstance(words, int) and not isinstance(words, bool):
        # Its own way of counting words is not known here; by how many there are more or less is.
        old, new = text_of(run, f"{made_by(job, stage)}{artifact.path}"), text_of(run, artifact.path)
        more = len((new or "").split()) - len((old or "").split())
        count = f", now about {max(words + more, 0)} words"
    return f"**edited**{count}" + (f"; {AS_MADE}: {note}" if note else "")


def table(title: str, rows: object) -> Iterator[str]:
    """A table that a stage brings with a file: a list of rows, the first one its heading."""
    if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) and row for row in rows):
        return
    for number, row in enumerate(rows[: TABLE_ROWS + 1]):
        if number == 0:
            yield f"\n## {title}\n"
        cells = (" ".join(str(cell).split()).replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield "|" + "---|" * len(row)
    if len(rows) > TABLE_ROWS + 1:
        yield f"\n{len(rows) - TABLE_ROWS - 1} more rows"


def _quoted(run: Path, stage: Stage) -> Iterator[str]:
    """A short text is shown in full: it is what is to be judged."""
    for artifact in stage.artifacts:
        if artifact.kind == "text" and artifact.bytes <= QUOTED_BYTES:
            text = text_of(run, artifact.path)
            if text is not None:
                yield f"\n## {artifact.path}\n\n{_fenced(text)}"


def _fenced(text: str, kind: str = "") -> str:
    body = text.rstrip("\n").replace("```", "'''")
    return f"```{kind}\n{body}\n```"


def _answering(job_id: str, on_disk: OnDisk) -> Iterator[str]:
    yield "\n## How to answer\n"
    yield "Look at the files above; you may edit them: this page follows, and the templates do, with what you"
    yield "typed there. Then, here:\n"
    yield "    mv approve.template.yaml approve.yaml"
    yield "    mv reject.template.yaml reject.yaml      # add notes, and then: pause | retry | stop\n"
    yield f"or from elsewhere in the workspace `spork approve {job_id}`, `spork reject {job_id} --notes TEXT`.\n"
    yield f"This page and the templates stand for `{on_disk.digest}`."
    yield ""


# -- what changed


@dataclass(frozen=True, slots=True)
class Change:
    """How one file differs from what is kept of it. ``told``: what the stage itself says it made otherwise."""

    title: str
    path: str
    before: str
    lines: Sequence[str]
    told: Sequence[object] | None = None


def changes(run: Path, job: Job, stage: Stage) -> Iterator[Change]:
    """What differs from what was published, then from the attempt before; whole."""
    made = made_by(job, stage)
    for artifact in stage.artifacts:
        if lines := diff(run, made, artifact.path):
            yield Change("Changed since it was published", artifact.path, f"{made}{artifact.path}", lines)
    earlier = _earlier_attempt(run, job, stage)
    if earlier is None:
        return
    for artifact in stage.artifacts:
        told, before = artifact.meta.get("changes"), f"history/{earlier}/"
        lines = diff(run, before, artifact.path)
        told = told if isinstance(told, list | tuple) else None
        if lines or told is not None:
            yield Change(f"Changed since {earlier}", artifact.path, f"{before}{artifact.path}", lines, told)


def _changes(run: Path, job: Job, stage: Stage) -> Iterator[str]:
    for change in changes(run, job, stage):
        yield f"\n## {change.title}: {change.path}\n"
        if change.told is not None:
            told = [f"- {' '.join(str(each).split())}" for each in change.told] or ["- nothing"]
            yield from _cut(told, TOLD_LINES, change)
            continue
        yield _fenced("\n".join(change.lines[:DIFF_LINES]), "diff")
        if len(change.lines) > DIFF_LINES:
            yield f"\n{_rest(len(change.lines) - DIFF_LINES, change)}"


def _cut(lines: Sequence[str], most: int, change: Change) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"\n{_rest(len(lines) - most, change)}"


def _rest(more: int, change: Change) -> str:
    return f"{more} more lines; all of it, here: `diff -u {change.before} {change.path}`"


def _earlier_attempt(run: Path, job: Job, stage: Stage) -> str | None:
    earlier = (label(job, stage, attempt) for attempt in range(stage.attempts - 1, 0, -1))
    return next((name for name in earlier if is_beneath(run, f"history/{name}")), None)


def diff(run: Path, before: str, path: str) -> list[str]:
    """What changed since the file was kept below the folder ``before`` of the run."""
    old, new = text_of(run, f"{before}{path}"), text_of(run, path)
    if old is None or new is None or old == new:
        return []
    return unified(old.splitlines(), new.splitlines(), path)
