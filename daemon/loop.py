"""The loop: clear the bell, look, decide, record, do what is due, wait. Right with the bell deaf, only slower.

Decisions are looked at before timers, timers before new starts. Copies for people follow last, after the
next stage has been started.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from daemon import rulings
from daemon.attempts import Attempts
from daemon.clock import Clock, rfc3339
from daemon.decisions import ORDER, Desk
from daemon.files import is_folder
from daemon.gates import Gates
from daemon.ground import Ground
from daemon.inbox import Inbox, make_run
from daemon.logs import say
from daemon.machine import Effect, due
from daemon.model import Job
from daemon.recorder import Recorder
from daemon.runner import Runner
from daemon.settings import Policy
from daemon.store import Change
from daemon.watcher import Hints, Watcher
from daemon.workroom import sweep
from daemon.workspace import Workspace

INBOX = "inbox"
DECISION_NAMES = frozenset(f"{verb}.yaml" for verb in ORDER)
LANE_RETRY_SECONDS = 1.0
IDLE_SECONDS = 60.0
TROUBLE_SECONDS = 1.0


class Loop:
    """One workspace's work. ``turn`` does all that can be done now and says how long nothing will."""

    def __init__(
        self,
        workspace: Workspace,
        policy: Policy,
        recorder: Recorder,
        inbox: Inbox,
        desk: Desk,
        gates: Gates,
        attempts: Attempts,
        runner: Runner,
        watcher: Watcher,
        ground: Ground,
        clock: Clock,
        only: str | None = None,
    ) -> None:
        self._workspace, self._recorder = workspace, recorder
        self._inbox, self._desk, self._gates, self._attempts = inbox, desk, gates, attempts
        self._runner, self._watcher, self._ground, self._clock = runner, watcher, ground, clock
        self._only = only
        self._only_ids: set[str] = set()
        self.open: dict[str, int] = {}
        """The jobs that can still change, each with its run directory's last seen mtime_ns."""
        self._again: dict[str, float] = {}
        self._inbox_again: float | None = 0.0
        self._rescan_at = 0.0
        self._poll_at = 0.0
        self._lane_at: float | None = None
        self._busy_at = clock.boot()
        self._folders: dict[str, set[str]] = {}
        self._lying: set[str] = set()
        self._unready = 0
        self.stopping = False
        self.full = False
        """No room on the disk: nothing new is taken or started."""
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on; open attempts and gates keep the terms they began with."""
        self._policy = policy
        for part in (self._inbox, self._desk, self._gates, self._attempts):
            part.apply(policy)

    def adopt(self, job_id: str) -> None:
        """Watch a job that can still change, and look at it in the next turn."""
        if job_id not in self.open:
            self.open[job_id] = 0
            self._watcher.watch(job_id, self._workspace.run(job_id))
            self._again[job_id] = 0.0

    def turn(self) -> float:
        """One turn; gives the seconds until the next is due if the bell does not ring before."""
        hints = self._watcher.drain()
        for note in hints.notes:
            say("orchestrator", "watcher", logging.WARNING, note=note)
        now, boot = self._clock.wall(), self._clock.boot()
        everything = hints.everything or boot >= self._rescan_at
        polled = self._unwatched(boot)
        if everything:
            self._rescan_at = boot + self._policy.watch.rescan_seconds
            self._ground.check()
            self.full = self._ground.full(self._policy)
            self._ground.prune(self._policy, now, boot)
            self._recorder.catch_up(self._show)
        progressed = self._attempts.look(now)
        if not self.stopping:
            self._look_at_runs(hints, polled, now, boot, everything=everything)
            self._look_at_inbox(hints, polled, now, boot, everything=everything)
            self._expire(now)
            progressed |= not self.full and self._start(now)
        ticks = self._attempts.tick()
        self._recorder.follow(self._show)
        self._keep_warm(boot, busy=progressed or self._attempts.current is not None)
        return self._wait(boot, ticks)

    # -- looking

    def _unwatched(self, boot: float) -> frozenset[str]:
        """The folders that no bell hangs in, when it is time to look into them."""
        if not self._watcher.unwatched or boot < self._poll_at:
            return frozenset()
        self._poll_at = boot + self._policy.watch.poll_seconds
        return frozenset(self._watcher.unwatched)

    def _look_at_runs(
        self, hints: Hints, polled: frozenset[str], now: datetime, boot: float, *, everything: bool
    ) -> None:
        rung = {
            key.partition("/")[0] for key, names in hints.rang.items() if key != INBOX and _matters(names)
        }
        polled_jobs = (key.partition("/")[0] for key in polled)
        wanted = dict.fromkeys(i for i in (*rung, *polled_jobs) if i in self.open)
        wanted.update(dict.fromkeys(i for i, at in self._again.items() if at <= boot))
        if everything:
            wanted.update(dict.fromkeys(i for i in self.open if self._touched(i)))
        for job_id in wanted:
            try:
                self._look_at_run(job_id, now, boot)
            except OSError as error:
                self._trouble(error, job=job_id)
                self._again[job_id] = boot + TROUBLE_SECONDS

    def _touched(self, job_id: str) -> bool:
        """Whether the directory may hold news: its listing changed, or a file that did not count still lies there."""
        try:
            mtime = os.stat(self._workspace.run(job_id)).st_mtime_ns
        except OSError:
            return True
        before, self.open[job_id] = self.open[job_id], mtime
        return before != mtime or job_id in self._lying

    def _trouble(self, error: OSError, **facts: str) -> None:
        """No descriptors, no memory, a sick disk: not the file's fault, so it waits for better times."""
        say("orchestrator", "cannot_look", logging.ERROR, why=str(error), **facts)

    def _look_at_run(self, job_id: str, now: datetime, boot: float) -> None:
        self._again.pop(job_id, None)
        job = self._recorder.store.job(job_id)
        if job is None or job.final:
            return
        if not is_folder(self._workspace.run(job_id)):
            self._make_run(job)
        looked = self._desk.look(job, partial(self._watcher.arrived_whole, job_id), now)
        job, waits = looked.job, [looked.retry_in]
        (self._lying.add if looked.lying else self._lying.discard)(job_id)
        if Effect.END_ATTEMPT in due(job):
            self._attempts.end(job.id)
        if job.answerable:
            job, settle = self._gates.notice_edits(job, now)
            waits.append(settle)
        soonest = min((w for w in waits if w is not None), default=None)
        if soonest is not None:
            self._again[job_id] = boot + soonest

    def _look_at_inbox(
        self, hints: Hints, polled: frozenset[str], now: datetime, boot: float, *, everything: bool
    ) -> None:
        asked = self._inbox_again is not None and self._inbox_again <= boot
        if self.full or not (INBOX in hints.rang or INBOX in polled or asked or everything):
            return
        try:
            retry = self._inbox.look(partial(self._watcher.arrived_whole, INBOX), now, self._only)
        except OSError as error:
            self._trouble(error, folder=INBOX)
            retry = TROUBLE_SECONDS
        self._inbox_again = None if retry is None else boot + retry
        self._only_ids.update(self._inbox.taken_ids)

    def _expire(self, now: datetime) -> None:
        for job_id in self._gates.overdue():
            job = self._recorder.store.job(job_id)
            if job is not None and job.answerable and job.reason != "expired":
                # An answer that lay there wins over the timer.
                try:
                    self._look_at_run(job_id, now, self._clock.boot())
                except OSError as error:
                    self._trouble(error, job=job_id)
                    self._gates.put_off(job_id, TROUBLE_SECONDS)
                    continue
                job = self._recorder.store.job(job_id)
            if job is not None and job.gate is not None and job.reason != "expired":
                self._gates.expire(job, now)
            else:
                self._gates.forget(job_id)

    # -- doing

    def _start(self, now: datetime) -> bool:
        """Start what is first in the queue and ready; True if anything changed."""
        if self._attempts.current is not None:
            return False
        self._lane_at = None
        only = self._only_ids if self._only else None
        # Jobs that cannot start must not hide those behind them.
        queued = self._recorder.store.queued(only=only, limit=8 + self._unready)
        self._unready = 0
        for job in queued:
            if Effect.FINISH in due(job):
                self._recorder.one(Change(job, rulings.finish(job, rfc3339(now))))
                return True
            if not self._ready(job):
                self._unready += 1
                self._lane_at = self._clock.boot() + LANE_RETRY_SECONDS
                continue
            if self._gates.stale(job, now) is not None or self._attempts.start(job, now):
                return True
            self._lane_at = self._clock.boot() + LANE_RETRY_SECONDS
            return False
        self._attempts.lane.stop_waiting()
        return False

    def _ready(self, job: Job) -> bool:
        """Whether the job's directory and files are where the next stage reads them."""
        run = self._workspace.run(job.id)
        try:
            if not is_folder(run):
                self._make_run(job)
            if not self._recorder.settle(job):
                return False
            sweep(run)
        except OSError as error:
            self._trouble(error, job=job.id)
            return False
        return True

    def _make_run(self, job: Job) -> None:
        kept = self._recorder.store.request(job.id)
        assert kept is not None
        say("orchestrator", "run_made_anew", logging.WARNING, job=job.id, note="its directory was gone")
        make_run(self._workspace, job.id, *kept)
        self._recorder.lag(job.id)
        self._rescan_at = 0.0
        self._watcher.check_roots([job.id] if job.id in self.open else ())

    def _show(self, job: Job) -> None:
        """Bring what a person sees of the job up to date, and watch it for as long as it can change."""
        if not is_folder(self._workspace.run(job.id)):
            self._make_run(job)
        self._gates.show(job)
        if job.final and not job.open_attempt:
            self._drop(job.id)
            return
        self.adopt(job.id)
        self._watch_folders(job)

    def _watch_folders(self, job: Job) -> None:
        """Hear edits in the folders of an open gate's artifacts, for as long as it is open."""
        wanted: set[str] = set()
        if job.answerable and job.gate is not None:
            parents = (os.path.dirname(a.path) for a in job.at(job.gate.stage).artifacts)
            wanted = {f"{job.id}/{parent}" for parent in parents if parent}
        for key in self._folders.pop(job.id, set()) - wanted:
            self._watcher.forget(key)
        if wanted:
            self._folders[job.id] = wanted
        for key in wanted:
            self._watcher.watch(key, self._workspace.runs / key)

    def _drop(self, job_id: str) -> None:
        """The job is over: from here on it costs nothing."""
        self.open.pop(job_id, None)
        self._again.pop(job_id, None)
        self._lying.discard(job_id)
        for key in (job_id, *self._folders.pop(job_id, ())):
            self._watcher.forget(key)
        self._desk.forget(job_id)
        self._gates.forget(job_id)
        sweep(self._workspace.run(job_id))

    # -- waiting

    def _keep_warm(self, boot: float, *, busy: bool) -> None:
        if busy:
            self._busy_at = boot
            self._runner.warm()
        elif boot - self._busy_at >= IDLE_SECONDS:
            self._runner.rest()

    def _wait(self, boot: float, ticks: float | None) -> float:
        if self._watcher.unread:
            return 0.0
        times = [self._rescan_at, *self._again.values()]
        times += [at for at in (self._inbox_again, self._lane_at) if at is not None]
        if self._watcher.unwatched:
            times.append(self._poll_at)
        if boot - self._busy_at < IDLE_SECONDS:
            times.append(self._busy_at + IDLE_SECONDS)
        spans = [at - boot for at in times]
        spans += [left for left in (ticks, self._gates.next_expiry()) if left is not None]
        return max(min(spans), 0.0)

    @property
    def running(self) -> bool:
        """Whether an attempt is open."""
        return self._attempts.current is not None

    @property
    def idle(self) -> bool:
        """Whether nothing can move without a person: no attempt, no queue, no file that is settling."""
        return (
            self._attempts.current is None
            and not self._recorder.store.queued(only=self._only_ids if self._only else None)
            and self._inbox_again is None
            and not self._again
        )

    def stop(self, *, at_once: bool) -> None:
        """Start, claim and decide nothing more; the attempt that runs gets its grace."""
        self.stopping = True
        self._attempts.stop(at_once=at_once)

    @property
    def descriptors(self) -> list[int]:
        """What to wait on: the bell, the attempt that runs, the lane that another workspace has."""
        current = self._attempts.current
        found = [
            self._watcher.fileno(),
            self._attempts.lane.fileno(),
            current.running.fileno() if current else None,
        ]
        return [fd for fd in found if fd is not None and fd >= 0]


def _matters(names: Iterable[str]) -> bool:
    """Whether a change of these names can be an answer, or an edit of what is gated."""
    return any(name in DECISION_NAMES or not name.startswith(".") for name in names)
