"""The loop: clear the bell, look, decide, record, do what is due, wait. Right with the bell deaf, only slower.

Decisions are looked at before timers, timers before new starts. Copies for people follow last, after the
next stage has been started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon import rulings, thrift
from daemon.attempts import Attempts
from daemon.carrier import Carrier
from daemon.changes import Change
from daemon.clock import Clock, rfc3339
from daemon.decisions import Desk
from daemon.errors import Invalid
from daemon.files import is_folder, sweep
from daemon.gates import Gates
from daemon.ground import Ground
from daemon.inbox import Inbox
from daemon.incoming import make_run
from daemon.lane import Lane
from daemon.logs import say
from daemon.lull import Lull
from daemon.machine import Effect, due
from daemon.model import Job
from daemon.patience import Patience
from daemon.recorder import Recorder
from daemon.runner import Runner
from daemon.scope import Scope
from daemon.settings import Policy
from daemon.storm import PAUSE_SECONDS, Storm
from daemon.suspects import Suspects
from daemon.unhurried import Underway
from daemon.watcher import Hints, Watcher
from daemon.watchlist import INBOX, Watchlist
from daemon.workspace import Workspace

LANE_RETRY_SECONDS = 1.0
IDLE_SECONDS = 60.0
TROUBLE_SECONDS = 1.0
READING_SECONDS = 0.1
"""Between two looks at files that are being read beside the loop."""
ROOM_SECONDS = 5.0
COPIES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop works with; each is handed in, and closed by who made it."""

    workspace: Workspace
    clock: Clock
    recorder: Recorder
    watcher: Watcher
    ground: Ground
    inbox: Inbox
    carrier: Carrier
    gates: Gates
    desk: Desk
    attempts: Attempts
    runner: Runner
    lane: Lane


