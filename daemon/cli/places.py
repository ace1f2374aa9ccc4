"""What the verbs share: the workspace, its database if there is one, the job that is meant, the daemon."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daemon import workspace as workspaces
from daemon.catalog import Catalog
from daemon.errors import Halt, NotPossible
from daemon.names import shown
from daemon.workspace import Workspace

if TYPE_CHECKING:
    from daemon.model import Job


def workspace_of(args: Namespace) -> Workspace:
    """The workspace that is meant. Raises NoWorkspace."""
    return workspaces.find(Path.cwd(), args.workspace, os.environ)


def catalog_of(workspace: Workspace) -> Catalog | None:
    """The database; None where no daemon has ever run. Halt where it is missing although there were jobs."""
    if lost := workspace.lost_database:
        raise Halt(lost)
    return Catalog(workspace.db) if workspace.db.exists() else None


def job_of(workspace: Workspace, text: str) -> tuple[Catalog, Job]:
    """The job by its id, the beginning of one, its slug, or its run directory. Raises NotPossible."""
    catalog = catalog_of(workspace)
    if catalog is None:
        raise NotPossible(f"there is no job {text!r}: no daemon has run in {workspace.root} yet")
    name = _from_path(workspace, text)
    job = catalog.job(name)
    if job is not None:
        return catalog, job
    found = catalog.ids_like(name)
    if len(found) == 1:
        only = catalog.job(found[0])
        assert only is not None
        return catalog, only
    if found:
        raise NotPossible(f"{text!r} may be {', '.join(found)}; say which")
    from difflib import get_close_matches

    near = get_close_matches(name, catalog.recent_ids(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "spork status lists the jobs"
    raise NotPossible(f"there is no job {text!r}; {hint}")


def _from_path(workspace: Workspace, text: str) -> str:
    if "/" not in text and text not in (".", ".."):
        return text
    path = Path(text).absolute()
    inside = path if path.is_relative_to(workspace.runs) else Path(os.path.realpath(path))
    runs = Path(os.path.realpath(workspace.runs))
    for base in (workspace.runs, runs):
        if inside != base and inside.is_relative_to(base):
            return inside.relative_to(base).parts[0]
    return text


class Holder(NamedTuple):
    """The daemon that holds the workspace's lock."""

    pid: int
    since: str
    only: str = ""
    """``inbox/NAME`` or the id of a job, where it works on nothing else."""
    lane: str = ""
    """The path of its lane; empty where it is of an earlier release."""


def holder_of(workspace: Workspace) -> Holder | None:
    """The daemon that runs here, if one does.

    Read from the kernel's table of locks: to try the lock would make a daemon that starts just then believe
    that another one has it.
    """
    path = workspace.daemon_lock
    try:
        status = os.stat(path)
        said = json.loads(path.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        said = {}
    pid = locked_by(status)
    if pid is None:
        return None
    if not isinstance(said, dict) or said.get("pid") != pid:
        said = {}
    return Holder(pid, *(str(said.get(key, "")) for key in ("since", "only", "lane")))


def locked_by(status: os.stat_result) -> int | None:
    """Who flocked this file, by proc_locks(5): ``1: FLOCK ADVISORY WRITE PID MAJ:MIN:INO 0 EOF``."""
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    same_inode = f":{status.st_ino}"
    candidates = []
    with open("/proc/locks", encoding="ascii") as table:
        for line in table:
            words = line.split()
            if len(words) < 6 or words[1] != "FLOCK":
                continue
            if words[5] == place:
                return int(words[4])
            if words[5].endswith(same_inode):
                candidates.append(int(words[4]))
    # btrfs and overlays show another device number than stat does: then the inode must do.
    return candidates[0] if len(candidates) == 1 and status.st_size else None


def daemon_line(holder: Holder | None) -> str:
    """Who works here, in words."""
    if holder is None:
        return "No daemon runs here."
    since = f", since {holder.since}" if holder.since else ""
    only = (
        f" It works only on {shown(holder.only)}; all else waits until it has ended." if holder.only else ""
    )
    return f"The daemon runs: pid {holder.pid}{since}.{only}"


def elsewhere(holder: Holder | None, *mine: str) -> str:
    """That what is ``mine`` waits, where the daemon that runs works only on something else; or nothing."""
    if holder is None or holder.only in ("", *mine):
        return ""
    return (
        f"the daemon that runs (pid {holder.pid}) works only on {shown(holder.only)}:"
        " this waits until it has ended"
    )
