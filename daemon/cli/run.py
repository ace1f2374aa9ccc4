"""``spork run JOB.yaml``: submit it and see it through; where no daemon runs, be the one for this job."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from daemon.catalog import Catalog
from daemon.cli.answer import (
    WrongEdit,
    await_decided,
    await_record,
    await_shown,
    give,
    refuse_wrong_edits,
    undecided,
)
from daemon.cli.asking import Asked, ask, can_ask
from daemon.cli.board import Board, Lines, board
from daemon.cli.claiming import Claiming, already
from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.cli.submit import vet
from daemon.cli.upkeep import Upkeep
from daemon.doors import Answer, Changed
from daemon.errors import NotPossible
from daemon.model import Job, Status
from daemon.names import shown
from daemon.workspace import Workspace

POLL_SECONDS = 0.1
WAITS = 3
STALE_SECONDS = 30.0


def command(args: Namespace) -> int:
    """0 done, 1 the job failed or was canceled, 3 it waits for a decision that nobody gave here."""
    workspace = workspace_of(args)
    path = Path(args.file)
    data, vetted = vet(path, workspace)
    known = already(workspace, vetted, data)
    if known is not None:
        tell(f"{known.id} is this very request; it is {known.status}")
        return _see_through(args, workspace, lambda _: known.id)
    claiming = Claiming(workspace, path, data, vetted)
    tell(f"submitted as {shown(claiming.place)}")
    return _see_through(args, workspace, claiming.wait)


def _see_through(args: Namespace, workspace: Workspace, job_id: Callable[[Upkeep], str]) -> int:
    upkeep = Upkeep(workspace, verbose=args.verbose)
    try:
        return Run(workspace, upkeep, approve_all=args.approve_all).see_through(job_id(upkeep))
    except KeyboardInterrupt:
        tell("\nleft; what was accepted stays, and a daemon goes on with it")
        raise
    finally:
        upkeep.close()


class Run:
    """One job to its end, or to a gate where nobody answers."""

    def __init__(self, workspace: Workspace, upkeep: Upkeep, *, approve_all: bool) -> None:
        self._workspace, self._upkeep, self._approve_all = workspace, upkeep, approve_all

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
                self._upkeep.see_to(job_id)
                if why := self._upkeep.news(job_id, catalog, job):
                    shown_on.note(why)
                time.sleep(POLL_SECONDS)
        self._tell_end(job, code)
        return code

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
        lying = undecided(self._workspace, catalog, job)
        if not (self._approve_all or lying or can_ask()):
            await_shown(self._workspace, job)
            return WAITS
        if not self._upkeep.is_there(job.id):
            return None
        if lying:
            # What was answered before we came counts first, also while no daemon ran.
            await_decided(self._workspace, catalog, job)
            if not _same_gate(catalog.job(job.id), job):
                return None
        if self._approve_all:
            self._insist(catalog, job, Answer("approve", by="approve-all"))
            shown_on.note(f"gate {job.gate.stage}: passed (--approve-all)")
            return None
        await_shown(self._workspace, job)
        return self._ask(catalog, job, shown_on) if can_ask() else WAITS

    def _ask(self, catalog: Catalog, job: Job, shown_on: Board | Lines) -> int | None:
        with shown_on.aside():
            asked = ask(self._workspace, catalog, job, lambda: _same_gate(catalog.job(job.id), job))
            if asked is Asked.GONE:
                tell("somebody else answered it meanwhile")
                return None
            if isinstance(asked, Asked):
                return WAITS
            try:
                if asked.verb == "approve":
                    refuse_wrong_edits(self._workspace, catalog, job)
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
    """Whether the answer was about files that have changed, or are to be."""
    return isinstance(refused, Changed | WrongEdit) or "stale" in str(refused)


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
