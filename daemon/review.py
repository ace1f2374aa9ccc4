"""What a person reads at a gate, and the files that answer it.

Copies, made from the job and its directory: written anew whenever the gated files change, so that
whoever renames a template confirms exactly what REVIEW.md shows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon import drafts
from daemon.beneath import has, is_beneath, make_folders, opened_beneath
from daemon.codec import plain, printed
from daemon.files import remove, write_copy
from daemon.looking import read_regular
from daemon.model import Gate, Job, Stage
from daemon.names import DECISIONS, Ignored, beside, classify_decision, shown
from daemon.page import Around, diff, made_by, page, text_of
from daemon.rulings import OnDisk

NOTES = 20
_LIMIT = 1 << 26
NAMES = ("REVIEW.md", "gate.json")


def keep_as_made(run: Path, job: Job, stage: Stage) -> None:
    """Copy the stage's text artifacts as they were published, for the diff with what a person makes of them."""
    for artifact in stage.artifacts:
        target = f"{made_by(job, stage)}{artifact.path}"
        text = None if is_beneath(run, target) else text_of(run, artifact.path)
        if text is not None:
            folder = make_folders(run, os.path.dirname(target))
            try:
                write_copy(os.path.basename(target), text.encode(), folder=folder)
            finally:
                os.close(folder)


def show(run: Path, job: Job, on_disk: OnDisk, around: Around | None = None) -> None:
    """Write review, gate.json and templates for the job's gate."""
    gate = job.gate
    assert gate is not None
    drafts.make_way(run, job, gate, on_disk.digest)
    around = around or Around()
    text = _write_page(run, job, on_disk, around)
    if drafts.update(run, job, gate, on_disk.digest):
        # Somebody saved a template meanwhile: the page shall name where that lies.
        text = _write_page(run, job, on_disk, around)
    facts = _facts(job, gate, on_disk, around.notes, text)
    write_copy(run / "gate.json", printed(facts, indent=1) + b"\n")


def stands(run: Path, job: Job, on_disk: OnDisk, notes: Sequence[str]) -> bool:
    """Whether all that `show` writes was written for these files and notes: gate.json, the last of it, says that, and
    names the page by its digest. To ask is a tenth of writing it again. A template is not asked about: somebody may
    be editing it.
    """
    gate = job.gate
    assert gate is not None
    try:
        with opened_beneath(run) as folder:
            text = read_regular(folder, "REVIEW.md", _LIMIT)
            found = json.loads(read_regular(folder, "gate.json", _LIMIT))
    except (OSError, ValueError, RecursionError):
        return False
    return bool(found == _facts(job, gate, on_disk, notes, text))


def _facts(job: Job, gate: Gate, on_disk: OnDisk, notes: Sequence[str], text: bytes) -> dict[str, Any]:
    return {
        "job": job.id,
        "stage": gate.stage,
        "attempt": gate.attempt,
        "opened_at": gate.opened_at,
        "expires_at": gate.expires_at,
        "expired": job.reason == "expired",
        "digest": on_disk.digest,
        "missing": list(on_disk.missing),
        "artifacts": plain(job.at(gate.stage).artifacts),
        "answers": ["approve", "reject"],
        "notes": list(notes),
        "review_sha256": hashlib.sha256(text).hexdigest(),
    }


def _write_page(run: Path, job: Job, on_disk: OnDisk, around: Around) -> bytes:
    told = replace(around, notes=[*around.notes, *drafts.set_aside(run)])
    text = page(run, job, on_disk, told).encode()
    write_copy(run / "REVIEW.md", text)
    return text


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


def misnamed(run: Path) -> list[str]:
    """A line for what lies beside the gate and looks like a decision, but is none; at most ``NOTES`` of them."""
    with opened_beneath(run) as folder:
        names = [classify_decision(name) for name in sorted(os.listdir(folder))]
    return [
        f"`{shown(name.name)}` is not read ({name.rule}); did you mean {name.meant}?"
        for name in names
        if isinstance(name, Ignored) and name.meant
    ][:NOTES]


def edit_diff(run: Path, job: Job, stage: Stage) -> str:
    """What a person changed since publication, as a unified diff; empty if nothing textual."""
    made = made_by(job, stage)
    return "\n".join(line for a in stage.artifacts for line in diff(run, made, a.path))
