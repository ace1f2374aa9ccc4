"""The daemon in this process: real parts on a real workspace, but stages that end when a test says so, and its clocks.

Opened from the disk each time; `Unplugged.run` goes on until nothing moves. A kill (tests/whole/mortal.py) drops all
objects, lets go of what the kernel would, and opens again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from daemon import opening
from daemon.clock import Clock
from daemon.harvest import Refused, harvest
from daemon.lane import DaemonLock, Lane
from daemon.lease import install_lease_signal_handler
from daemon.lull import MOMENT_SECONDS
from daemon.opening import Opened, open_workspace
from daemon.orders import COMPLETED, FAILED, Order, Report
from daemon.store import Store
from daemon.watcher import Watcher
from daemon.workroom import prepare
from daemon.workspace import Workspace
from tests.whole.mortal import Fate, Killed, mortal


class Clocks(Clock):
    """Both clocks in a test's hands."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.uptime = 1000.0

    def wall(self) -> datetime:
        return self.now

    def boot(self) -> float:
        return self.uptime

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.uptime += seconds


@dataclass(slots=True)
class Acting:
    """An open attempt whose end the test decides; in place of ``daemon.runner.Running``."""

    order: Order
    stubborn: bool = False
    """Does not end at SIGTERM."""
    ended: Report | None = None
    keeper_pid: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, int]:
        return self.order.job_id, self.order.stage, self.order.attempt

    def fileno(self) -> int:
        return -1

    def report(self) -> Report | None:
        return self.ended

    def terminate(self) -> None:
        self.said.append("terminate")
        if not self.stubborn:
            self._end("terminate", 15)

    def kill(self) -> None:
        self.said.append("kill")
        self._end("kill", 9)

    def abandon(self) -> None:
        raise AssertionError("an attempt that obeys was abandoned")

    def _end(self, ordered: str, signal: int) -> None:
        if self.ended is None:
            self.ended = Report(FAILED, f"ended by signal {signal}", signal=signal, ordered=ordered)

    def succeed(self) -> None:
        """Its folder is what it made, checked by the keeper's own harvest."""
        if self.ended is not None:
            return
        try:
            made = harvest(self.order.out_dir, self.order.outputs, lambda: False)
        except Refused as error:
            self.ended = Report(FAILED, str(error))
        else:
            self.ended = Report(COMPLETED, seconds=1.0, made=made)

    def fail(self, outcome: str = FAILED) -> None:
        if self.ended is None:
            self.ended = Report(outcome, "as the test wanted", exit_code=1, seconds=1.0)


class Stage:
    """In place of ``daemon.runner.Runner``: the attempt's folder is made as always, no process is."""

    def __init__(self, lane: Lane, token: str, preload: Sequence[str] = ()) -> None:
        self._lane = lane
        self.acting: Acting | None = None

    @property
    def idle(self) -> bool:
        return self.acting is None or self.acting.ended is not None

    def warm(self) -> None:
        pass

    def rest(self) -> None:
        pass

    def start(self, order: Order) -> Acting:
        if not self.idle or self._lane.fd < 0:
            raise AssertionError("an attempt is open, or the lane is not held")
        os.close(prepare(order))
        self.acting = Acting(order)
        return self.acting


class Unplugged:
    """The process that would be ``spork daemon``, and its successors."""

    def __init__(self, root: Path, *, poll: bool = False) -> None:
        self.workspace = Workspace(root)
        self.clock, self.fate = Clocks(), Fate()
        self.opened: Opened | None = None
        self._poll = poll
        self._made: list[Any] = []
        self._patches = ExitStack()
        self._patches.enter_context(mortal(self.fate))
        for name, kind in (
            ("Store", Store),
            ("Watcher", Watcher),
            ("Lane", Lane),
            ("DaemonLock", DaemonLock),
        ):
            self._patches.enter_context(mock.patch.object(opening, name, self._noted(kind)))
        self._patches.enter_context(mock.patch.object(opening, "Runner", Stage))
        # There are no processes of stages that a search through /proc could find.
        self._patches.enter_context(mock.patch("daemon.recovery.end_strays", return_value=0))
        # A thousand jobs' logs help nobody; what happened is in the ledger.
        logging.disable(logging.CRITICAL)
        self._patches.callback(logging.disable, logging.NOTSET)
        install_lease_signal_handler()

    def _noted(self, kind: type) -> Any:
        def make(*given: Any, **named: Any) -> Any:
            self._made.append(kind(*given, **named))
            return self._made[-1]

        return make

    @property
    def acting(self) -> Acting | None:
        """The attempt that is open now."""
        current = self.opened.loop._attempts.current if self.opened else None
        running: Any = current and current.running
        return running if isinstance(running, Acting) else None

    def run(self, turns: int = 200) -> None:
        """Turn until nothing moves at this moment, through every death that awaits."""
        while True:
            try:
                with self.fate.life():
                    self._turn(turns)
            except Killed:
                self.dead()
            else:
                return

    def _turn(self, turns: int) -> None:
        if self.opened is None:
            self.opened = open_workspace(self.workspace, poll=self._poll, clock=self.clock)
        store = self.opened.parts.recorder.store
        for _ in range(turns):
            before = store.last_seq()
            wait = self.opened.loop.turn()
            waits = wait > 0 and store.last_seq() == before
            if 0 < wait < 2 * MOMENT_SECONDS:
                # The copies wait for an attempt that may be over at once; this one is over when a test says so.
                self.clock.pass_time(wait)
            elif waits and (self.acting is None or self.acting.ended is None):
                return
        raise AssertionError(f"did not come to rest in {turns} turns")

    def stop(self) -> None:
        """SIGTERM, twice: the attempt that runs is ended, then everything is let go in order."""
        opened = self.opened
        if opened is None:
            return
        try:
            with self.fate.life():
                opened.loop.stop(at_once=True)
                while opened.loop.running:
                    opened.loop.turn()
                    self.clock.pass_time(1.0)
                opened.loop.turn()
                opened.close()
        except Killed:
            self.dead()
        self._made.clear()
        self.opened = None

    def dead(self) -> None:
        """What the kernel does for a process that is gone."""
        for made in self._made:
            if isinstance(made, Store):
                made._db.close()
            elif isinstance(made, Watcher):
                made.close()
            elif isinstance(made, Lane):
                made.give_back()
            else:
                made.release()
        self._made.clear()
        self.opened = None

    def close(self) -> None:
        """For the end of a test."""
        self.fate.points.clear()
        with suppress(Exception):
            self.stop()
        self.dead()
        self._patches.close()