class Loop:
    """One workspace's work. ``turn`` does all that can be done now and says how long nothing will."""

    def __init__(self, parts: Parts, policy: Policy, only: str | None = None) -> None:
        self._workspace, self._clock = parts.workspace, parts.clock
        self._recorder, self._watcher, self._ground = parts.recorder, parts.watcher, parts.ground
        self._inbox, self._gates, self._desk = parts.inbox, parts.gates, parts.desk
        self._attempts, self._runner = parts.attempts, parts.runner
        self._lane, self._carrier = parts.lane, parts.carrier
        self.jobs = Watchlist(parts.workspace, parts.watcher)
        self._scope = Scope(only)
        self._inbox_again: float | None = 0.0
        self._rescan_at = 0.0
        self._poll_at = 0.0
        self._lane_at: float | None = None
        self._busy_at = self._clock.boot()
        self._lull = Lull()
        self._storm = Storm()
        self._unready = 0
        self._copies = Patience(COPIES_SECONDS)
        self._room = Patience(ROOM_SECONDS)
        self.suspects: Suspects | None = None
        """Finished jobs that a power cut may have cut short."""
        self.stopping = False
        self.full = False
        """No room on the disk: nothing new is taken or started."""
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on; open attempts and gates keep the terms they began with."""
        self._policy = policy
        for part in (self._inbox, self._desk, self._gates, self._attempts):
            part.apply(policy)

    def turn(self) -> float:
        """One turn; gives the seconds until the next is due if the bell does not ring before."""
        hints = self._watcher.drain()
        for note in hints.notes:
            say("orchestrator", "watcher", logging.WARNING, note=note)
        self._ground.check_place()
        now, boot = self._clock.wall(), self._clock.boot()
        everything = hints.everything or boot >= self._rescan_at
        polled = self._unwatched(boot)
        if everything:
            self._rescan_at = boot + self._policy.watch.rescan_seconds
            self._ground.check()
            self._ground.prune(self._policy, now, boot)
        self._look_for_room(boot)
        if everything or self._copies.due(boot):
            self._recorder.catch_up(self._show)
            self._recorder.close_ledger(int(self._policy.retention.ledger_mib * (1 << 20)))
        looked = [] if self.stopping else self.jobs.take_due(hints, polled, boot, everything=everything)
        inbox = self._asks_for_inbox(hints, polled, boot, everything=everything)
        moved_on = False
        goes_on = partial(self._goes_on, quiet=not (looked or inbox or everything))
        progressed = self._try(partial(self._attempts.look, goes_on=goes_on), now)
        if not self.stopping:
            before, alone = self._attempts.current, len(looked) == 1 and not (inbox or everything)
            for job_id in looked:
                self._try_to_look(job_id, now, boot, alone=alone)
            progressed |= self._attempts.current is not before
            busy = bool(looked) or inbox or progressed
            self._storm.turn(boot, rang=bool(hints.rang), meant=busy)
            if inbox:
                self._look_at_inbox(now, boot)
            for job_id in self.jobs.take_leisurely(boot, busy=busy):
                self._try_to_look(job_id, now, boot)
            self._expire(now)
            moved_on = not self.full and self._try(self._start, now)
            progressed |= moved_on
        self._desk.put_away(partial(self._cannot_put_away, boot=boot))
        ticks = self._attempts.tick()
        self._follow(boot, began=progressed)
        if everything or self._attempts.current is None:
            self._note_moves()
        self._copies.note(boot, refused=self._recorder.lagging)
        if self.suspects and not (self.stopping or self.full):
            self._see_to_suspects(self.suspects)
        self._keep_warm(boot, busy=progressed or self._attempts.current is not None, everything=everything)
        # Something ended without a process, such as a start that came to nothing: the next in the queue is due.
        return 0.0 if moved_on and self._attempts.current is None else self._wait(boot, ticks)

    def _see_to_suspects(self, suspects: Suspects) -> None:
        try:
            suspects.some()
        except OSError as error:
            # The next start looks at them again, unless all others could be noted as seen to.
            self._trouble(error)

    # -- looking

    def _look_for_room(self, boot: float) -> None:
        """Take nothing new and start nothing while the disk is full; what waited is looked at once it is not."""
        was_full, self.full = self.full, self._ground.full(self._policy)
        self._room.note(boot, refused=self.full)
        if self.full:
            # Another workspace shall not wait for the lane behind one that takes it no more.
            self._lane.stop_waiting()
            self._carrier.rest()
        if was_full and not self.full:
            self._inbox_again = boot
            self._recorder.catch_up(self._show)

    def _unwatched(self, boot: float) -> frozenset[str]:
        """The folders that no bell hangs in, when it is time to look into them."""
        if not self._watcher.unwatched or boot < self._poll_at:
            return frozenset()
        self._poll_at = boot + self._policy.watch.poll_seconds
        return frozenset(self._watcher.unwatched)

    def _try_to_look(self, job_id: str, now: datetime, boot: float, *, alone: bool = False) -> bool:
        try:
            self._look_at_run(job_id, now, boot, alone=alone)
        except Underway:
            self.jobs.look_again(job_id, boot + READING_SECONDS)
            return False
        except OSError as error:
            self._trouble(error, job=job_id)
            self.jobs.look_again(job_id, boot + TROUBLE_SECONDS)
            return False
        return True

    def _cannot_put_away(self, job_id: str, error: OSError, *, boot: float) -> None:
        self._trouble(error, job=job_id)
        self.jobs.look_again(job_id, boot + TROUBLE_SECONDS)

    def _trouble(self, error: OSError, **facts: str) -> None:
        """No descriptors, a sick disk: not the file's fault, so it waits for better times."""
        say("orchestrator", "cannot_look", logging.ERROR, why=str(error), **facts)

    def _try(self, act: Callable[[datetime], bool], now: datetime) -> bool:
        try:
            return act(now)
        except Underway:
            return False
        except OSError as error:
            self._trouble(error)
            self._lane_at = self._clock.boot() + TROUBLE_SECONDS
            return False

    def _look_at_run(self, job_id: str, now: datetime, boot: float, *, alone: bool) -> None:
        """Act on what lies in a job's directory; where that is looked at ``alone``, what it leads to may begin now."""
        job = self._recorder.store.job(job_id)
        if job is None or job.final:
            return
        if not is_folder(self._workspace.run(job_id)):
            self._make_run(job)
        self.jobs.looks(job_id)
        begins = partial(self._attempts.begins, now=now, goes_on=partial(self._goes_on, quiet=alone))
        try:
            looked = self._desk.look(job, partial(self._watcher.arrived_whole, job_id), now, begins)
        except BaseException:
            self._attempts.give_up()
            raise
        job, waits = looked.job, [looked.retry_in]
        self._attempts.begin(job, now)
        self.jobs.looked(job_id, lying=looked.lying)
        if Effect.END_ATTEMPT in due(job):
            self._attempts.end(job.id)
        self.jobs.hear_edits(job)
        if job.answerable:
            job, settle = self._gates.notice_edits(job, now)
            waits.append(settle)
        soonest = min((w for w in waits if w is not None), default=None)
        if soonest is not None:
            self.jobs.look_again(job_id, boot + soonest)

    def _asks_for_inbox(self, hints: Hints, polled: frozenset[str], boot: float, *, everything: bool) -> bool:
        asked = self._carrier.rang() or (self._inbox_again is not None and self._inbox_again <= boot)
        return not self.full and (INBOX in hints.rang or INBOX in polled or asked or everything)

    def _look_at_inbox(self, now: datetime, boot: float) -> None:
        try:
            retry = self._inbox.look(partial(self._watcher.arrived_whole, INBOX), now, self._scope.takes)
        except OSError as error:
            self._trouble(error, folder=INBOX)
            retry = TROUBLE_SECONDS
        for job_id in self._inbox.made_ids:
            self.jobs.adopt_new(job_id)
        self._inbox_again = None if retry is None else boot + retry
        self._scope.took(self._inbox.taken_ids)

    def _expire(self, now: datetime) -> None:
        for job_id in self._gates.overdue():
            job = self._recorder.store.job(job_id)
            if job is not None and job.answerable and job.reason != "expired":
                # An answer that lay there wins over the timer.
                looked = self._try_to_look(job_id, now, self._clock.boot())
                job = self._recorder.store.job(job_id)
                if not looked or (job is not None and self._desk.holds_timer(job)):
                    self._gates.put_off(job_id, TROUBLE_SECONDS)
                    continue
            if job is None or job.gate is None or job.reason == "expired":
                self._gates.forget(job_id)
            elif not self._try(partial(self._gates.expire, job), now):
                self._gates.put_off(job_id, TROUBLE_SECONDS)

    # -- doing

    def _goes_on(self, job: Job, *, quiet: bool) -> bool:
        """Whether the next stage of a job whose stage has just ended is what a turn would start now.

        Then both can be one commit. Not where anything else is to be looked at first (not ``quiet``), such as an
        answer; nor where it would not start at once.
        """
        if self.stopping or self.full or not quiet or self._gates.next_expiry() == 0.0:
            return False
        ahead = self._recorder.store.queued(only=self._scope.ids, limit=1)
        if ahead and ahead[0].turn < job.turn:
            return False
        try:
            return is_folder(self._workspace.run(job.id)) and self._gates.as_approved(job)
        except OSError:
            return False

    def _start(self, now: datetime) -> bool:
        """Start what is first in the queue and ready; True if anything changed."""
        if self._attempts.current is not None:
            return False
        self._lane_at = None
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
                    self._lane_at = self._clock.boot() + LANE_RETRY_SECONDS
                    continue
                if stale or self._attempts.start(job, now):
                    return True
            except Invalid as error:
                self._attempts.fail_unstarted(job, str(error), now)
                return True
            except Underway:
                self._unready += 1
                self._lane_at = self._clock.boot() + READING_SECONDS
                continue
            self._lane_at = self._clock.boot() + LANE_RETRY_SECONDS
            return False
        self._lane.stop_waiting()
        return False

    def _stale(self, job: Job, now: datetime) -> bool | None:
        """Whether the job is back at a gate, its approved files having changed; None where its directory and files
        are not what the next stage can read now.
        """
        try:
            if not is_folder(self._workspace.run(job.id)):
                self._make_run(job)
            if not self._recorder.settle(job):
                return None
            self._recorder.sweep(job.id)
            return self._gates.stale(job, now) is not None
        except Underway:
            raise  # no trouble: `_start` asks again soon
        except OSError as error:
            self._trouble(error, job=job.id)
            return None

    def _make_run(self, job: Job) -> None:
        self._ground.check_place()
        kept = self._recorder.store.received.request(job)
        say("orchestrator", "run_made_anew", logging.WARNING, job=job.id, note="its directory was gone")
        make_run(self._workspace, job.id, *kept)
        self._recorder.lag(job.id)
        self._rescan_at = 0.0
        self.jobs.made_anew(job.id)

    def _follow(self, boot: float, *, began: bool) -> None:
        """Bring the copies for people up; those of a row of short attempts at once."""
        busy = self._recorder.behind and self._attempts.current is not None and not self.stopping
        if self._lull.over(boot, began=busy and began, busy=busy):
            self._recorder.follow(self._show)

    def _note_moves(self) -> None:
        """Not beside attempts, whose commits carry it: only where none may come soon."""
        try:
            self._recorder.note_moves()
        except OSError as error:
            self._trouble(error)

    def _show(self, job: Job) -> None:
        """Bring what a person sees of the job up to date, and watch it for as long as it can change."""
        if not is_folder(self._workspace.run(job.id)):
            self._make_run(job)
        if not job.answerable:
            # What we take away ourselves now rings for nobody.
            self.jobs.hear_edits(job)
        if not self._gates.show(job):
            self.jobs.look_again(job.id, self._clock.boot() + READING_SECONDS)
        if job.final and not job.open_attempt:
            # Its last answer may lie there still, if the disk refused to keep it: nobody looks there again.
            self._desk.tidy(job)
            self.jobs.drop(job.id)
            self._desk.forget(job.id)
            self._gates.forget(job.id)
            self._recorder.sweep(job.id)
            # What could not be removed at its time, such as an answer under the name by which it is taken away.
            with suppress(OSError):
                sweep(self._workspace.run(job.id))
            return
        self.jobs.adopt(job.id)
        self.jobs.hear_edits(job)

    # -- waiting

    def _keep_warm(self, boot: float, *, busy: bool, everything: bool) -> None:
        """Hold ready what work needs; a minute after it, let go of that, and of the memory it took."""
        if busy:
            self._busy_at = boot
            try:
                self._runner.warm()
            except OSError as error:
                self._trouble(error)
        elif boot - self._busy_at >= IDLE_SECONDS:
            self._runner.rest()
            if everything:
                self._recorder.store.forget_pages()
                thrift.give_back()

    def _wait(self, boot: float, ticks: float | None) -> float:
        if not self._storm.on and self._watcher.unread(self.jobs.may_matter):
            return 0.0
        if self.suspects and not (self.stopping or self.full):
            return 0.0
        times = [self._rescan_at, self._copies.at, self._room.at, self._lull.at]
        spans = [ticks, PAUSE_SECONDS if self._storm.on else None]
        # What is not done now is not waited for: its time may be over, and that would spin.
        if not self.stopping:
            times.append(self.jobs.next_look)
            spans.append(self._gates.next_expiry())
        if not (self.stopping or self.full):
            # Beside an attempt that runs nothing is started: its end asks for that.
            times += [self._inbox_again, None if self.running else self._lane_at]
        if self._watcher.unwatched:
            times.append(self._poll_at)
        if boot - self._busy_at < IDLE_SECONDS:
            times.append(self._busy_at + IDLE_SECONDS)
        left = [span for span in spans if span is not None] + [at - boot for at in times if at is not None]
        return max(min(left), 0.0)

    @property
    def running(self) -> str:
        """The open attempt, as in ``script of job-1``; empty if there is none."""
        current = self._attempts.current
        return f"{current.stage} of {current.job_id}" if current and not current.over else ""

    @property
    def idle(self) -> bool:
        """Whether nothing can move without a person: no attempt, no queue, no file that is settling.

        Nor what waits for room: somebody must make that.
        """
        still = self._attempts.current is None and self.jobs.next_look is None
        # What has just ended may have made room.
        return still and (not self.owes or (self.full and self._ground.full(self._policy)))

    @property
    def owes(self) -> bool:
        """Whether there is work for which only room may be missing."""
        queued = self._recorder.store.queued(only=self._scope.ids)
        return bool(self.suspects or queued) or self._inbox_again is not None

    def stop(self, *, at_once: bool) -> None:
        """Start, claim and decide nothing more; the attempt that runs gets its grace."""
        self.stopping = True
        self._attempts.stop(at_once=at_once)
        self._carrier.rest()

    @property
    def descriptors(self) -> list[int]:
        """What to wait on: the bell, the attempt that runs, the lane that another workspace has."""
        current = self._attempts.current
        found = [
            None if self._storm.on else self._watcher.fileno(),
            self._lane.fileno(),
            self._ground.fileno(),
            self._carrier.fileno(),
            current.running.fileno() if current and not current.over else None,
        ]
        return [fd for fd in found if fd is not None and fd >= 0]
