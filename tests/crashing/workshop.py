"""A workspace whose daemons are forked, some of them under a tracer."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tests import history
from tests.crashed import disagreements
from tests.crashing.tracer import Point, Seen, Traced
from tests.forked import Forked, ForkedStudio
from tests.studio import QUICK
from tests.support import wait_for

POLICY = QUICK.replace("settle_seconds: 0.3", "settle_seconds: 0.05").replace(
    "stages: {stop_grace_seconds: 1, kill_grace_seconds: 0.5",
    "stages: {max_interruptions: 1000, stop_grace_seconds: 0.05, kill_grace_seconds: 0.05",
)
QUIET_SECONDS = 0.04


class UnderTracer(Forked):
    """A daemon below a tracer."""

    def __init__(self, run: Callable[[], NoReturn], point: Point | None) -> None:
        self.returncode = None
        self.traced = Traced(run, point)
        self.pid = self.traced.pid

    def poll(self) -> int | None:
        self.returncode = self.traced.poll()
        return self.returncode


class Workshop(ForkedStudio):
    """A studio whose next daemon may be under a tracer."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, POLICY)
        self._next: tuple[Point | None] | None = None
        self._spawned = 0
        self._canceled = False
        self.may_end = False
        """The daemon's point tells it to stop."""
        self._tracers: list[Traced] = []
        self._lane = -1

    def begin(self) -> None:
        """Forget what an earlier protocol did."""
        self._spawned, self._canceled = 0, False

    def trace_next(self, point: Point | None) -> None:
        """The next daemon is traced; without a point its calls are written down."""
        self._next = (point,)

    def fork(self, run: Callable[[], NoReturn]) -> Forked:
        self._spawned += 1
        point = self._next and self._next[0]
        self.may_end = point is not None and point.when == "term"
        if self._next is None:
            return Forked(run)
        made = UnderTracer(run, *self._next)
        self._tracers.append(made.traced)
        self._next = None
        return made

    def recover(self, point: Point | None) -> None:
        """Start a traced daemon whose calls count until it is ready, or was killed before."""
        seen = len(self.log.read_bytes())
        self.trace_next(point)
        process = self.spawn()
        self.arm()
        wait_for(
            lambda: process.poll() is not None or b'"daemon_ready"' in self.log.read_bytes()[seen:],
            "the daemon to be ready",
        )
        self.arm(on=False)

    @property
    def began_again(self) -> bool:
        """Whether the daemon was started more than once."""
        return self._spawned > 1

    def arm(self, *, on: bool = True) -> None:
        """Have the calls of a traced daemon count from now on, or no longer."""
        for traced in self._tracers[-1:]:
            traced.arm(on=on)

    def quiet(self) -> bool:
        """Whether a traced daemon makes no more calls that count."""
        counted = [traced.counted for traced in self._tracers]
        if counted:
            time.sleep(QUIET_SECONDS)
        return counted == [traced.counted for traced in self._tracers]

    def cancel(self) -> None:
        """Cancel the job that was asked for last, once."""
        if not self._canceled:
            self._canceled = True
            self.write(self.last, "cancel.yaml", "by: alice\n...\n")

    @property
    def last(self) -> str:
        """The job that was asked for last."""
        return list(self.asked)[-1]

    def watch_end(self) -> list[Seen]:
        """Wait for whatever outlived its daemon; what the tracers saw."""
        seen = [traced.close() for traced in self._tracers]
        self._tracers.clear()
        return seen

    def hold_lane(self) -> None:
        """Let no stage start."""
        self._lane = os.open(self.root / "jobs/lane.lock", os.O_RDWR | os.O_CREAT, 0o640)
        fcntl.flock(self._lane, fcntl.LOCK_EX)

    def release_lane(self) -> None:
        if self._lane >= 0:
            fcntl.flock(self._lane, fcntl.LOCK_UN)
            os.close(self._lane)
            self._lane = -1

    def at_rest(self, job_id: str, status: str, stage: str | None, decided: int) -> bool:
        """Whether the job came there, and the ledger, which is written last, says so."""
        state = self.state(job_id)
        if not state or (state["status"], len(state["decided"])) != (status, decided):
            return False
        if stage is not None and state["stage"] != stage:
            return False
        ledger = history.lines(self.root / "jobs/state.jsonl")
        return any(event["seq"] == state["seq"] for event in ledger)

    def faults(self) -> list[str]:
        return [*history.faults(self.root, self.asked, self.witness), *disagreements(self.root)]
