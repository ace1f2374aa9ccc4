"""``spork run JOB.yaml``: submit it and see it through; where no daemon runs, be the one for this job."""

from __future__ import annotations

import hashlib
import os
import time
from argparse import Namespace
from pathlib import Path

from daemon.catalog import Catalog
from daemon.check import Vetted
from daemon.cli.answer import await_record, await_shown, give
from daemon.cli.asking import Asked, ask, can_ask
from daemon.cli.board import Board, Lines, board
from daemon.cli.places import catalog_of, holder_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.cli.submit import submit, vet
from daemon.cli.worker import Worker
from daemon.doors import Answer, Changed
from daemon.dropping import Dropped
from daemon.errors import Halt, NotPossible, TryAgain
from daemon.model import Job, Status, Type
from daemon.names import shown
from daemon.workspace import Workspace

POLL_SECONDS = 0.1
PROBE_SECONDS = 1.0
DATABASE_SECONDS = 30.0
WAITS = 3
STALE_SECONDS = 30.0


def command(args: Namespace) -> int:
    """0 done, 1 the job failed or was canceled, 3 it waits for a decision that nobody gave here."""
    workspace = workspace_of(args)
    path = Path(args.file)
    data, vetted = vet(path, workspace)
    known = _already(workspace, vetted, data)
    if known is not None:
        tell(f"{known.id} is this very request; it is {known.status}")
        return Run(workspace, None, args).see_through(known.id)
    seen = _last_seq(workspace)
    dropped = submit(workspace, path, data, vetted)
    tell(f"submitted as inbox/{shown(dropped.name)}")
    run = Run(workspace, dropped, args)
    try:
        return run.see_through(run.await_claim(vetted, data, seen))
    except KeyboardInterrupt:
        tell("\nleft; what was accepted stays, and a daemon goes on with it")
        raise
    finally:
        run.close()


class Run:
    """One request from the inbox to its end, or to a gate where nobody answers."""

    def __init__(self, workspace: Workspace, dropped: Dropped | None, args: Namespace) -> None:
        self._workspace, self._dropped = workspace, dropped
        self._approve_all, self._verbose = args.approve_all, args.verbose
        self._worker: Worker | None = None
        self._probed = 0.0

    def close(self) -> None:
        """End the daemon that was started for this job."""
        if self._worker is not None:
            self._worker.stop()

    def await_claim(self, vetted: Vetted, data: bytes, seen: int) -> str:
        """The id of the job that the request became. NotPossible, with the reason, if it is refused."""
        assert self._dropped is not None
        dropped, deadline = self._dropped, time.monotonic() + DATABASE_SECONDS
        while True:
            self._see_to_daemon()
            try:
                catalog = catalog_of(self._workspace)
            except Halt:
                # The database is being made just now; a bad one stays bad.
                if time.monotonic() > deadline:
                    raise
                catalog = None
            if catalog is not None:
                claimed = catalog.claimed(dropped.key)
                if claimed is not None:
                    return claimed[0]
                _raise_refusal(catalog, dropped, seen)
                if not os.path.lexists(self._workspace.inbox / dropped.name):
                    twin = _already(self._workspace, vetted, data)
                    if twin is not None:
                        return twin.id
                catalog.close()
            time.sleep(POLL_SECONDS / 4)

    def see_through(self, job_id: str) -> int:
        """Follow the job, answering its gates; gives the exit code."""
        catalog = catalog_of(self._workspace)
        assert catalog is not None
        with board(self._workspace, catalog, job_id) as shown_on:
            while True:
                job = catalog.job(job_id)
                assert job is not None
                shown_on.update(job)
                code = self._settle(catalog, job, shown_on)
                if code is not None:
                    break
                if not job.final:
                    self._see_to_daemon()
                time.sleep(POLL_SECONDS)
        self._tell_end(job, code)
        return code

    def _see_to_daemon(self) -> None:
        """There must be a daemon: the one that runs, or our own. TryAgain if the job's daemon is gone."""
        if self._worker is not None:
            if self._worker.check():
                return
            self._worker.stop()
            self._worker = None
        if time.monotonic() - self._probed < PROBE_SECONDS and self._probed:
            return
        self._probed = time.monotonic()
        if holder_of(self._workspace) is not None:
            return
        if self._dropped is None or not os.path.lexists(self._workspace.inbox / self._dropped.name):
            raise TryAgain("no daemon runs here any more; the job is kept, `spork daemon` goes on with it")
        self._worker = Worker(self._workspace, self._dropped.name, verbose=self._verbose)

    def _settle(self, catalog: Catalog, job: Job, shown_on: Board | Lines) -> int | None:
        """The exit code if this is the end for us; None if it goes on."""
        if job.final and not job.open_attempt:
            return 0 if job.status is Status.COMPLETED else 1
        if job.status is Status.FAILED:
            return 1
        if job.answerable:
            return self._at_gate(catalog, job, shown_on)
        return WAITS if job.status is Status.PAUSED else None

    def _at_gate(self, catalog: Catalog, job: Job, shown_on: Board | Lines) -> int | None:
        assert job.gate is not None
        if self._approve_all:
            self._insist(catalog, job, Answer("approve", by="approve-all"))
            shown_on.note(f"gate {job.gate.stage}: passed (--approve-all)")
            return None
        await_shown(self._workspace, job)
        if not can_ask():
            return WAITS
        with shown_on.aside():
            asked = ask(self._workspace, job, lambda: _same_gate(catalog.job(job.id), job))
            if asked is Asked.GONE:
                tell("somebody else answered it meanwhile")
                return None
            if isinstance(asked, Asked):
                return WAITS
            try:
                self._pass(catalog, job, asked)
            except NotPossible as refused:
                if not _outdated(refused):
                    raise
                tell(str(refused))
        return None

    def _insist(self, catalog: Catalog, job: Job, answer: Answer) -> None:
        """Answer the gate whatever its files are: who edits meanwhile only delays it."""
        deadline = time.monotonic() + STALE_SECONDS
        while True:
            try:
                return self._pass(catalog, job, answer)
            except NotPossible as refused:
                if time.monotonic() > deadline or not _outdated(refused):
                    raise
                time.sleep(POLL_SECONDS)

    def _pass(self, catalog: Catalog, job: Job, answer: Answer) -> None:
        """Answer the gate as it now is. Raises what `give` and `await_record` raise."""
        now = catalog.job(job.id)
        if now is None or not _same_gate(now, job):
            tell("somebody else answered it meanwhile")
            return
        await_record(self._workspace, catalog, now, give(self._workspace, catalog, now, answer))

    def _tell_end(self, job: Job, code: int) -> None:
        run = self._workspace.run(job.id)
        if code == WAITS:
            _tell_waiting(job)
        elif job.status is Status.FAILED and job.error is not None:
            tell(f"failed: {job.error.stage}: {job.error.message}")
            if job.error.hint:
                tell(f"  {job.error.hint}")
            tell(f"  its log: spork logs {job.id} {job.error.stage}; then: spork resume {job.id}")
        elif job.status is not Status.COMPLETED:
            tell(f"{job.id} is {job.status}" + (f" ({job.reason})" if job.reason else ""))
        else:
            if job.placeholders:
                tell(f"PLACEHOLDERS, no real results: {', '.join(map(shown, job.placeholders))}")
            for path in results(job):
                show(str(run / path))


