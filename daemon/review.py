"""What a person reads at a gate, and the files that answer it.

Copies, made from the job and its directory: written anew whenever the gated files change, so that
whoever renames a template confirms exactly what REVIEW.md shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from daemon import drafts
from daemon.beneath import has, is_beneath, make_folders, opened_beneath
from daemon.clock import span
from daemon.codec import plain, printed
from daemon.difference import unified
from daemon.escapes import escape_lines
from daemon.files import read_regular, remove, write_copy
from daemon.model import Artifact, Gate, Job, Stage
from daemon.names import DECISIONS, beside
from daemon.rulings import OnDisk

TEXT_LIMIT = 1024 * 1024
DIFF_LINES = 200
QUOTED_BYTES = 6000
TABLE_ROWS = 200
AS_MADE = "before the edit"
NAMES = ("REVIEW.md", "gate.json")


def label(job: Job, stage: Stage, attempt: int) -> str:
    """``03-script.1``: how history, logs, decisions and .work name an attempt."""
    return f"{job.number(stage.name):02d}-{stage.name}.{attempt}"


def keep_as_made(run: Path, job: Job, stage: Stage) -> None:
    """Copy the stage's text artifacts as they were published, for the diff with what a person makes of them."""
    for artifact in stage.artifacts:
        target = f"{_made_by(job, stage)}{artifact.path}"
        text = None if is_beneath(run, target) else _text(run, artifact.path)
        if text is not None:
            folder = make_folders(run, os.path.dirname(target))
            try:
                write_copy(os.path.basename(target), text.encode(), folder=folder)
            finally:
                os.close(folder)


def _made_by(job: Job, stage: Stage) -> str:
    """Where the stage's texts are kept as they were made, below the run directory."""
    return f"history/{label(job, stage, stage.attempts)}/made/"


def show(run: Path, job: Job, on_disk: OnDisk, others: Iterable[str] = ()) -> None:
    """Write review, gate.json and templates for the job's gate. ``others``: notes about files beside it."""
    gate = job.gate
    assert gate is not None
    stage = job.at(gate.stage)
    drafts.make_way(run, job, gate, on_disk.digest)
    others = tuple(others)
    _write_page(run, job, gate, on_disk, others)
    if drafts.update(run, job, gate, on_disk.digest):
        # Somebody saved a template meanwhile: the page shall name where that lies.
        _write_page(run, job, gate, on_disk, others)
    facts = {
        "job": job.id,
        "stage": gate.stage,
        "attempt": gate.attempt,
        "opened_at": gate.opened_at,
        "expires_at": gate.expires_at,
        "expired": job.reason == "expired",
        "digest": on_disk.digest,
        "missing": list(on_disk.missing),
        "artifacts": plain(stage.artifacts),
        "answers": ["approve", "reject"],
    }
    write_copy(run / "gate.json", printed(facts, indent=1) + b"\n")


def _write_page(run: Path, job: Job, gate: Gate, on_disk: OnDisk, others: Sequence[str]) -> None:
    notes = [*others, *drafts.set_aside(run)]
    # People read it with cat as well: what a stage or a stranger wrote must not act on their terminal.
    page = escape_lines("\n".join(_review(run, job, job.at(gate.stage), gate, on_disk, notes)))
    write_copy(run / "REVIEW.md", page.encode())


def clear(run: Path) -> None:
    """Take the review away once nobody can answer, and each reason whose refused answer is gone."""
    for name in NAMES:
        remove(run / name)
    drafts.clear(run)
    with opened_beneath(run) as folder:
        alone = [
            reason
            for reason, name in ((beside(f"{verb}.yaml", ".error.txt"), f"{verb}.yaml") for verb in DECISIONS)
            if has(folder, reason) and not has(folder, name)
        ]
    for reason in alone:
        remove(run / reason)


def edit_diff(run: Path, job: Job, stage: Stage) -> str:
    """What a person changed since publication, as a unified diff; empty if nothing textual."""
    made = _made_by(job, stage)
    return "\n".join(line for artifact in stage.artifacts for line in _diff(run, made, artifact))


def _review(
    run: Path, job: Job, stage: Stage, gate: Gate, on_disk: OnDisk, notes: Sequence[str]
) -> Iterator[str]:
    yield f"# {gate.stage} of {job.id}: please decide"
    yield ""
    yield f"> {' '.join(job.intent.split())}"
    yield ""
    if job.reason == "expired":
        yield f"**This gate expired at {gate.expires_at}. It can still be answered, or resumed for a new time.**\n"
    if gate.stale:
        yield "**Asked again: a file changed after it was approved. Later stages that read it are made again.**\n"
    if on_disk.missing:
        yield f"**Missing, so it cannot be approved: {', '.join(on_disk.missing)}**\n"
    yield from _made(job, stage, gate, _edited(run, job, stage))
    yield from _quoted(run, stage)
    yield from _answering(gate, on_disk)
    if notes:
        yield "## Beside the gate\n"
        yield from (f"- {note}" for note in notes)
    yield from _changes(run, job, stage)
    yield ""


