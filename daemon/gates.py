"""Gates: under which terms one opens, what a person sees at it, when its time is over."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from daemon import answers, drafts, review, rulings
from daemon.beneath import opened_beneath
from daemon.birth import birth_in
from daemon.changes import Change
from daemon.clock import Clock, later, moment, rfc3339
from daemon.deadlines import Deadlines
from daemon.errors import Invalid
from daemon.files import write_durable
from daemon.gated import GatedFiles
from daemon.identity import Identity
from daemon.kept import decisions_folder
from daemon.logs import say
from daemon.looking import is_folder
from daemon.model import Job, Stage
from daemon.page import Around, asked_for, label
from daemon.recorder import Recorder
from daemon.rulings import GateTerms, OnDisk
from daemon.settings import Policy, gate_rule
from daemon.shelf import Shelf
from daemon.unhurried import Underway
from daemon.workspace import Workspace


class Gates:
    """The gates of one workspace. What it remembers (deadlines, settling edits) can be made again."""

    def __init__(
        self, workspace: Workspace, recorder: Recorder, shelf: Shelf, policy: Policy, clock: Clock
    ) -> None:
        self._workspace, self._recorder, self._shelf, self._clock = workspace, recorder, shelf, clock
        self.files = GatedFiles(workspace)
        self._deadlines = Deadlines()
        self._settling: dict[str, tuple[str, float]] = {}
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy for gates that open from now on."""
        self._policy = policy

    def terms(self, job: Job, stage: Stage, now: datetime) -> GateTerms | None:
        """The terms under which the stage's gate would open now; None if it has no gate."""
        rule = gate_rule(self._policy, self._shelf.stage(job, stage.name).gate, stage.name, job.gates)
        if rule is None:
            return None
        return GateTerms(
            rule.timeout_seconds,
            rule.auto_approve,
            rule.on_timeout,
            later(now, rule.timeout_seconds),
            self._early(job),
        )

    def terms_again(self, job: Job, now: datetime) -> GateTerms:
        """The open gate's own terms with a new time, for one that expired."""
        gate = job.gate
        assert gate is not None
        expires = later(now, gate.timeout_seconds)
        return GateTerms(gate.timeout_seconds, gate.auto_approve, gate.on_timeout, expires, gate.early)

    def _early(self, job: Job) -> tuple[str, ...]:
        """Decision files that already lie there: nobody can have looked yet."""
        found = []
        # A stage may have removed its own run directory; then there is no file that could be early.
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            opened_beneath(self._workspace.run(job.id)) as run,
        ):
            for name in ("approve.yaml", "reject.yaml"):
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=run, follow_symlinks=False)
                    found.append(Identity.of(status, birth_in(run, name)).key)
        return tuple(found)

    def stale(self, job: Job, now: datetime) -> Job | None:
        """The job back at the gate whose approved files have changed; None if all are as approved."""
        found = self.files.not_as_approved(job)
        if found is None:
            return None
        stage, on_disk = found
        terms = self.terms(job, stage, now) or GateTerms(
            None, auto_approve=False, on_timeout="pause", expires_at=None
        )
        return self._recorder.one(Change(job, rulings.stale(job, rfc3339(now), stage, terms, on_disk)))

    def as_approved(self, job: Job) -> bool:
        """Whether all that was approved is as it was then."""
        return self.files.not_as_approved(job) is None

    def notice_edits(self, job: Job, now: datetime) -> tuple[Job, float | None]:
        """Record what was edited at the open gate, once it has been quiet; gives seconds until another look."""
        assert job.gate is not None
        on_disk = self.files.on_disk(job, job.at(job.gate.stage), fresh=False)
        seen = _seen(on_disk)
        if seen == job.gate.digest:
            self._settling.pop(job.id, None)
            notes = review.misnamed(self._workspace.run(job.id))
            if not review.stands(self._workspace.run(job.id), job, on_disk, notes):
                self._review(job, on_disk, notes)
            # No bell tells that a file went: a note about one that looks like an answer must not outlive it.
            return job, self._policy.watch.poll_seconds if notes else None
        before, since = self._settling.get(job.id, ("", 0.0))
        boot = self._clock.boot()
        if before != seen:
            self._settling[job.id] = (seen, boot)
            return job, self._policy.inbox.settle_seconds
        quiet = boot - since
        if quiet < self._policy.inbox.settle_seconds:
            return job, self._policy.inbox.settle_seconds - quiet
        events = rulings.edited(job, rfc3339(now), on_disk)
        if events:
            del self._settling[job.id]
            job = self._recorder.one(Change(job, events))
            self._give_time_to_look(job)
            return job, None
        self._review(job, on_disk, review.misnamed(self._workspace.run(job.id)))
        return job, None

    def show(self, job: Job) -> bool:
        """Make the run directory show the review of an answerable gate, and none otherwise. False: its files are still
        being read, and `notice_edits` shows it after that.
        """
        run = self._workspace.run(job.id)
        if not is_folder(run):
            return True
        if not job.answerable or job.gate is None:
            self.forget(job.id)
            review.clear(run)
            return True
        stage = job.at(job.gate.stage)
        self._remember_deadline(job)
        review.keep_as_made(run, job, stage)
        try:
            on_disk, notes = self.files.on_disk(job, stage, fresh=False), review.misnamed(run)
        except Underway:
            return False
        if not (review.stands(run, job, on_disk, notes) and drafts.stand(run, job, job.gate, on_disk.digest)):
            self._review(job, on_disk, notes)
        return True

    def _review(self, job: Job, on_disk: OnDisk, notes: list[str]) -> None:
        review.show(self._workspace.run(job.id), job, on_disk, self._around(job, notes))

    def _around(self, job: Job, notes: list[str]) -> Around:
        """What REVIEW.md tells besides the files."""
        assert job.gate is not None
        stage = job.at(job.gate.stage)
        asked = asked_for(self._recorder.store.events(job.id), stage.name) if stage.attempts > 1 else []
        # A pipeline that is damaged since fails the next stage, and says so there.
        with suppress(Invalid):
            return Around(notes, asked, reviews=self._shelf.stage(job, stage.name).review is not None)
        return Around(notes, asked)

    def forget(self, job_id: str) -> None:
        """Nobody is asked about this job any more."""
        self._deadlines.drop(job_id)
        self._settling.pop(job_id, None)
        self.files.forget(job_id)

    def _remember_deadline(self, job: Job) -> None:
        gate = job.gate
        if gate is None or gate.expires_at is None or job.reason == "expired":
            self._deadlines.drop(job.id)
        elif self._deadlines.mark(job.id) != gate.expires_at:
            self.set_deadline(job.id, gate.expires_at)

    def set_deadline(self, job_id: str, expires_at: str) -> None:
        """Count the rest of the gate's time by the boot clock: only here, once, is the wall clock asked."""
        left = (moment(expires_at) - self._clock.wall()).total_seconds()
        self._deadlines.put(job_id, expires_at, self._clock.boot() + left)

    def keep_edits(self, job: Job) -> None:
        """Keep the diff of what a person edited beside the decision about it."""
        assert job.gate is not None
        run = self._workspace.run(job.id)
        stage = job.at(job.gate.stage)
        diff = review.edit_diff(run, job, stage)
        if diff:
            name = f"{label(job, stage, stage.attempts)}.edits.diff"
            with decisions_folder(run) as folder:
                write_durable(name, f"{diff}\n".encode(), folder=folder)

    def next_expiry(self) -> float | None:
        """Seconds until the first gate's time is over; None if no open gate has a limit."""
        first = self._deadlines.first
        return None if first is None else max(first - self._clock.boot(), 0.0)

    def put_off(self, job_id: str, seconds: float) -> None:
        """Ask about the gate's time again so much later: what lies there cannot be looked at now."""
        self._deadlines.put(job_id, self._deadlines.mark(job_id), self._clock.boot() + seconds)

    def _give_time_to_look(self, job: Job) -> None:
        """What has just been edited is not approved by the timer in the same moment: REVIEW.md has yet to show it."""
        over, seconds = self._deadlines.at(job.id), self._policy.inbox.settle_seconds
        approves = job.gate is not None and job.gate.auto_approve
        if approves and over is not None and over - self._clock.boot() < seconds:
            self.put_off(job.id, seconds)

    def overdue(self) -> Iterable[str]:
        """The ids of the jobs whose gate's time is over."""
        return self._deadlines.over(self._clock.boot())

    def expire(self, job: Job, now: datetime) -> bool:
        """Do what the gate's terms say for the end of its time; True. False: its files are being changed, and it would
        approve them. OSError: it could not be done now.
        """
        assert job.gate is not None
        stage, approves = job.at(job.gate.stage), job.gate.auto_approve
        written = self.files.being_written(job, stage) if approves else None
        if written is not None:
            say("orchestrator", "timer_put_off", logging.WARNING, job=job.id, being_written=written)
            return False
        on_disk = self.files.on_disk(job, stage, fresh=True)
        if approves and not self._rests(job, on_disk):
            return False
        self._recorder.one(Change(job, answers.expired(job, rfc3339(now), on_disk)))
        self._deadlines.drop(job.id)
        return True

    def _rests(self, job: Job, on_disk: OnDisk) -> bool:
        """Whether the open gate's files are as recorded and as REVIEW.md shows them, or some stay away."""
        assert job.gate is not None
        seen = _seen(on_disk)
        if seen == job.gate.digest:
            return review.stands(
                self._workspace.run(job.id), job, on_disk, review.misnamed(self._workspace.run(job.id))
            )
        # What has changed is recorded once it has settled; what is missing is not, and nothing approves that.
        before, since = self._settling.get(job.id, ("", 0.0))
        settled = self._clock.boot() - since >= self._policy.inbox.settle_seconds
        return bool(on_disk.missing) and before == seen and settled


def _seen(on_disk: OnDisk) -> str:
    return on_disk.digest + "".join(on_disk.missing)
