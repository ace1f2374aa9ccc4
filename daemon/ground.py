"""What the daemon stands on: locks, database, folders, room on the disk, the bell. Checked at start and on a timer."""

from __future__ import annotations

import grp
import logging
import os
import stat
from datetime import datetime
from pathlib import Path

from daemon.catalog import Catalog
from daemon.checkup import Checkup
from daemon.errors import BadPolicy, CannotWrite, Halt
from daemon.exposure import is_root, too_few_files, writable_by_all
from daemon.lane import DaemonLock, Lane
from daemon.logs import say
from daemon.looking import is_folder
from daemon.mounts import unfit_for_locks
from daemon.names import for_shell
from daemon.retention import outdated, remove
from daemon.room import shortage
from daemon.settings import Policy
from daemon.store import Store
from daemon.watcher import Watcher
from daemon.workspace import Workspace, ensure_folders

PRUNE_SECONDS = 3600.0
PRUNE_BATCH = 20


class Ground:
    """Everything that may be pulled away under a running daemon."""

    def __init__(
        self,
        workspace: Workspace,
        lock: DaemonLock,
        lane: Lane,
        store: Store,
        watcher: Watcher,
        checkup: Checkup,
    ) -> None:
        self._workspace, self._lock, self._lane = workspace, lock, lane
        self._store, self._watcher, self._checkup = store, watcher, checkup
        self._folders = {path: _place(path) for path in (workspace.jobs, workspace.runs)}
        self._full = False
        self._prune_at = 0.0
        self._stuck: set[str] = set()

    def check(self) -> None:
        """Halt where going on would be guessing; a deaf bell is made anew."""
        self._lock.check()
        self._lane.check()
        self._store.check_place()
        self.check_place()
        self._hear()

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

    def check_place(self) -> None:
        """Halt where the folders are not those we began with: an unmounted disk is not a workspace without runs;
        and where the database turned out to be damaged.
        """
        self._checkup.judge()
        for path, place in self._folders.items():
            if _place(path) != place:
                raise Halt(f"{path} is gone or was replaced under the daemon; put it back and start again")

    def fileno(self) -> int:
        """Readable when the database has been looked at; -1 where it has been."""
        return self._checkup.fileno()

    def close(self) -> None:
        """Look no further."""
        self._checkup.end()

    def full(self, policy: Policy) -> bool:
        """Whether the disk has less room than the policy wants kept free; told when that changes."""
        why = shortage(self._workspace, policy.min_free_mib)
        if bool(why) != self._full:
            self._full = bool(why)
            if why:
                say(
                    "orchestrator",
                    "disk_full",
                    logging.ERROR,
                    why=why,
                    note="nothing new is taken or started",
                )
            else:
                say("orchestrator", "disk_has_room")
        return self._full

    def prune(self, policy: Policy, now: datetime, boot: float) -> None:
        """Once an hour, and a few at a time, remove the runs that the policy keeps no longer.

        One that cannot be removed stands in no other's way: it is tried again with the next hour.
        """
        days = policy.retention.runs_days
        if days is None or boot < self._prune_at:
            return
        self._prune_at = boot + PRUNE_SECONDS
        try:
            found = self._outdated(now, days)
        except (OSError, Halt) as error:
            # For want of descriptors, say; whether the database is sound, others ask.
            say("orchestrator", "prune_failed", logging.ERROR, why=str(error))
            return
        found = [job_id for job_id in found if job_id not in self._stuck]
        for job_id in found[:PRUNE_BATCH]:
            try:
                remove(self._workspace, job_id)
            except OSError as error:
                self._stuck.add(job_id)
                say("orchestrator", "prune_failed", logging.ERROR, job=job_id, why=str(error))
            else:
                say("orchestrator", "run_pruned", job=job_id, runs_days=days)
        if len(found) > PRUNE_BATCH:
            self._prune_at = boot
        else:
            self._stuck.clear()

    def _outdated(self, now: datetime, days: float) -> list[str]:
        catalog = Catalog(self._workspace.db)
        try:
            return outdated(self._workspace, catalog, now, days)
        finally:
            catalog.close()


def _place(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def check_runs(workspace: Workspace, store: Store) -> None:
    """Halt where runs/ is another file system than before and has none of the open jobs: it is not mounted."""
    system, before = str(os.statvfs(workspace.runs).f_fsid), store.meta("runs")
    jobs = store.open_ids()
    if before not in (None, system) and jobs and not any(is_folder(workspace.run(job)) for job in jobs):
        raise Halt(
            f"{workspace.runs} is on another file system than before and holds none of the {len(jobs)} open jobs:"
            f" mount it, or, if they are lost, begin them anew with: mkdir {workspace.run(jobs[0])}"
        )
    if before != system:
        store.set_meta("runs", system)


def check_folders(workspace: Workspace, policy: Policy) -> None:
    """CannotWrite, with the exact path, where a folder cannot be made or written; modes and group are mended."""
    if why := too_few_files():
        raise CannotWrite(why)
    try:
        ensure_folders(workspace.root)
        _own_folders(workspace, policy)
    except OSError as error:
        raise CannotWrite(f"{error.filename}: cannot be made or mended: {error.strerror}") from error
    if workspace.inbox.is_symlink():
        raise CannotWrite(
            f"{workspace.inbox} is a link, and links are not followed; mount or bind the folder there"
        )
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
    _check_local(workspace, policy)
    if is_root():
        mend = "every stage does as well; give it a user of its own (User= in the unit)"
        say("orchestrator", "running_as_root", logging.WARNING, mend=mend)


def _check_local(workspace: Workspace, policy: Policy) -> None:
    """Locks that a process hands to its children, and shared memory of a write-ahead log, end at a machine's border."""
    kind = unfit_for_locks(workspace.jobs)
    if kind:
        raise CannotWrite(
            f"{workspace.jobs}: lies on {kind}; the database and the locks need a local file system."
            " Move the workspace to one; inbox/ and runs/ may lie on a network"
        )
    kind = unfit_for_locks(policy.lane.path.parent)
    if kind:
        raise BadPolicy(
            f"{policy.place('lane', 'path')}: lane.path: {policy.lane.path} lies on {kind};"
            " the lock needs a local file system"
        )


def _own_folders(workspace: Workspace, policy: Policy) -> None:
    """Give the folders that are ours the modes people rely on, and the policy's group."""
    exposed = dict(writable_by_all(workspace))
    group = _group_id(policy)
    for path, mode in workspace.shared_folders():
        status = path.stat()
        if status.st_uid != os.getuid():
            continue
        if group is not None and status.st_gid != group:
            os.chown(path, -1, group)
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
    for path, found in exposed.items():
        now = stat.S_IMODE(path.stat().st_mode)
        mended = f"{now:04o}" if now != found else None
        hint = None if mended else f"anybody gives orders here; chmod o-w {for_shell(str(path))}"
        say(
            "inbox",
            "folder_world_writable",
            logging.WARNING,
            path=str(path),
            mode=f"{found:04o}",
            mended=mended,
            hint=hint,
        )


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
