"""The loop: clear the bell, look, decide, record, do what is due, wait. Right with the bell deaf, only slower.

Decisions are looked at before timers, timers before new starts. Copies for people follow last, after the
next stage has been started.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from daemon import thrift
from daemon.copies import Copies
from daemon.logs import say
from daemon.looks import TROUBLE_SECONDS, Looks
from daemon.parts import Parts
from daemon.patience import Patience
from daemon.runs import Runs
from daemon.scope import Scope
from daemon.settings import Policy
from daemon.starts import Starts
from daemon.storm import PAUSE_SECONDS, Storm
from daemon.suspects import Suspects
from daemon.unhurried import Underway
from daemon.watcher import Hints
from daemon.watchlist import INBOX, Watchlist

IDLE_SECONDS = 60.0
ROOM_SECONDS = 5.0


class Loop:
    """One workspace's work. ``turn`` does all that can be done now and says how long nothing will."""

    def __init__(self, parts: Parts, policy: Policy, only: str | None = None) -> None:
        self._clock, self._recorder, self._watcher = parts.clock, parts.recorder, parts.watcher
        self._ground, self._inbox, self._carrier = parts.ground, parts.inbox, parts.carrier
        self._gates, self._desk, self._attempts = parts.gates, parts.desk, parts.attempts
        self._files, self._runner, self._lane = parts.decision_files, parts.runner, parts.lane
        self.jobs = Watchlist(parts.workspace, parts.watcher)
        self._scope = Scope(only)
        runs = Runs(parts, self.jobs, self._look_everywhere)
        self._starts = Starts(parts, runs, self._scope)
        self._looks = Looks(parts, runs, self.jobs, self._starts)
        self._copies = Copies(parts, runs, self.jobs)
        self._inbox_again: float | None = 0.0
        self._rescan_at = 0.0
        self._poll_at = 0.0
        self._busy_at = self._clock.boot()
        self._storm = Storm()
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
        for part in (self._inbox, self._files, self._desk, self._gates, self._attempts):
            part.apply(policy)

    def turn(self) -> float:
        """One turn; gives the seconds until the next is due if the bell does not ring before."""
        hints = self._hear()
        self._ground.check_place()
        now, boot = self._clock.wall(), self._clock.boot()
        everything = hints.everything or boot >= self._rescan_at
        polled = self._unwatched(boot)
        if everything:
            self._check_ground(now, boot)
        self._look_for_room(boot)
        if everything or self._copies.due(boot):
            self._copies.catch_up()
            self._recorder.close_ledger(int(self._policy.retention.ledger_mib * (1 << 20)))
        looked = [] if self.stopping else self.jobs.take_due(hints, polled, boot, everything=everything)
        inbox = self._asks_for_inbox(hints, polled, boot, everything=everything)
        quiet = not (self.stopping or self.full or inbox or everything)
        goes_on = partial(self._starts.goes_on, quiet=quiet and not looked)
        progressed = self._try(partial(self._attempts.look, goes_on=goes_on), now)
        moved_on = False
        if not self.stopping:
            before = self._attempts.current
            for job_id in looked:
                self._looks.look(job_id, now, boot, alone=quiet and len(looked) == 1)
            progressed |= self._attempts.current is not before
            busy = bool(looked) or inbox or progressed
            self._storm.turn(boot, rang=bool(hints.rang), meant=busy)
            if inbox:
                self._look_at_inbox(now, boot)
            for job_id in self.jobs.take_leisurely(boot, busy=busy):
                self._looks.look(job_id, now, boot)
            self._looks.expire(now)
            moved_on = not self.full and self._try(self._starts.start, now)
            progressed |= moved_on
        ticks = self._follow(boot, began=progressed, everything=everything)
        # Something ended without a process, such as a start that came to nothing: the next in the queue is due.
        return 0.0 if moved_on and self._attempts.current is None else self._wait(boot, ticks)

    def _follow(self, boot: float, *, began: bool, everything: bool) -> float | None:
        """What may come after the next start; gives the seconds until the attempt's time asks for something."""
        self._looks.put_away(boot)
        ticks = self._attempts.tick()
        runs = self._attempts.current is not None
        self._copies.follow(boot, began=began, beside=runs and not self.stopping)
        if everything or not runs:
            self._note_moves()
        if self.suspects and not (self.stopping or self.full):
            self._see_to_suspects(self.suspects)
        self._keep_warm(boot, busy=began or runs, everything=everything)
        return ticks

    def _see_to_suspects(self, suspects: Suspects) -> None:
        try:
            suspects.some()
        except OSError as error:
            # The next start looks at them again, unless all others could be noted as seen to.
            self._trouble(error)

    def _note_moves(self) -> None:
        """Not beside attempts, whose commits carry it: only where none may come soon."""
        try:
            self._recorder.note_moves()
        except OSError as error:
            self._trouble(error)

    # -- looking

    def _hear(self) -> Hints:
        hints = self._watcher.drain()
        for note in hints.notes:
            say("orchestrator", "watcher", logging.WARNING, note=note)
        return hints

    def _look_everywhere(self) -> None:
        """In the next turn, and not only where the bell rings."""
        self._rescan_at = 0.0

    def _check_ground(self, now: datetime, boot: float) -> None:
        self._rescan_at = boot + self._policy.watch.rescan_seconds
        self._ground.check()
        self._ground.prune(self._policy, now, boot)

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
            self._copies.catch_up()

    def _unwatched(self, boot: float) -> frozenset[str]:
        """The folders that no bell hangs in, when it is time to look into them."""
        if not self._watcher.unwatched or boot < self._poll_at:
            return frozenset()
        self._poll_at = boot + self._policy.watch.poll_seconds
        return frozenset(self._watcher.unwatched)

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
            self._starts.put_off(TROUBLE_SECONDS)
            return False

    def _asks_for_inbox(self, hints: Hints, polled: frozenset[str], boot: float, *, everything: bool) -> bool:
        asked = self._carrier.rang() or (self._inbox_again is not None and self._inbox_again <= boot)
        return not self.full and (INBOX in hints.rang or INBOX in polled or asked or everything)

    def _look_at_inbox(self, now: datetime, boot: float) -> None:
        try:
            retry = self._inbox.look(partial(self._watcher.arrived_whole, INBOX), now, self._scope.takes)
        except OSError as error:
            self._trouble(error, folder="inbox")
            retry = TROUBLE_SECONDS
        for job_id in self._inbox.made_ids:
            self.jobs.adopt_new(job_id)
        self._inbox_again = None if retry is None else boot + retry
        self._scope.took(self._inbox.taken_ids)

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
        times = [self._rescan_at, *self._copies.times, self._room.at]
        spans = [ticks, PAUSE_SECONDS if self._storm.on else None]
        # What is not done now is not waited for: its time may be over, and that would spin.
        if not self.stopping:
            times.append(self.jobs.next_look)
            spans.append(self._gates.next_expiry())
        if not (self.stopping or self.full):
            # Beside an attempt that runs nothing is started: its end asks for that.
            times += [self._inbox_again, None if self.running else self._starts.at]
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
