"""The attempt that runs, and the one that may start: the lane, its begin, what its end means.

One at a time. Whether an end is completed, failed, interrupted or gone is decided here from the report
and from why the attempt was told to end (`current`); what follows from it, by the rules.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from daemon import rulings
from daemon.changes import Change
from daemon.clashes import clash
from daemon.clock import Clock, rfc3339
from daemon.current import Current, Why
from daemon.errors import CannotWrite, Invalid, TryAgain
from daemon.gates import Gates
from daemon.lane import Lane
from daemon.logs import say
from daemon.machine import Effect, due, fold
from daemon.model import Artifact, Event, Job, Status
from daemon.ordering import Ordering
from daemon.orders import COMPLETED, LOST, Report
from daemon.patience import Patience
from daemon.publication import gate_digest
from daemon.recorder import Recorder
from daemon.runner import Runner
from daemon.settings import Policy
from daemon.workroom import clear

START_SECONDS = 60.0
"""At most so long between two tries to start an attempt that there was no room for."""


class Attempts:
    """Starts attempts and sees them to their end."""

    def __init__(
        self,
        recorder: Recorder,
        gates: Gates,
        ordering: Ordering,
        runner: Runner,
        lane: Lane,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._recorder, self._gates, self._ordering = recorder, gates, ordering
        self._runner, self._lane, self._clock = runner, lane, clock
        self.current: Current | None = None
        self._put_off: str | None = None
        """The job whose attempt could not be started, until that is recorded."""
        self._promised = False
        """A start is recorded with what leads to it, and `begin` is to follow."""
        self._patience = Patience(START_SECONDS)
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy for attempts that start from now on."""
        self._policy = policy
        self._ordering.apply(policy)

    def start(self, job: Job, now: datetime) -> bool:
        """Start the job's next attempt; False while another workspace has the lane. Files must be settled.

        OSError where there is no room, or are no descriptors, for it now: the job waits as before.
        """
        if not self._patience.over(self._clock.boot()):
            return False
        started = rulings.start(job, rfc3339(now), limit_seconds=self._ordering.limit_seconds(job))
        if not self._lane.try_take():
            return False
        try:
            job = self._recorder.one(Change(job, started))
        except BaseException:
            self._lane.give_back()
            raise
        self._launch(job, now)
        return True

    def _launch(self, job: Job, now: datetime) -> None:
        """Begin the attempt that was recorded; OSError as for `start`."""
        boot, limit = self._clock.boot(), self._ordering.limit_seconds(job)
        try:
            running = self._runner.start(self._ordering.order(job))
        except (CannotWrite, TryAgain) as error:
            self._lane.give_back()
            self._not_started(job, error, now)
            return
        except OSError:
            self._put_back(job, now)
            raise
        self._patience.note(boot, refused=False)
        self.current = Current(job.id, job.at(job.stage).name, job.attempt, running, boot + limit, limit)

    def _put_back(self, job: Job, now: datetime) -> None:
        """There was no room for the attempt: the job waits as before."""
        self._lane.give_back()
        self._put_off = job.id
        self._patience.note(self._clock.boot(), refused=True)
        self._undo_start(now)

    def _undo_start(self, now: datetime) -> None:
        """Record that the attempt that could not be started is over; OSError, and later, if there is no room."""
        if self._put_off is not None:
            job = self._recorder.store.job(self._put_off)
            assert job is not None
            if job.status is Status.CANCELED:
                events = rulings.attempt_gone(job, rfc3339(now))
            else:
                limit = self._policy.stages.max_interruptions
                events = rulings.interrupted(job, rfc3339(now), cause="stop", max_interruptions=limit)
            self._recorder.one(Change(job, events))
            self._put_off = None

    def fail_unstarted(self, job: Job, why: str, now: datetime) -> None:
        """Its pipeline does not say any more what to start: the attempt fails, and no other job does."""
        job = self._recorder.one(Change(job, rulings.start(job, rfc3339(now), limit_seconds=0.0)))
        self._fail(job, now, "stage_failed", Report("failed", why, "mend that, then resume the job"))

    def _not_started(self, job: Job, error: CannotWrite | TryAgain, now: datetime) -> None:
        """No process of the attempt exists: told, and tried again where that can help."""
        if isinstance(error, TryAgain):
            say("stage", "start_put_off", logging.WARNING, job=job.id, stage=job.stage, why=str(error))
            limit = self._policy.stages.max_interruptions
            events = rulings.interrupted(job, rfc3339(now), cause="crash", max_interruptions=limit)
            self._recorder.one(Change(job, events))
        else:
            self._fail(
                job, now, "stage_failed", Report("failed", str(error), "mend that, then resume the job")
            )

    def look(self, now: datetime, goes_on: Callable[[Job], bool]) -> bool:
        """Record the end of the attempt if it has ended; the lane is free after that. OSError: later.

        Where the job ``goes_on`` its next attempt begins in the same commit, and the lane stays held.
        """
        self._undo_start(now)
        current = self.current
        if current is None or (report := current.running.report()) is None:
            return False
        job = self._recorder.store.job(current.job_id)
        assert job is not None
        current.over = True
        try:
            job = self._ended(job, current, report, now, goes_on)
        except BaseException:
            self._promised = False
            raise
        self.current = None
        if not self.begin(job, now):
            self._lane.give_back()
        return True

    def begins(
        self, job: Job, events: Sequence[Event], now: datetime, goes_on: Callable[[Job], bool]
    ) -> list[Event]:
        """The start of the job's next attempt, to be recorded with the events that lead to it; empty where it cannot
        begin at once. Else the lane is taken, and `begin` must follow the record, or `give_up`.
        """
        if self.current is not None or self._put_off is not None:
            return []
        start = self._next_start(job, events, now, goes_on)
        self._promised = bool(start) and self._lane.try_take()
        return start if self._promised else []

    def _next_start(
        self, job: Job, events: Sequence[Event], now: datetime, goes_on: Callable[[Job], bool]
    ) -> list[Event]:
        """The start of the next attempt, where these events lead to one that nobody else comes before."""
        after = fold(events, job)
        if after is None or due(after) != {Effect.START} or not self._patience.over(self._clock.boot()):
            return []
        try:
            limit = self._ordering.limit_seconds(after)
        except Invalid:
            return []
        return rulings.start(after, rfc3339(now), limit_seconds=limit) if goes_on(after) else []

    def begin(self, job: Job, now: datetime) -> bool:
        """Begin the attempt that was recorded with what led to it, if one was; whether it was. What is still to be
        published goes to its place first. OSError as for `start`.
        """
        promised, self._promised = self._promised, False
        if promised:
            self._lane.check()
            if self._recorder.settle(job):
                self._launch(job, now)
            else:
                self._put_back(job, now)
        return promised

    def give_up(self) -> None:
        """What an attempt was to begin with could not be recorded."""
        if self._promised:
            self._promised = False
            self._lane.give_back()

    def _ended(
        self, job: Job, current: Current, report: Report, now: datetime, goes_on: Callable[[Job], bool]
    ) -> Job:
        at, seconds = rfc3339(now), round(report.seconds, 6)
        if report.outcome != COMPLETED:
            # At once, and before this is recorded: it may be what has filled the disk.
            clear(current.running.order)
        if report.strays_ended:
            facts = {"job": job.id, "stage": current.stage, "attempt": current.attempt}
            say("stage", "strays_ended", logging.WARNING, count=report.strays_ended, **facts)
        if job.status is Status.CANCELED:
            return self._recorder.one(Change(job, rulings.attempt_gone(job, at, seconds=seconds)))
        if report.outcome == COMPLETED:
            return self._completed(job, report, now, goes_on)
        if current.why is Why.TIMEOUT:
            why = f"{job.stage} did not end within its {current.limit_seconds / 60:g} minutes and was ended"
            hint = "raise pipeline.stage_timeouts in conf/operator.yaml, or mend the stage; then resume"
            return self._fail(
                job, now, "timeout", Report("failed", why, hint, report.exit_code, seconds=report.seconds)
            )
        if current.why is Why.STOP or report.outcome == LOST:
            cause: Literal["stop", "crash"] = "stop" if current.why is Why.STOP else "crash"
            limit = self._policy.stages.max_interruptions
            events = rulings.interrupted(job, at, cause=cause, max_interruptions=limit, seconds=seconds)
            return self._recorder.one(Change(job, events))
        return self._fail(job, now, "stage_failed", report)

    def _completed(self, job: Job, report: Report, now: datetime, goes_on: Callable[[Job], bool]) -> Job:
        if why := clash(job, (m.path for m in report.made)):
            hint = "a path belongs to the stage that first published it; write another name"
            return self._fail(job, now, "stage_failed", Report("failed", why, hint, seconds=report.seconds))
        made = [Artifact(m.path, m.kind, m.bytes, m.sha256, dict(m.meta)) for m in report.made]
        terms = self._gates.terms(job, job.at(job.stage), now)
        events = rulings.completed(
            job,
            rfc3339(now),
            artifacts=made,
            seconds=round(report.seconds, 6),
            gate=terms,
            digest=gate_digest((a.path, a.sha256) for a in made),
        )
        start = [] if self._lane.wanted else self._next_start(job, events, now, goes_on)
        self._promised = bool(start)
        return self._recorder.one(Change(job, [*events, *start]))

    def _fail(
        self, job: Job, now: datetime, reason: Literal["stage_failed", "timeout"], report: Report
    ) -> Job:
        facts = {"seconds": round(report.seconds, 6), "exit_code": report.exit_code, "signal": report.signal}
        events = rulings.failed(
            job,
            rfc3339(now),
            reason=reason,
            message=report.message,
            hint=report.hint,
            final=report.final,
            **facts,
        )
        return self._recorder.one(Change(job, events))

    def end(self, job_id: str) -> None:
        """The job was canceled: end its attempt, if it is the one that runs."""
        if self.current is not None and self.current.job_id == job_id:
            self.current.order_end(Why.CANCEL, self._clock.boot())

    def stop(self, *, at_once: bool) -> None:
        """The daemon stops: the attempt gets its grace, unless told a second time."""
        if self.current is not None:
            grace = 0.0 if at_once else self._policy.stages.stop_grace_seconds
            self.current.order_end(Why.STOP, self._clock.boot() + grace)

    def tick(self) -> float | None:
        """Do what the attempt's time asks for; gives the seconds until it asks again."""
        if self.current is None or self.current.over:
            return None
        return self.current.tick(self._clock.boot(), self._policy.stages.kill_grace_seconds)
