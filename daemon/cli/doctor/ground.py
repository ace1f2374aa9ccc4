"""What the daemon stands on: policy, folders, locks, room, the bell, the kinds of file systems."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from daemon.cli.doctor.finding import Finding
from daemon.cli.places import daemon_line, holder_of
from daemon.errors import BadPolicy, Invalid
from daemon.exposure import is_root, open_to_all, too_few_files, writable_by_all
from daemon.mounts import needs_polling, unfit_for_locks
from daemon.names import for_shell
from daemon.settings import Policy, load_policy
from daemon.workspace import Workspace

WATCHES_WANTED = 65_536
INSTANCES_WANTED = 16
INODES_WANTED = 10_000


def policy(workspace: Workspace) -> tuple[Policy, Finding]:
    """The policy, or what would be without one, and what there is to say about it."""
    try:
        return load_policy(workspace), Finding("policy", "conf/operator.yaml is right")
    except BadPolicy as error:
        return Policy(), Finding("policy", str(error), "mend the line; a daemon does not start with it")


def findings(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    """What of it is right and what is not."""
    yield from chain(_pipelines(workspace), _folders(workspace), _locks(workspace, policy), _user())
    yield from chain(_disk(workspace, policy), _inotify(workspace), _file_systems(workspace, policy))


def _pipelines(workspace: Workspace) -> Iterator[Finding]:
    from daemon import runnable, strictyaml
    from daemon.pipelines import load_named

    for path in sorted(workspace.pipelines.glob("*.yaml")):
        try:
            pipeline, data = load_named(workspace.pipelines, path.stem)
            document = strictyaml.parse(data, f"conf/pipelines/{path.name}")
            missing = runnable.problems(pipeline, document, path.parent)
            for problem in missing:
                yield Finding("pipeline", str(problem), "mend it, or its jobs fail at that stage")
            if not missing:
                yield Finding("pipeline", f"{path.stem} is right")
        except Invalid as error:
            yield Finding("pipeline", str(error), "mend it; requests that name it are refused")
        except OSError as error:
            why = f"{error.filename}: cannot be read: {error.strerror}"
            yield Finding("pipeline", why, "see to the disk; requests that name it wait")


def _folders(workspace: Workspace) -> Iterator[Finding]:
    wanted = {
        workspace.inbox: 0o2770,
        workspace.rejected: 0o2770,
        workspace.runs: 0o2770,
        workspace.jobs: 0o2750,
    }
    for path, mode in wanted.items():
        name = str(path.relative_to(workspace.root))
        try:
            status = path.stat()
        except OSError as error:
            yield Finding("folder", f"{name}: {error.strerror}", "spork init makes what is missing")
            continue
        found = stat.S_IMODE(status.st_mode)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK) and path != workspace.jobs:
            yield Finding(
                "folder", f"{name} is not writable for you", "join its group, or mend owner and mode"
            )
        elif found & stat.S_IWOTH:
            yield Finding(
                "folder",
                f"{name} is writable for everybody ({found:04o})",
                f"chmod {mode:04o} {for_shell(str(path))}",
            )
        elif found != mode:
            yield Finding(
                "folder",
                f"{name} has mode {found:04o}, not {mode:04o}",
                f"chmod {mode:04o} {for_shell(str(path))}",
            )
        else:
            yield Finding("folder", f"{name} {found:04o}")
    for path, found in writable_by_all(workspace):
        if path not in wanted:
            yield Finding(
                "folder",
                f"{path} is writable for everybody ({found:04o})",
                f"chmod o-w {for_shell(str(path))}",
            )


def _locks(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    holder = holder_of(workspace)
    yield Finding("daemon", daemon_line(holder))
    lane = policy.lane.path if policy.lane.path.is_absolute() else workspace.root / policy.lane.path
    for name, path in (("daemon.lock", workspace.daemon_lock), ("lane", lane)):
        if path.is_symlink():
            yield Finding(
                "lock", f"{path} is a link", f"rm {for_shell(str(path))} (locks are files of their own)"
            )
        elif kind := unfit_for_locks(path.parent):
            mend = "a daemon does not start so: locks and database need a local file system"
            yield Finding("lock", f"{name} lies on {kind}", mend)
        elif not path.parent.is_dir():
            yield Finding("lock", f"{name}: {path.parent} is missing", f"mkdir -p {path.parent}")


def _user() -> Iterator[Finding]:
    if is_root():
        yield Finding("user", "you are root", "run daemon and commands as a user of their own")
    umask = os.umask(0o077)
    os.umask(umask)
    if open_to_all(umask):
        said = f"umask {umask:04o} lets everybody write to what you make"
        yield Finding("user", said, "umask 0027, in your profile or UMask= in the unit")
    if why := too_few_files():
        said, _, mend = why.partition("; raise it: ")
        yield Finding("user", said, mend)


def _disk(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    for path in (workspace.runs, workspace.jobs):
        if not path.is_dir():
            continue
        room = os.statvfs(path)
        free = room.f_bavail * room.f_frsize // (1 << 20)
        said = f"{path.relative_to(workspace.root)}: {free} MiB free"
        low = free < policy.min_free_mib
        yield Finding(
            "disk",
            said,
            f"no work is taken below min_free_mib ({policy.min_free_mib:g}): make room, spork prune --older-than 30d"
            if low
            else "",
        )
        if room.f_files and room.f_favail < INODES_WANTED:
            yield Finding(
                "disk", f"{room.f_favail} inodes free", "remove files: spork prune --older-than 30d"
            )


def _inotify(workspace: Workspace) -> Iterator[Finding]:
    for name, wanted in (("max_user_watches", WATCHES_WANTED), ("max_user_instances", INSTANCES_WANTED)):
        try:
            limit = int(Path(f"/proc/sys/fs/inotify/{name}").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        mend = f"sysctl fs.inotify.{name}={wanted}; until then more is polled" if limit < wanted else ""
        yield Finding("inotify", f"{name} {limit}", mend)


def _file_systems(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    kind = unfit_for_locks(workspace.jobs)
    if kind:
        yield Finding("files", f"jobs/ lies on {kind}", "move the workspace: jobs/ needs a local file system")
    for path in (workspace.inbox, workspace.runs):
        kind = needs_polling(path)
        if kind:
            mend = (
                "watch.mode: inotify hears nothing there; set auto or poll"
                if policy.watch.mode == "inotify"
                else ""
            )
            yield Finding(
                "files", f"{path.name}/ lies on {kind}: polled every {policy.watch.poll_seconds:g} s", mend
            )
