"""What the daemon stands on: locks, database, folders, room on the disk, the bell. Checked at start and on a timer."""

from __future__ import annotations

import grp
import logging
import os
import stat
from datetime import datetime

from daemon.catalog import Catalog
from daemon.errors import BadPolicy, CannotWrite, Halt
from daemon.lane import DaemonLock, Lane
from daemon.logs import say
from daemon.retention import outdated, remove
from daemon.settings import Policy
from daemon.store import Store
from daemon.watcher import Watcher
from daemon.workspace import Workspace, ensure_folders

PRUNE_SECONDS = 3600.0
PRUNE_BATCH = 20


class Ground:
    """Everything that may be pulled away under a running daemon."""

    def __init__(
        self, workspace: Workspace, lock: DaemonLock, lane: Lane, store: Store, watcher: Watcher
    ) -> None:
        self._workspace, self._lock, self._lane = workspace, lock, lane
        self._store, self._watcher = store, watcher
        self._folders = {path: os.stat(path).st_ino for path in (workspace.jobs, workspace.runs)}
        self._full = False
        self._prune_at = 0.0

    def check(self) -> None:
        """Halt where going on would be guessing; a deaf bell is made anew."""
        self._lock.check()
        self._lane.check()
        self._store.check_place()
        for path, inode in self._folders.items():
            try:
                same = os.stat(path).st_ino == inode
            except OSError:
                same = False
            if not same:
                raise Halt(f"{path} is gone or was replaced under the daemon; put it back and start again")
        self._hear()
        self._watcher.check_roots()

    def prove(self) -> None:
        """Halt unless the database can be read; a deaf bell is made anew. What a sign of life stands for."""
        self._store.prove()
        self._hear()

    def _hear(self) -> None:
        if not self._watcher.probe():
            say(
                "orchestrator",
                "watcher_deaf",
                logging.WARNING,
                note="it heard nothing of its probe; made anew",
            )
            self._watcher.rebuild()

    def full(self, policy: Policy) -> bool:
        """Whether the disk has less room than the policy wants kept free; told when that changes."""
        room = os.statvfs(self._workspace.runs)
        free = room.f_bavail * room.f_frsize // (1024 * 1024)
        full = free < policy.min_free_mib
        if full != self._full:
            self._full = full
            level = logging.ERROR if full else logging.INFO
            event = "disk_full" if full else "disk_has_room"
            say("orchestrator", event, level, free_mib=free, min_free_mib=policy.min_free_mib)
        return full

    def prune(self, policy: Policy, now: datetime, boot: float) -> None:
        """Once an hour, and a few at a time, remove the runs that the policy keeps no longer."""
        days = policy.retention.runs_days
        if days is None or boot < self._prune_at:
            return
        self._prune_at = boot + PRUNE_SECONDS
        catalog = Catalog(self._workspace.db)
        try:
            found = outdated(self._workspace, catalog, now, days)
        finally:
            catalog.close()
        for job_id in found[:PRUNE_BATCH]:
            try:
                remove(self._workspace, job_id)
            except OSError as error:
                say("orchestrator", "prune_failed", logging.ERROR, job=job_id, why=str(error))
            else:
                say("orchestrator", "run_pruned", job=job_id, runs_days=days)
        if len(found) > PRUNE_BATCH:
            self._prune_at = boot


def check_folders(workspace: Workspace, policy: Policy) -> None:
    """CannotWrite, with the exact path, where a folder cannot be made or written; modes and group are mended."""
    try:
        ensure_folders(workspace.root)
        _own_folders(workspace, policy)
    except OSError as error:
        raise CannotWrite(f"{error.filename}: cannot be made or mended: {error.strerror}") from error
    for path in (workspace.inbox, workspace.rejected, workspace.jobs, workspace.runs, workspace.incoming):
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            mode = stat.S_IMODE(path.stat().st_mode)
            raise CannotWrite(
                f"{path}: not writable for user {os.getuid()} (mode {mode:04o}); mend its owner or mode"
            )
    if not policy.lane.path.parent.is_dir():
        raise BadPolicy(
            f"{policy.place('lane', 'path')}: lane.path: there is no folder {policy.lane.path.parent}"
        )
    if os.getuid() == 0:
        say("orchestrator", "running_as_root", logging.WARNING, mend="run it as a user of its own")


def _own_folders(workspace: Workspace, policy: Policy) -> None:
    """Give the folders that are ours the modes people rely on, and the policy's group."""
    group = _group_id(policy)
    for path, mode in workspace.shared_folders():
        status = path.stat()
        if status.st_uid != os.getuid():
            continue
        if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
            say("inbox", "folder_world_writable", logging.WARNING, path=str(path), mended=f"{mode:04o}")
        if group is not None and status.st_gid != group:
            os.chown(path, -1, group)
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def _group_id(policy: Policy) -> int | None:
    if policy.group is None:
        return None
    try:
        group = grp.getgrnam(policy.group).gr_gid
    except KeyError:
        raise BadPolicy(
            f"{policy.place('group')}: group: there is no group {policy.group!r} on this machine"
        ) from None
    if os.getuid() != 0 and group not in {os.getgid(), *os.getgroups()}:
        raise BadPolicy(
            f"{policy.place('group')}: group: the daemon's user is not a member of {policy.group!r}"
        )
    return group
