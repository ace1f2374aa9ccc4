"""Commit first, then follow: the one way by which anything changes.

``record`` commits events and state together. ``follow`` then makes the disk agree: files where they
belong, the review, the job's copies, and the ledger last. A crash in between leaves debts that the
state names; following again pays them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon import publication
from daemon.changes import Change, Owed, Recorded
from daemon.logs import Tag, say
from daemon.model import Event, Job, Status, Type
from daemon.projection import Projection
from daemon.store import Store
from daemon.workroom import holds_any, sweep
from daemon.workspace import Workspace

_TAGS: dict[str, Tag] = {
    "stage": "stage",
    "gate": "gate",
    "artifact": "gate",
    "decision": "gate",
    "request": "inbox",
}
_REFUSED = "copies_refused"
"""Where the ids are noted of jobs whose directories refused their copies."""
_GRAVE = {Type.STAGE_FAILED, Type.JOB_FAILED}
_ODD = {Type.DECISION_REFUSED, Type.REQUEST_REFUSED, Type.STAGE_INTERRUPTED, Type.GATE_EXPIRED}


_MOVES_ON = {Status.QUEUED, Status.RUNNING}
_UNSYNCED_AT_MOST = 64


@dataclass(slots=True)
class _Settled:
    """What was moved for a job and not synced yet, and the folders that takes."""

    debts: list[Owed] = field(default_factory=list)
    folders: set[Path] = field(default_factory=set)


class Recorder:
    """Records changes and keeps what must follow them."""

    def __init__(self, workspace: Workspace, store: Store, projection: Projection) -> None:
        self.workspace, self.store, self._projection = workspace, store, projection
        self._behind: dict[str, tuple[Job, list[Event]]] = {}
        self._ledger: list[Event] = []
        self._lagging: set[str] = set()
        self._settled: dict[str, _Settled] = {}
        self._over = False
        """Files of a job that is over were moved for good, and that is not noted yet."""

    def record(self, *changes: Change) -> list[Recorded]:
        """Commit all or nothing; raises what :meth:`Store.record` raises."""
        recorded = self.store.record(*changes)
        for done in recorded:
            self._ledger += done.events
            if done.job is not None:
                _, earlier = self._behind.get(done.job.id, (done.job, []))
                self._behind[done.job.id] = (done.job, [*earlier, *done.events])
        return recorded

    def one(self, change: Change) -> Job:
        """Record one change of one job; gives the job after it."""
        job = self.record(change)[0].job
        assert job is not None
        return job

    def born(self, done: Recorded, make: Callable[[Mapping[str, bytes]], None]) -> None:
        """Have the directory of a job that was accepted just now made with its copies in it: then it is not behind."""
        assert done.job is not None
        self._behind.pop(done.job.id, None)
        try:
            make(self._projection.born(done.job, done.events))
        except OSError:
            # How far it came is not known: the copies are held against the database, and not added to.
            self.lag(done.job.id)
            raise

    def settle(self, job: Job) -> bool:
        """Put the job's files where they belong; False, and told, if the disk refused."""
        settled = self._settled.get(job.id) or _Settled()
        done = {debt.key for debt in settled.debts}
        owed = self.store.owed(job.id, done)
        try:
            if owed:
                settled.folders |= publication.settle(self.workspace.run(job.id), owed)
                settled.debts += owed
                self._settled[job.id] = settled
            if settled.debts and (job.status not in _MOVES_ON or len(settled.debts) >= _UNSYNCED_AT_MOST):
                self._make_durable(job.id, settled)
                self._over |= job.final
        except OSError as error:
            # Looked at afresh the next time: a folder may have been replaced since its files were moved.
            self._settled.pop(job.id, None)
            say("stage", "publication_failed", logging.ERROR, job=job.id, why=str(error))
            return False
        return True

    def _make_durable(self, job_id: str, settled: _Settled) -> None:
        """Sync what was moved and say so. Not after each stage: until then the database says that it is owed,
        and the bytes were synced before the stage counted as completed, so a power cut loses no file and a
        restart moves it again.
        """
        publication.sync(settled.folders)
        publication.clear(self.workspace.run(job_id), settled.debts)
        for debt in settled.debts:
            self.store.moved(job_id, debt)
        self._settled.pop(job_id, None)

    def note_moves(self) -> None:
        """Note now what was moved for jobs that are over: no commit of their own follows, and until it is noted they
        are not pruned. OSError, and later, if there is no room.
        """
        if self._over:
            self.store.note_moves()
            self._over = False

    def sweep(self, job_id: str) -> None:
        """Remove what attempts left in the job's ``.work``, but for what is not in its place for good yet."""
        run = self.workspace.run(job_id)
        if not holds_any(run):
            return
        settled = self._settled.get(job_id) or _Settled()
        owed = self.store.owed(job_id, {debt.key for debt in settled.debts})
        sweep(run, keep=[debt.label for debt in (*settled.debts, *owed)])

    def follow(self, show: Callable[[Job], None]) -> None:
        """Bring the copies of every changed job up to its state; ``show`` sees to the review.

        What the disk refuses now is caught up from the database the next time.
        """
        # Told here and not in `record`: the next stage has been started by now and does not wait for the log.
        for event in self._ledger:
            _log(event)
        behind, self._behind = self._behind, {}
        for job, events in behind.values():
            try:
                if not self.settle(job):
                    self._lagging.add(job.id)
                show(job)
                if job.id not in self._lagging:
                    self._projection.add(job, events)
                    self._projection.show(job)
            except OSError:
                # Often somebody meddled with a copy, and making it again is all it needs.
                if not self._heal_job(show, job.id):
                    self._lagging.add(job.id)
        new, self._ledger = self._ledger, []
        try:
            if not self._lagging:
                self._projection.enter(new)
        except OSError as error:
            self._lagging.update(e.job_id or "" for e in new)
            say("orchestrator", "ledger_behind", logging.ERROR, why=str(error))

    @property
    def behind(self) -> bool:
        """Whether something was recorded that :meth:`follow` has not seen to."""
        return bool(self._behind or self._ledger)

    @property
    def lagging(self) -> bool:
        """Whether copies are not what they should be."""
        return bool(self._lagging)

    def lag(self, job_id: str) -> None:
        """The job's copies are not what they should be; the next catching up makes them again."""
        self._lagging.add(job_id)

    def close_ledger(self, limit: int) -> None:
        """Close the ledger at that size. Not while it lacks anything: what it lacks is found by its last line."""
        if self._lagging or self._ledger:
            return
        try:
            closed = self._projection.close_ledger(limit)
        except OSError as error:
            say("orchestrator", "ledger_behind", logging.ERROR, why=str(error))
        else:
            if closed is not None:
                say("orchestrator", "ledger_closed", file=f"jobs/{closed.name}")

    def catch_up(self, show: Callable[[Job], None]) -> None:
        """Try again what the disk refused."""
        if self._lagging:
            try:
                self.heal(show)
            except OSError as error:
                say("orchestrator", "copies_behind", logging.ERROR, why=str(error))

    def heal(self, show: Callable[[Job], None], also: Iterable[str] = ()) -> None:
        """Bring up to the database what the ledger lacks, and the jobs of ``also``.

        In the order of :meth:`follow`: the ledger is the last, so that a crash in here is found by the next.
        A job whose directory refuses its copies is told, tried again, and holds no other up; it is noted, for
        the ledger will not lack it any more. OSError where the ledger itself cannot be written.
        """
        missed = self._projection.missed(self.store)
        noted = (self.store.meta(_REFUSED) or "").split()
        self._lagging.update(also, noted, self._behind, (e.job_id or "" for e in missed))
        self._behind, self._ledger = {}, []
        refused = {job_id for job_id in self._lagging if not self._heal_job(show, job_id)}
        if refused != set(noted):
            self.store.set_meta(_REFUSED, " ".join(sorted(refused)))
        self._projection.enter(missed, missed=True)
        self._lagging = refused

    def heal_job(self, show: Callable[[Job], None], job_id: str) -> None:
        """Bring one job up to the database; what the disk refuses is caught up as ever."""
        if not self._heal_job(show, job_id):
            self._lagging.add(job_id)

    def _heal_job(self, show: Callable[[Job], None], job_id: str) -> bool:
        job = self.store.job(job_id)
        if job is None:
            return True
        try:
            settled = self.settle(job)
            show(job)
            self._projection.heal_job(self.store, job_id)
        except OSError as error:
            say("orchestrator", "copies_behind", logging.ERROR, job=job_id, why=str(error))
            return False
        return settled


def _log(event: Event) -> None:
    level = logging.ERROR if event.type in _GRAVE else logging.WARNING if event.type in _ODD else logging.INFO
    tag = _TAGS.get(event.type.split("_")[0], "orchestrator")
    say(
        tag,
        str(event.type),
        level,
        job=event.job_id,
        stage=event.stage,
        attempt=event.attempt,
        status=event.status,
        message=event.message,
    )
