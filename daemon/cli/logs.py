"""``spork logs JOB [STAGE] [-f]``"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from codecs import getincrementaldecoder
from pathlib import Path

from daemon.catalog import Catalog
from daemon.cli.places import job_of, workspace_of
from daemon.cli.screen import clean, tell
from daemon.errors import NotPossible
from daemon.model import Job
from daemon.workspace import Workspace

POLL_SECONDS = 0.2
CHUNK = 1 << 16


def command(args: Namespace) -> int:
    """What the attempt printed; with ``-f`` what is still printed, until the job is over or waits."""
    workspace = workspace_of(args)
    catalog, job = job_of(workspace, args.job)
    folder = workspace.run(job.id) / "logs"
    path = _log_of(folder, job, args.stage)
    if path is None and not args.follow:
        raise NotPossible(_no_log(workspace, job, args.stage or "any stage"))
    if not args.follow:
        assert path is not None
        printer = _Printer(path)
        printer.more()
        if not printer.printed:
            tell(f"{path.stem.partition('-')[2]} printed nothing")
        return 0
    _follow(catalog, job, folder, args.stage, path)
    return 0


def _no_log(workspace: Workspace, job: Job, what: str) -> str:
    if job.final and not workspace.run(job.id).exists():
        return f"runs/{job.id} is gone, pruned or removed, and its logs with it; what happened: spork events {job.id}"
    if job.final:
        return f"{job.id} has no log of {what}; it is {job.status}"
    return f"{job.id} has no log of {what} yet; it is {job.status}" + (
        f" at {job.stage}" if job.stage else ""
    )


def _follow(catalog: Catalog, job: Job, folder: Path, stage: str | None, path: Path | None) -> None:
    printer = _Printer(path) if path else None
    while True:
        now = catalog.job(job.id)
        assert now is not None
        newest = _log_of(folder, now, stage)
        if printer is not None:
            printer.more()
        if newest is not None and (printer is None or newest != printer.path):
            print(f"==> {newest.name}", file=sys.stderr, flush=True)
            printer = _Printer(newest)
            printer.more()
        if not now.open_attempt and now.status != "queued":
            return
        time.sleep(POLL_SECONDS)


def _log_of(folder: Path, job: Job, stage: str | None) -> Path | None:
    """The log of that stage's latest attempt (or of ``stage.N``); without a stage, the latest of all."""
    if stage is None:
        started = [s for s in job.stages if s.attempts]
        latest = max(started, key=lambda s: s.started_at or "", default=None)
        if latest is None:
            return None
        stage = latest.name
    name, _, number = stage.rpartition(".") if "." in stage else (stage, "", "")
    try:
        found = job.at(name)
    except KeyError:
        raise NotPossible(
            f"{job.id} has the stages {', '.join(s.name for s in job.stages)}, not {name}"
        ) from None
    path = folder / f"{job.number(name):02d}-{name}.{number or found.attempts}.log"
    return path if path.exists() else None


class _Printer:
    """Prints what is new in a log; logs only grow."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")

    @property
    def printed(self) -> bool:
        """Whether there was anything so far."""
        return self._place > 0

    def more(self) -> None:
        """Print up to the file's end."""
        with self.path.open("rb") as file:
            file.seek(self._place)
            while chunk := file.read(CHUNK):
                self._place += len(chunk)
                # Colors and carriage returns of a stage's tools would act on this terminal: they are escaped.
                sys.stdout.write(clean(self._decoder.decode(chunk)))
        sys.stdout.flush()
