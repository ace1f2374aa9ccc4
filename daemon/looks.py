"""A look at one job: the answers in its directory, the files of its gate, and the gate's time when it is over."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from daemon.logs import say
from daemon.machine import Effect, due
from daemon.model import Job
from daemon.parts import Parts
from daemon.runs import Runs
from daemon.starts import Starts
from daemon.unhurried import READING_SECONDS, Underway
from daemon.watchlist import Watchlist

TROUBLE_SECONDS = 1.0
"""Until another try, where a disk or the lack of a descriptor was in the way."""


class Looks:
    """The looks at the open jobs of one workspace; when the next is due, the watchlist and the gates are told."""

    def __init__(self, parts: Parts, runs: Runs, jobs: Watchlist, starts: Starts) -> None:
        self._clock, self._recorder, self._watcher = parts.clock, parts.recorder, parts.watcher
        self._attempts, self._desk, self._gates = parts.attempts, parts.desk, parts.gates
        self._files = parts.decision_files
        self._runs, self._jobs, self._starts = runs, jobs, starts

    def look(self, job_id: str, now: datetime, boot: float, *, alone: bool = False) -> bool:
        """Act on what lies in a job's directory; where that is looked at ``alone``, what it leads to may begin now.

        False: that cannot be done now, and is tried again.
        """
        try:
            self._look_at_run(job_id, now, boot, alone=alone)
        except Underway:
            self._jobs.look_again(job_id, boot + READING_SECONDS)
            return False
        except OSError as error:
            self._trouble(job_id, error, boot)
            return False
        return True

    def _look_at_run(self, job_id: str, now: datetime, boot: float, *, alone: bool) -> None:
        job = self._recorder.store.job(job_id)
        if job is None or job.final:
            return
        self._runs.ensure(job)
        self._jobs.looks(job_id)
        begins = partial(self._attempts.begins, now=now, goes_on=partial(self._starts.goes_on, quiet=alone))
        try:
            looked = self._desk.look(job, partial(self._watcher.arrived_whole, job_id), now, begins)
        except BaseException:
            self._attempts.give_up()
            raise
        job, waits = looked.job, [looked.retry_in]
        self._attempts.begin(job, now)
        self._jobs.looked(job_id, lying=looked.lying)
        if Effect.END_ATTEMPT in due(job):
            self._attempts.end(job.id)
        self._jobs.hear_edits(job)
        if job.answerable:
            job, settle = self._gates.notice_edits(job, now)
            waits.append(settle)
        soonest = min((w for w in waits if w is not None), default=None)
        if soonest is not None:
            self._jobs.look_again(job_id, boot + soonest)

    def put_away(self, boot: float) -> None:
        """Put the files of the answers that counted away; where a directory refuses that, it is looked at again."""
        self._files.put_away(partial(self._trouble, boot=boot))

    def _trouble(self, job_id: str, error: OSError, boot: float) -> None:
        """No descriptors, a sick disk: not the file's fault, so it waits for better times."""
        say("orchestrator", "cannot_look", logging.ERROR, why=str(error), job=job_id)
        self._jobs.look_again(job_id, boot + TROUBLE_SECONDS)

    def expire(self, now: datetime) -> None:
        """Do what the terms say of each gate whose time is over."""
        for job_id in self._gates.overdue():
            job = self._recorder.store.job(job_id)
            if job is not None and job.answerable and job.reason != "expired":
                # An answer that lay there wins over the timer.
                looked = self.look(job_id, now, self._clock.boot())
                job = self._recorder.store.job(job_id)
                if not looked or (job is not None and self._desk.holds_timer(job)):
                    self._gates.put_off(job_id, TROUBLE_SECONDS)
                    continue
            if job is None or job.gate is None or job.reason == "expired":
                self._gates.forget(job_id)
            elif not self._expired(job, now):
                self._gates.put_off(job_id, TROUBLE_SECONDS)

    def _expired(self, job: Job, now: datetime) -> bool:
        try:
            return self._gates.expire(job, now)
        except Underway:
            return False
        except OSError as error:
            say("orchestrator", "cannot_look", logging.ERROR, why=str(error))
            return False
