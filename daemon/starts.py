"""What starts next: the first job in the queue that can, or at once the job whose stage or gate has just ended."""

from __future__ import annotations

import logging
from datetime import datetime

from daemon import rulings
from daemon.changes import Change
from daemon.clock import rfc3339
from daemon.errors import Invalid
from daemon.logs import say
from daemon.machine import Effect, due
from daemon.model import Job
from daemon.parts import Parts
from daemon.runs import Runs
from daemon.scope import Scope
from daemon.unhurried import READING_SECONDS, Underway

LANE_RETRY_SECONDS = 1.0


class Starts:
    """The queue of one workspace, and when it is to be asked again."""

    def __init__(self, parts: Parts, runs: Runs, scope: Scope) -> None:
        self._recorder, self._gates, self._clock = parts.recorder, parts.gates, parts.clock
        self._attempts, self._lane = parts.attempts, parts.lane
        self._runs, self._scope = runs, scope
        self._unready = 0
        self.at: float | None = None
        """When to try again, by the boot clock; None where nothing was put off."""

    def put_off(self, seconds: float) -> None:
        """Try again so much later."""
        self.at = self._clock.boot() + seconds

    def goes_on(self, job: Job, *, quiet: bool) -> bool:
        """Whether the next stage of a job whose stage has just ended is what a turn would start now.

        Then both can be one commit. Not where anything else is to be looked at first (not ``quiet``), such as an
        answer; nor where it would not start at once.
        """
        if not quiet or self._gates.next_expiry() == 0.0:
            return False
        ahead = self._recorder.store.queued(only=self._scope.ids, limit=1)
        if ahead and ahead[0].turn < job.turn:
            return False
        try:
            return self._runs.there(job) and self._gates.as_approved(job)
        except OSError:
            return False

    def start(self, now: datetime) -> bool:
        """Start what is first in the queue and ready; True if anything changed."""
        if self._attempts.current is not None:
            return False
        self.at = None
        # Jobs that cannot start must not hide those behind them.
        queued = self._recorder.store.queued(only=self._scope.ids, limit=8 + self._unready)
        self._unready = 0
        for job in queued:
            if Effect.FINISH in due(job):
                self._recorder.one(Change(job, rulings.finish(job, rfc3339(now))))
                return True
            try:
                stale = self._stale(job, now)
                if stale is None:
                    self._unready += 1
                    self.put_off(LANE_RETRY_SECONDS)
                    continue
                if stale or self._attempts.start(job, now):
                    return True
            except Invalid as error:
                self._attempts.fail_unstarted(job, str(error), now)
                return True
            except Underway:
                self._unready += 1
                self.put_off(READING_SECONDS)
                continue
            self.put_off(LANE_RETRY_SECONDS)
            return False
        self._lane.stop_waiting()
        return False

    def _stale(self, job: Job, now: datetime) -> bool | None:
        """Whether the job is back at a gate, its approved files having changed; None where its directory and files
        are not what the next stage can read now.
        """
        try:
            self._runs.ensure(job)
            if not self._recorder.settle(job):
                return None
            self._recorder.sweep(job.id)
            return self._gates.stale(job, now) is not None
        except Underway:
            raise  # no trouble: `start` asks again soon
        except OSError as error:
            say("orchestrator", "cannot_look", logging.ERROR, why=str(error), job=job.id)
            return None
