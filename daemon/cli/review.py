"""``spork review JOB [--diff]``"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from daemon.cli.answer import await_shown
from daemon.cli.places import job_of, workspace_of
from daemon.cli.screen import clean, colorful, paint, show, show_json, show_lines
from daemon.errors import NotPossible
from daemon.model import Job

LIMIT = 64 * 1024 * 1024


def command(args: Namespace) -> int:
    """REVIEW.md as it lies in the run directory, or gate.json, or only the changes."""
    workspace = workspace_of(args)
    _, job = job_of(workspace, args.job)
    run = workspace.run(job.id)
    if not job.answerable:
        reason = f" ({job.reason})" if job.reason else ""
        raise NotPossible(
            f"{job.id} is {job.status}{reason}: no gate waits for an answer; see: spork status {job.id}"
        )
    await_shown(workspace, job)
    if args.json:
        show_json(_gate(run, job) | {"diff": _diff(run, job)})
    elif args.diff:
        _show_diff(_diff(run, job))
    else:
        show(_read(run / "REVIEW.md", job).rstrip("\n"))
    return 0


def _gate(run: Path, job: Job) -> dict[str, Any]:
    """gate.json, which somebody may have written over."""
    try:
        return dict(json.loads(_read(run / "gate.json", job)))
    except (ValueError, TypeError, RecursionError):
        raise NotPossible(
            f"runs/{job.id}/gate.json: not as the daemon wrote it; the daemon writes it anew when it next starts"
        ) from None


def _diff(run: Path, job: Job) -> list[str]:
    """What changed since publication, and since the attempt before, as REVIEW.md shows it."""
    sections: list[str] = []
    inside, title = False, ""
    for line in _read(run / "REVIEW.md", job).splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        if line == "```diff":
            inside = True
            sections.append(f"# {title}")
        elif inside and line == "```":
            inside = False
        elif inside:
            sections.append(line)
    return sections


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
