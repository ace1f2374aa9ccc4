"""``spork review JOB [--diff]``"""

from __future__ import annotations

import json
import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from daemon import drafts
from daemon.catalog import Catalog
from daemon.cli.answer import await_shown
from daemon.cli.edits import look_at_edits
from daemon.cli.places import holder_of, job_of, workspace_of
from daemon.cli.screen import clean, colorful, paint, show, show_json, show_lines, tell
from daemon.doors import digest_now, shown_gate
from daemon.errors import NotPossible
from daemon.model import Job
from daemon.page import Around, asked_for, changes, page
from daemon.review import misnamed
from daemon.rulings import OnDisk
from daemon.workspace import Workspace

FOLLOWED_SECONDS = 5.0
POLL_SECONDS = 0.2
LIMIT = 64 * 1024 * 1024


def command(args: Namespace) -> int:
    """REVIEW.md as it lies in the run directory or as it would be now, or gate.json, or only the changes."""
    workspace = workspace_of(args)
    catalog, job = job_of(workspace, args.job)
    run = workspace.run(job.id)
    if not job.answerable:
        reason = f" ({job.reason})" if job.reason else ""
        raise NotPossible(
            f"{job.id} is {job.status}{reason}: no gate waits for an answer; see: spork status {job.id}"
        )
    await_shown(workspace, job)
    if args.json:
        show_json(_gate(run, job) | {"diff": _diff(run, job), "edits": _edits(workspace, catalog, job)})
    elif args.diff:
        _show_diff(_diff(run, job))
    else:
        show(shown_page(workspace, catalog, job).rstrip("\n"))
    return 0


def shown_page(workspace: Workspace, catalog: Catalog, job: Job) -> str:
    """REVIEW.md; where somebody has edited what waits, and its stage can look at that, as it is now."""
    run = workspace.run(job.id)
    shown = _await_followed(workspace, job)
    written = _read(run / "REVIEW.md", job)
    if shown is None:
        tell("The files have changed since this page was written; the daemon writes it anew once they rest.")
        return written
    looked = look_at_edits(workspace, catalog, job)
    if looked is None:
        return written
    on_disk = OnDisk(str(shown["digest"]), (), ())
    notes = [*misnamed(run), *drafts.set_aside(run)]
    asked = asked_for(catalog.events(job.id), str(shown["stage"]))
    return page(run, job, on_disk, Around(notes, asked, reviews=True, looked=looked))


def _await_followed(workspace: Workspace, job: Job) -> dict[str, str | int] | None:
    """What the page stands for, once that are the files as they are; None where it does not become so in a while."""
    run, deadline = workspace.run(job.id), time.monotonic() + FOLLOWED_SECONDS
    while True:
        shown = shown_gate(run, job)
        if shown is not None and digest_now(run, job) in (None, shown["digest"]):
            return shown
        if time.monotonic() > deadline or holder_of(workspace) is None:
            return None
        time.sleep(POLL_SECONDS)


def _edits(workspace: Workspace, catalog: Catalog, job: Job) -> dict[str, Any] | None:
    """For programs: whether what was edited can be used, as its stage says; None where it says nothing."""
    looked = look_at_edits(workspace, catalog, job)
    return None if looked is None else {"wrong": looked.wrong or None, "artifacts": dict(looked.meta)}


def _gate(run: Path, job: Job) -> dict[str, Any]:
    """gate.json, which somebody may have written over."""
    try:
        return dict(json.loads(_read(run / "gate.json", job)))
    except (ValueError, TypeError, RecursionError):
        raise NotPossible(
            f"runs/{job.id}/gate.json: not as the daemon wrote it; the daemon writes it anew when it next starts"
        ) from None


def _diff(run: Path, job: Job) -> list[str]:
    """What changed since publication, and since the attempt before: all of it."""
    assert job.gate is not None
    lines: list[str] = []
    for change in changes(run, job, job.at(job.gate.stage)):
        lines += [f"# {change.title}", *change.lines]
    return lines


def _show_diff(lines: list[str]) -> None:
    on = colorful()
    if not lines:
        show("Nothing changed since it was published, and nothing since the attempt before.")
    colors = {"+": "green", "-": "red", "@": "cyan"}
    show_lines(paint(clean(line), colors.get(line[:1]), on=on) for line in lines)


def _read(path: Path, job: Job) -> str:
    """A file that the daemon wrote into a folder where others write as well."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return file.read(LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise NotPossible(
            f"runs/{job.id}/{path.name}: {error.strerror}; the daemon writes it when it next looks at the job"
        ) from None
