"""That a daemon works on what ``spork run`` follows; and why nothing moves, where it does not."""

from __future__ import annotations

import time

from daemon.catalog import Catalog
from daemon.cli.places import Holder, elsewhere, holder_of
from daemon.cli.worker import Worker
from daemon.model import Job, Status
from daemon.names import shown
from daemon.room import shortage, wanted
from daemon.workspace import Workspace

PROBE_SECONDS = 1.0
MOST = 200


class Upkeep:
    """The daemon that runs is used; where there is none, one is started for the job, or the request, alone."""

    def __init__(self, workspace: Workspace, *, verbose: bool) -> None:
        self._workspace, self._verbose = workspace, verbose
        self._worker: Worker | None = None
        self._probed = self._asked = 0.0
        self._told = ""

    def close(self) -> None:
        """End the daemon that was started here."""
        if self._worker is not None:
            self._worker.stop()

    def see_to(self, only: str) -> None:
        """There must be a daemon: the one that runs, or our own for ``only`` this (`Scope`). Raises WorkerGone."""
        if self._worker is not None:
            if self._worker.check():
                return
            self._worker.stop()
            self._worker = None
        if time.monotonic() - self._probed < PROBE_SECONDS and self._probed:
            return
        self._probed = time.monotonic()
        if holder_of(self._workspace) is None:
            self._worker = Worker(self._workspace, only, verbose=self._verbose)

    def is_there(self, only: str) -> bool:
        """Whether a daemon runs, so that what is answered is recorded; one is started if not."""
        self.see_to(only)
        return holder_of(self._workspace) is not None

    def news(self, only: str, catalog: Catalog | None = None, job: Job | None = None) -> str:
        """Why the request, or its job, is not gone on with, in one line; empty where it is, or this was told."""
        if time.monotonic() - self._asked < PROBE_SECONDS:
            return ""
        self._asked = time.monotonic()
        kind, why = self._why(only, catalog, job)
        if kind == self._told:
            return ""
        self._told = kind
        return why

    def _why(self, only: str, catalog: Catalog | None, job: Job | None) -> tuple[str, str]:
        if job is not None and job.status is not Status.QUEUED:
            return "", ""
        if short := shortage(self._workspace, wanted(self._workspace)):
            return "room", f"no room: {short}; it waits until there is"
        holder = holder_of(self._workspace) if self._worker is None else None
        if (other := elsewhere(holder, only)) and not _of_job(holder, catalog, job):
            return "other", other
        others = (
            [j.id for j in catalog.open_jobs(MOST) if j.status == "running"] if catalog is not None else []
        )
        if job is not None and others not in ([], [job.id]):
            return "turn", f"it waits for its turn: {others[0]} is running"
        return "", ""


def _of_job(holder: Holder | None, catalog: Catalog | None, job: Job | None) -> bool:
    """Whether the daemon was started for the request that became this job."""
    if holder is None or catalog is None or job is None:
        return False
    name = holder.only.removeprefix("inbox/")
    return job.id in (job_id for job_id, _ in catalog.claimed_as_name(shown(name)))
