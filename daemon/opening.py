"""Opening a workspace for work: take the locks, end what a killed daemon left, pay what is owed, hear everything.

Recovery is no mode of its own: attempts that were cut off are recorded as such, and then the loop does what
is due, through the same door as always.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon import files, rulings
from daemon.attempts import Attempts
from daemon.clock import Clock, rfc3339
from daemon.decisions import Desk
from daemon.gates import Gates
from daemon.ground import Ground, check_folders
from daemon.inbox import Inbox, clear_incoming, make_run
from daemon.lane import DaemonLock, Lane
from daemon.logs import say
from daemon.loop import INBOX, Loop
from daemon.model import Event, Job, Status, Type
from daemon.projection import Projection
from daemon.recorder import Recorder
from daemon.runner import Runner
from daemon.settings import Policy, load_policy
from daemon.shelf import Shelf
from daemon.store import Change, Store
from daemon.strays import end_strays
from daemon.watcher import Watcher
from daemon.workroom import sweep
from daemon.workspace import Workspace

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(slots=True)
class Opened:
    """An open workspace: its loop, and what must be closed after it."""

    loop: Loop
    ground: Ground
    recorder: Recorder
    policy: Policy
    workspace: Workspace
    clock: Clock
    _lock: DaemonLock
    _lane: Lane
    _runner: Runner
    _watcher: Watcher

    def reload(self) -> None:
        """Use conf/operator.yaml as it is now; BadPolicy leaves the old one in force."""
        self.policy = load_policy(self.workspace)
        self.loop.apply(self.policy)
        event = Event(
            Type.POLICY_RELOADED, rfc3339(self.clock.wall()), message="conf/operator.yaml was read again"
        )
        self.recorder.record(Change(None, [event]))

    def close(self) -> None:
        """Let everything go, in order: processes, then the lane, then the workspace."""
        self._runner.rest()
        self._lane.give_back()
        self._watcher.close()
        self.recorder.store.close()
        self._lock.release()


def open_workspace(
    workspace: Workspace, *, poll: bool = False, only: str | None = None, clock: Clock | None = None
) -> Opened:
    """Open the workspace. Raises BadPolicy, TryAgain (another daemon), CannotWrite, Halt."""
    clock = clock or Clock()
    policy = load_policy(workspace)
    check_folders(workspace, policy)
    lock = DaemonLock(workspace.daemon_lock)
    lock.acquire()
    try:
        store = Store(workspace.db)
        store.check()
        return _assemble(workspace, policy, store, lock, clock, poll=poll, only=only)
    except BaseException:
        lock.release()
        raise


def _assemble(
    workspace: Workspace,
    policy: Policy,
    store: Store,
    lock: DaemonLock,
    clock: Clock,
    *,
    poll: bool,
    only: str | None,
) -> Opened:
    projection = Projection(workspace)
    recorder = Recorder(workspace, store, projection)
    shelf = Shelf(store)
    lane = Lane(policy.lane.path)
    runner = Runner(lane, store.token, policy.stages.preload)
    watcher = Watcher("poll" if poll else policy.watch.mode, workspace.jobs / ".bell")
    gates = Gates(workspace, recorder, shelf, policy, clock)
    inbox = Inbox(workspace, recorder, policy, clock.boot)
    desk = Desk(workspace, recorder, gates, policy, clock.boot)
    attempts = Attempts(workspace, recorder, gates, shelf, runner, lane, policy, clock)
    ground = Ground(workspace, lock, lane, store, watcher)
    loop = Loop(
        workspace, policy, recorder, inbox, desk, gates, attempts, runner, watcher, ground, clock, only
    )
    _recover(workspace, store, recorder, gates, desk, policy, clock)
    watcher.watch(INBOX, workspace.inbox)
    for job_id in store.open_ids():
        loop.adopt(job_id)
    return Opened(loop, ground, recorder, policy, workspace, clock, lock, lane, runner, watcher)


def _recover(
    workspace: Workspace,
    store: Store,
    recorder: Recorder,
    gates: Gates,
    desk: Desk,
    policy: Policy,
    clock: Clock,
) -> None:
    ended = end_strays(store.token)
    if ended:
        say("stage", "strays_ended", logging.WARNING, count=ended)
    for job_id in store.open_attempts():
        _close_attempt(job_id, store, recorder, policy, clock)
    for job_id in store.open_ids():
        if not files.is_folder(workspace.run(job_id)) or not workspace.request(job_id).exists():
            _make_run(workspace, store, job_id)
    clear_incoming(workspace)
    for job_id in store.owing_jobs():
        job = store.job(job_id)
        if job is not None:
            recorder.settle(job)
    _heal(workspace, store, recorder, gates, desk)
    runs = [workspace.run(job_id) for job_id in store.open_ids()]
    _sweep_files(workspace.jobs, workspace.rejected, *runs, *(run / "decisions" for run in runs))
    for job_id, expires_at in store.gates_with_time():
        gates.set_deadline(job_id, expires_at)


def _make_run(workspace: Workspace, store: Store, job_id: str) -> None:
    """Make the job's directory again; where that cannot be done, the job alone waits for it."""
    kept = store.request(job_id)
    assert kept is not None
    try:
        make_run(workspace, job_id, *kept)
    except OSError as error:
        say("orchestrator", "cannot_look", logging.ERROR, job=job_id, why=str(error))


def _close_attempt(job_id: str, store: Store, recorder: Recorder, policy: Policy, clock: Clock) -> None:
    """An attempt that was open when the daemon ended was cut off."""
    job = store.job(job_id)
    if job is None or not job.open_attempt:
        return
    now = rfc3339(clock.wall())
    if job.status is Status.CANCELED:
        events = rulings.attempt_gone(job, now)
    else:
        events = rulings.interrupted(
            job, now, cause="crash", max_interruptions=policy.stages.max_interruptions
        )
    recorder.one(Change(job, events))


def _heal(workspace: Workspace, store: Store, recorder: Recorder, gates: Gates, desk: Desk) -> None:
    """Catch the copies up. After a power cut any recent copy may be short: those are all looked at."""

    def show(job: Job) -> None:
        run = workspace.run(job.id)
        _sweep_files(run, run / "decisions", *run.glob("history/*/made/**/"))
        if job.final:
            desk.tidy(job)
            sweep(run)
        gates.show(job)

    boot = BOOT_ID.read_text().strip()
    same_boot = store.meta("boot") == boot
    recorder.heal(show, () if same_boot else store.touched_lately())
    if not same_boot:
        store.set_meta("boot", boot)


def _sweep_files(*folders: Path) -> None:
    """Remove the files that a killed daemon was writing there, passing no link."""
    for folder in folders:
        if files.is_folder(folder):
            with suppress(OSError):
                files.sweep(folder)
