"""The attempt that runs: its time limit, and how it is told to end, first in peace and then killed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daemon.runner import Running

KEEPER_PATIENCE = 5
"""How often, a second apart, a keeper is told to kill before it is killed itself."""


class Why(Enum):
    """Why an attempt was told to end."""

    TIMEOUT = "its time limit is over"
    CANCEL = "the job was canceled"
    STOP = "the daemon stops"


@dataclass(slots=True)
class Current:
    """The attempt that runs."""

    job_id: str
    stage: str
    attempt: int
    running: Running
    deadline: float
    """When it must have ended, by the boot clock."""
    limit_seconds: float
    why: Why | None = None
    terminate_at: float | None = None
    kill_at: float | None = None
    kills: int = 0
    over: bool = False
    """It has ended, and that could not be recorded yet: there was no room."""

    def order_end(self, why: Why, at: float) -> None:
        """Have it told to end at that time, or sooner if that was ordered before; the first reason stands."""
        self.why = self.why or why
        self.terminate_at = min(self.terminate_at or at, at)

    def tick(self, boot: float, kill_grace: float) -> float:
        """Do what its time asks for now; gives the seconds until it asks again."""
        if self.why is None and boot >= self.deadline:
            self.order_end(Why.TIMEOUT, boot)
        if self.kill_at is not None:
            if boot >= self.kill_at:
                self.kills += 1
                if self.kills > KEEPER_PATIENCE:
                    # Stopped, or stuck: it cannot obey. What it left is ended by us, then the lane is free.
                    self.running.abandon()
                self.running.kill()
                self.kill_at = boot + 1.0
            return self.kill_at - boot
        if self.terminate_at is not None and boot >= self.terminate_at:
            self.running.terminate()
            self.kill_at = boot + kill_grace
            return max(self.kill_at - boot, 0.0)
        return max((self.terminate_at or self.deadline) - boot, 0.0)
