"""What a queued job waits for: who has the lane before it, or what keeps the daemon from starting anything. Lean."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from daemon.catalog import Catalog
from daemon.cli.places import Holder, holder_of, locked_by
from daemon.cli.screen import clean
from daemon.names import shown
from daemon.room import shortage, wanted
from daemon.workspace import Workspace


class Turn(NamedTuple):
    """``behind``: the job that comes just before it, if one does. ``why``: what it waits for, in few words."""

    behind: str | None
    why: str


class Queue:
    """The queue of a workspace as it is now; what holds up all of it is looked up once."""

    def __init__(self, workspace: Workspace, catalog: Catalog) -> None:
        self._catalog, self._holder = catalog, holder_of(workspace)
        if self._holder is None:
            self._stands = "no daemon runs"
        else:
            self._stands = "no room on the disk" if shortage(workspace, wanted(workspace)) else ""

    def turn(self, job_id: str) -> Turn | None:
        """What a job waits for; None where it is not queued (any more)."""
        found = self._catalog.in_queue(job_id)
        if found is None:
            return None
        name, ahead = found
        running = self._catalog.running()
        behind = ahead or (running if running != job_id else None)
        if self._stands:
            return Turn(behind, self._stands)
        if self._holder and self._holder.only not in ("", job_id, f"inbox/{name}"):
            return Turn(behind, f"the daemon works only on {shown(self._holder.only)}")
        if behind:
            return Turn(behind, f"behind {clean(behind)}{'' if ahead else ', which has the lane'}")
        return Turn(None, _lane(self._holder) or "next")

    def facts(self, job_id: str) -> dict[str, Any] | None:
        """For programs."""
        turn = self.turn(job_id)
        return turn and turn._asdict()


def _lane(holder: Holder | None) -> str:
    """Who has the lane that our daemon waits for; nothing where nobody has, or the daemon does not say which it is."""
    if holder is None or not holder.lane:
        return ""
    try:
        pid = locked_by(os.stat(holder.lane))
    except OSError:
        return ""
    if pid is None or pid == holder.pid:
        return ""
    lives = os.path.exists(f"/proc/{pid}")
    who = f"another workspace's daemon (pid {pid})" if lives else "what a daemon that died left running"
    return f"the lane is held by {who}"
