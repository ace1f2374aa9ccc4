"""Opening a workspace for work: take the lock, make the parts, recover, hear everything; and letting it go."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from operator import attrgetter

from daemon import generation, twin
from daemon.attempts import Attempts
from daemon.carrier import Carrier
from daemon.changes import Change
from daemon.checkup import Checkup
from daemon.clock import Clock, rfc3339
from daemon.decisionfiles import DecisionFiles
from daemon.decisions import Desk
from daemon.errors import Halt
from daemon.gates import Gates
from daemon.ground import Ground, check_folders, check_runs
from daemon.inbox import Inbox
from daemon.lane import DaemonLock, Lane
from daemon.logs import say
from daemon.loop import Loop
from daemon.model import Event, Type
from daemon.ordering import Ordering
from daemon.parts import Parts
from daemon.projection import Projection
from daemon.recorder import Recorder
from daemon.recovery import recover
from daemon.runner import Runner
from daemon.settings import Policy, load_policy
from daemon.shelf import Shelf
from daemon.store import Store
from daemon.watcher import Watcher
from daemon.watchlist import INBOX
from daemon.workspace import Workspace


@dataclass(slots=True)
class Opened:
    """An open workspace: its loop and what that works with."""

    loop: Loop
    parts: Parts
    policy: Policy
    lock: DaemonLock

    def reload(self) -> None:
        """Use conf/operator.yaml as it is now; BadPolicy or CannotWrite leave the old one in force."""
        policy = load_policy(self.parts.workspace)
        check_folders(self.parts.workspace, policy)
        for key in ("lane", "watch.mode", "stages.preload"):
            if attrgetter(key)(policy) != attrgetter(key)(self.policy):
                say(
                    "orchestrator",
                    "needs_restart",
                    logging.WARNING,
                    key=key,
                    note="the old value stays until then",
                )
        self.policy = policy
        self.loop.apply(policy)
        now = rfc3339(self.parts.clock.wall())
        event = Event(Type.POLICY_RELOADED, now, message="conf/operator.yaml was read again")
        self.parts.recorder.record(Change(None, [event]))

    def close(self) -> None:
        """Let everything go, in order: what copies, processes, then the lane, then the workspace."""
        self.parts.carrier.end()
        self.parts.gates.files.end()
        self.parts.runner.rest()
        self.parts.lane.give_back()
        self.parts.watcher.close()
        self.parts.ground.close()
        self.parts.recorder.store.close()
        self.lock.release()


def open_workspace(
    workspace: Workspace, *, poll: bool = False, only: str | None = None, clock: Clock | None = None
) -> Opened:
    """Open the workspace, for ``only`` one request if it is named (`Scope`).

    Raises BadPolicy, TryAgain (another daemon), CannotWrite, Halt.
    """
    policy = load_policy(workspace)
    check_folders(workspace, policy)
    lock = DaemonLock(workspace.daemon_lock, only, policy.lane.path)
    lock.acquire()
    try:
        if lost := workspace.lost_database:
            raise Halt(lost)
        store = Store(workspace.db)
        checkup = Checkup(workspace.db)
        checkup.begin()
        check_runs(workspace, store)
        generation.check(workspace)
        twin.tell_apart(workspace, store)
        parts = _parts(workspace, policy, store, lock, checkup, clock or Clock(), poll=poll)
        loop = Loop(parts, policy, only)
        loop.suspects = recover(parts, policy)
        parts.watcher.watch(INBOX, str(workspace.root))
        loop.jobs.adopt_all(store.open_ids())
        return Opened(loop, parts, policy, lock)
    except BaseException:
        lock.release()
        raise


def _parts(
    workspace: Workspace,
    policy: Policy,
    store: Store,
    lock: DaemonLock,
    checkup: Checkup,
    clock: Clock,
    *,
    poll: bool,
) -> Parts:
    recorder = Recorder(workspace, store, Projection(workspace))
    shelf = Shelf(store)
    lane = Lane(policy.lane.path)
    runner = Runner(lane, store.token, policy.stages.preload)
    watcher = Watcher("poll" if poll else policy.watch.mode, workspace.jobs / ".bell")
    carrier = Carrier(workspace)
    gates = Gates(workspace, recorder, shelf, policy, clock)
    decision_files = DecisionFiles(workspace, recorder, policy, clock.boot)
    return Parts(
        workspace=workspace,
        clock=clock,
        recorder=recorder,
        watcher=watcher,
        ground=Ground(workspace, lock, lane, store, watcher, checkup),
        inbox=Inbox(workspace, recorder, policy, carrier, clock.boot),
        carrier=carrier,
        gates=gates,
        decision_files=decision_files,
        desk=Desk(workspace, recorder, gates, decision_files, policy),
        attempts=Attempts(recorder, gates, Ordering(workspace, shelf, policy), runner, lane, policy, clock),
        runner=runner,
        lane=lane,
    )
