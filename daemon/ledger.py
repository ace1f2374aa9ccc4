"""The ledger, ``jobs/state.jsonl``: every event of every job. At a size it is closed, and a new one is begun.

A closed file has its last event's number in its name, ``state-000000041234.jsonl``, and was synced before it
got that name: what the next file lacks is known by the name alone, so that a crash in between doubles nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from daemon.eventfile import mend
from daemon.files import fsync_folder
from daemon.workspace import Workspace

_CLOSED = re.compile(r"state-(\d{12,})\.jsonl")


def closed(workspace: Workspace) -> list[tuple[int, Path]]:
    """The closed files in order, each with the number of its last event."""
    names = os.listdir(workspace.jobs) if workspace.jobs.is_dir() else []
    found = [
        (int(match[1]), workspace.jobs / match[0]) for name in names if (match := _CLOSED.fullmatch(name))
    ]
    return sorted(found)


def parts(workspace: Workspace) -> list[Path]:
    """All files of the ledger in order; the last one grows, and may not be there."""
    return [*(path for _, path in closed(workspace)), workspace.ledger]


def last_closed(workspace: Workspace) -> int:
    """The number of the last event that a closed file holds; 0 where none is closed."""
    return max((seq for seq, _ in closed(workspace)), default=0)


def close(workspace: Workspace, limit: int) -> Path | None:
    """Close the ledger if it has so many bytes; gives the closed file. OSError leaves it open."""
    path = workspace.ledger
    if not path.exists() or path.stat().st_size < limit:
        return None
    seq = mend(path)
    if not seq:
        return None
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    target = workspace.jobs / f"state-{seq:012}.jsonl"
    os.rename(path, target)
    fsync_folder(workspace.jobs)
    return target
