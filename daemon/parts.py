"""What the daemon works with in an open workspace: the same parts for the recovery at the start and for the loop."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.attempts import Attempts
from daemon.carrier import Carrier
from daemon.clock import Clock
from daemon.decisionfiles import DecisionFiles
from daemon.decisions import Desk
from daemon.gates import Gates
from daemon.ground import Ground
from daemon.inbox import Inbox
from daemon.lane import Lane
from daemon.recorder import Recorder
from daemon.runner import Runner
from daemon.watcher import Watcher
from daemon.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Parts:
    """Each is handed in, and closed by who made it."""

    workspace: Workspace
    clock: Clock
    recorder: Recorder
    watcher: Watcher
    ground: Ground
    inbox: Inbox
    carrier: Carrier
    gates: Gates
    decision_files: DecisionFiles
    desk: Desk
    attempts: Attempts
    runner: Runner
    lane: Lane
