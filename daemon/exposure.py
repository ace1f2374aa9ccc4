"""What lets more people in than a workspace is meant for: told at start and by ``spork doctor``."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.workspace import Workspace

FILES_NEEDED = 32
"""Open files with which the daemon still works; a service has at least a thousand."""


def writable_by_all(workspace: Workspace) -> Iterator[tuple[Path, int]]:
    """What anybody on this machine may write to, each with its mode: there he gives orders, or code to run."""
    conf = (workspace.root, workspace.conf, workspace.policy_file, workspace.pipelines)
    for path in (*conf, *(folder for folder, _ in workspace.shared_folders())):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & stat.S_IWOTH:
            yield path, mode


def too_few_files() -> str:
    """What is wrong with the limit of open files, and its mend; empty where it suffices."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY or allowed >= FILES_NEEDED:
        return ""
    return (
        f"only {allowed} open files are allowed, at least {FILES_NEEDED} are needed; "
        "raise it: ulimit -n 1024, or LimitNOFILE=1024 in the unit"
    )


def open_to_all(umask: int) -> bool:
    """Whether what is made under this umask can be written to by everybody, unless its maker says otherwise."""
    return not umask & stat.S_IWOTH


def is_root() -> bool:
    return os.geteuid() == 0