def _edited(run: Path, job: Job, stage: Stage) -> frozenset[str]:
    """The texts that are no longer as the stage made them: what it said of them may not hold."""
    made = _made_by(job, stage)
    kept = ((a.path, _text(run, f"{made}{a.path}")) for a in stage.artifacts)
    return frozenset(path for path, text in kept if text is not None and text != _text(run, path))


def _made(job: Job, stage: Stage, gate: Gate, edited: frozenset[str]) -> Iterator[str]:
    spent = sum(s.seconds for s in job.stages)
    yield f"Attempt {gate.attempt}, made in {span(stage.seconds)}; all stages as they stand: {span(spent)}."
    if gate.expires_at and job.reason != "expired":
        then = "it approves itself" if gate.auto_approve else f"then: {gate.on_timeout}"
        yield f"Open since {gate.opened_at}, until {gate.expires_at} ({then})."
    yield "\n## What was made\n"
    yield "| file | what | bytes | |"
    yield "|---|---|---|---|"
    for artifact in stage.artifacts:
        note = " ".join(str(artifact.meta.get("note", "")).split())
        mark = "**PLACEHOLDER**" if artifact.meta.get("placeholder") else note
        if artifact.path in edited:
            mark = f"**edited**{f'; {AS_MADE}: {mark}' if mark else ''}"
        yield f"| {artifact.path} | {artifact.kind} | {artifact.bytes} | {mark} |"
    # What a stage says of its files is its own; only a list is read as one.
    lists = (a.meta.get("notes") for a in stage.artifacts)
    for note in dict.fromkeys(
        " ".join(str(n).split()) for found in lists if isinstance(found, list | tuple) for n in found
    ):
        yield f"\n- {note}"
    for artifact in stage.artifacts:
        yield from _table(artifact, f", {AS_MADE}" if artifact.path in edited else "")


def _table(artifact: Artifact, when: str = "") -> Iterator[str]:
    """A table that a stage brings with a file: a list of rows, the first one its heading."""
    rows = artifact.meta.get("table")
    if not isinstance(rows, list | tuple) or not all(isinstance(row, list | tuple) and row for row in rows):
        return
    for number, row in enumerate(rows[: TABLE_ROWS + 1]):
        if number == 0:
            yield f"\n## {artifact.path}{when}\n"
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
            text = _text(run, artifact.path)
            if text is not None:
                yield f"\n## {artifact.path}\n\n```"
                yield text.rstrip("\n").replace("```", "'''")
                yield "```"


def _answering(gate: Gate, on_disk: OnDisk) -> Iterator[str]:
    yield "\n## How to answer\n"
    yield "Look at the files above; you may edit them: this page follows, and the templates do, with what you"
    yield "typed there. Then, here:\n"
    yield "    mv approve.template.yaml approve.yaml"
    yield "    mv reject.template.yaml reject.yaml      # add notes, and then: pause | retry | stop\n"
    yield f"This page and the templates stand for `{on_disk.digest}`."
    yield ""


def _changes(run: Path, job: Job, stage: Stage) -> Iterator[str]:
    yield from _section(run, "Changed since it was published", _made_by(job, stage), stage.artifacts)
    earlier = _earlier_attempt(run, job, stage)
    if earlier is None:
        return
    untold = []
    for artifact in stage.artifacts:
        told = artifact.meta.get("changes")
        if isinstance(told, list | tuple):
            yield from _told(f"{artifact.path}: changed since {earlier}", told)
        else:
            untold.append(artifact)
    yield from _section(run, f"Changed since {earlier}", f"history/{earlier}/", untold)


def _told(title: str, changes: Sequence[object]) -> Iterator[str]:
    """What a stage itself says it made otherwise than in its last attempt, in place of the lines."""
    yield f"\n## {title}\n"
    yield from (f"- {' '.join(str(each).split())}" for each in changes[:DIFF_LINES] or ["nothing"])
    if len(changes) > DIFF_LINES:
        yield f"\n{len(changes) - DIFF_LINES} more"


def _earlier_attempt(run: Path, job: Job, stage: Stage) -> str | None:
    earlier = (label(job, stage, attempt) for attempt in range(stage.attempts - 1, 0, -1))
    return next((name for name in earlier if is_beneath(run, f"history/{name}")), None)


def _section(run: Path, title: str, before: str, artifacts: Iterable[Artifact]) -> Iterator[str]:
    found = [line for a in artifacts for line in _diff(run, before, a)]
    if found:
        yield f"\n## {title}\n\n```diff"
        yield from (line.replace("```", "'''") for line in found[:DIFF_LINES])
        if len(found) > DIFF_LINES:
            yield f"... {len(found) - DIFF_LINES} more lines"
        yield "```"


def _diff(run: Path, before: str, artifact: Artifact) -> list[str]:
    """What changed since the file was kept below the folder ``before`` of the run."""
    old, new = _text(run, f"{before}{artifact.path}"), _text(run, artifact.path)
    if old is None or new is None or old == new:
        return []
    return unified(old.splitlines(), new.splitlines(), artifact.path)


def _text(run: Path, relative: str) -> str | None:
    """The file as text; None if it is missing, no regular file, not UTF-8, or larger than the limit."""
    try:
        return read_regular(run, relative, TEXT_LIMIT).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