def _same_gate(now: Job | None, then: Job) -> bool:
    """Whether the gate that was looked at still waits."""
    return now is not None and now.answerable and (now.stage, now.attempt) == (then.stage, then.attempt)


def _outdated(refused: NotPossible) -> bool:
    """Whether the answer was about files that have changed."""
    return isinstance(refused, Changed) or "stale" in str(refused)


def results(job: Job) -> list[str]:
    """What the job was for: the video where there is one, else what its last stage made."""
    made = [a.path for s in job.stages for a in s.artifacts]
    if "video.mp4" in made:
        return ["video.mp4"]
    return next(([a.path for a in s.artifacts] for s in reversed(job.stages) if s.artifacts), [])


def _tell_waiting(job: Job) -> None:
    if job.gate is None:
        tell(f"{job.id} is {job.status} ({job.reason}); spork resume {job.id}   or   spork cancel {job.id}")
        return
    tell(
        f"{job.id} waits for a decision about {job.gate.stage}: read runs/{job.id}/REVIEW.md,\n"
        f"then: spork approve {job.id}   or   spork reject {job.id} --notes TEXT"
    )


def _already(workspace: Workspace, vetted: Vetted, data: bytes) -> Job | None:
    """The job that this very request, with an id of its own, became before."""
    if vetted.request.id is None:
        return None
    catalog = catalog_of(workspace)
    same = hashlib.sha256(data).hexdigest()
    if catalog is None or catalog.request_sha256(vetted.request.id) != same:
        return None
    return catalog.job(vetted.request.id)


def _last_seq(workspace: Workspace) -> int:
    catalog = catalog_of(workspace)
    if catalog is None:
        return 0
    try:
        return catalog.last_seq()
    finally:
        catalog.close()


def _raise_refusal(catalog: Catalog, dropped: Dropped, seen: int) -> None:
    for event in catalog.events(after=seen):
        if event.type is Type.REQUEST_REFUSED and event.payload.get("name") == shown(dropped.name):
            raise NotPossible(f"refused: {event.message}")
