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
from daemon.model import Event, Job, Type
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
    _follow(catalog, job, folder, args.stage)
    return 0


def _no_log(workspace: Workspace, job: Job, what: str) -> str:
    if job.final and not workspace.run(job.id).exists():
        return f"runs/{job.id} is gone, pruned or removed, and its logs with it; what happened: spork events {job.id}"
    if job.final:
        return f"{job.id} has no log of {what}; it is {job.status}"
    return f"{job.id} has no log of {what} yet; it is {job.status}" + (
        f" at {job.stage}" if job.stage else ""
    )


def _follow(catalog: Catalog, job: Job, folder: Path, wanted: str | None) -> None:
    """Print the latest log, then each that is begun after it, in order, however short its attempt is."""
    begun, printer = _begun(catalog, job, 0, wanted)[-1:], None
    last = begun[0].seq if begun else 0
    if begun:
        printer = _Printer(_path(folder, job, begun[0].stage or "", begun[0].attempt))
    while True:
        now = catalog.job(job.id)
        assert now is not None
        for event in _begun(catalog, job, last, wanted):
            if printer is not None:
                printer.more()
            last = event.seq
            printer = _Printer(_path(folder, job, event.stage or "", event.attempt), named=True)
        if printer is not None:
            printer.more()
        if not now.open_attempt and now.status != "queued":
            return
        time.sleep(POLL_SECONDS)


def _begun(catalog: Catalog, job: Job, after: int, wanted: str | None) -> list[Event]:
    """The attempts that began since: of all stages, of one, or that one (``script.2``)."""
    return [
        event
        for event in catalog.events(job.id, after)
        if event.type is Type.STAGE_STARTED
        and wanted in (None, event.stage, f"{event.stage}.{event.attempt}")
    ]


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
    path = _path(folder, job, name, number or found.attempts)
    return path if path.exists() else None


def _path(folder: Path, job: Job, stage: str, attempt: int | str | None) -> Path:
    return folder / f"{job.number(stage):02d}-{stage}.{attempt}.log"


class _Printer:
    """Prints what is new in a log; logs only grow. ``named``: under its name, on stderr, once it is there."""

    def __init__(self, path: Path, *, named: bool = False) -> None:
        self.path = path
        self._named = named
        self._place = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")

    @property
    def printed(self) -> bool:
        """Whether there was anything so far."""
        return self._place > 0

    def more(self) -> None:
        """Print up to the file's end; nothing while there is no file."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            if self._named:
                print(f"==> {self.path.name}", file=sys.stderr, flush=True)
                self._named = False
            file.seek(self._place)
            while chunk := file.read(CHUNK):
                self._place += len(chunk)
                # Colors and carriage returns of a stage's tools would act on this terminal: they are escaped.
                sys.stdout.write(clean(self._decoder.decode(chunk)))
        sys.stdout.flush()
