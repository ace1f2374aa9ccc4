"""Folders of ours in folders that people write to: opened once for each use, and never through a link.

``runs/.incoming`` is where run directories are made, and removed, out of sight.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.beneath import make_folders
from daemon.workspace import Workspace


@contextmanager
def opened_runs(workspace: Workspace) -> Iterator[int]:
    """``runs/``, open for as long as it is used. Only the operator can replace it, and may have made it a link."""
    folder = os.open(workspace.runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened_incoming(workspace: Workspace) -> Iterator[int]:
    """``runs/.incoming``, made where it is missing; what somebody put in its place is set aside."""
    with opened_runs(workspace) as runs:
        folder = make_folders(runs, workspace.incoming.name, 0o2750)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened_rejected(workspace: Workspace) -> Iterator[int]:
    """``inbox/rejected/``, likewise."""
    folder = make_folders(workspace.inbox, workspace.rejected.name)
    try:
        yield folder
    finally:
        os.close(folder)


def make_folders_of_run(parent: int, name: str) -> int:
    """Make a run directory and the folders that every one has, in an open folder; gives its descriptor.

    All hand the group down: what a stage makes in .work moves out.
    """
    run = make_folders(parent, name, 0o2770, durable=False)
    for below, mode in (("sources", 0o2770), (".work", 0o2750)):
        os.close(make_folders(run, below, mode, durable=False))
    return run
