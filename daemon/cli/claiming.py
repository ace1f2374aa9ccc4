"""How a request becomes a job: dropped, then waited for until a daemon has taken or refused it."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from daemon.catalog import Catalog
from daemon.check import Vetted
from daemon.cli.places import catalog_of
from daemon.cli.screen import tell
from daemon.cli.submit import submit
from daemon.cli.upkeep import Upkeep
from daemon.errors import Halt, NotPossible
from daemon.model import Job, Type
from daemon.names import shown
from daemon.workspace import Workspace

POLL_SECONDS = 0.025
DATABASE_SECONDS = 30.0


class Claiming:
    """A request that was dropped here. ``place``: where it lies, as ``inbox/NAME``."""

    def __init__(self, workspace: Workspace, path: Path, data: bytes, vetted: Vetted) -> None:
        self._workspace, self._data, self._vetted = workspace, data, vetted
        self._seen = _last_seq(workspace)
        self._dropped = submit(workspace, path, data, vetted)
        self.place = f"inbox/{self._dropped.name}"

    def wait(self, upkeep: Upkeep) -> str:
        """The id of the job that it became. NotPossible, with the reason, if it is refused."""
        deadline = time.monotonic() + DATABASE_SECONDS
        while True:
            lies = os.path.lexists(self._workspace.root / self.place)
            try:
                catalog = catalog_of(self._workspace)
            except Halt:
                # The database is being made just now; a bad one stays bad.
                if time.monotonic() > deadline:
                    raise
                catalog = None
            if catalog is not None:
                job_id = self._became(catalog, lies=lies)
                catalog.close()
                if job_id is not None:
                    return job_id
            upkeep.see_to(self.place)
            if why := upkeep.news(self.place):
                tell(why)
            time.sleep(POLL_SECONDS)

    def _became(self, catalog: Catalog, *, lies: bool) -> str | None:
        claimed = catalog.claimed(self._dropped.key)
        if claimed is not None:
            return claimed[0]
        name = shown(self._dropped.name)
        for event in catalog.events(after=self._seen):
            if event.type is Type.REQUEST_REFUSED and event.payload.get("name") == name:
                raise NotPossible(f"refused: {event.message}")
        if lies:
            return None
        twin = already(self._workspace, self._vetted, self._data)
        if twin is None:
            raise NotPossible(f"{shown(self.place)} was taken away before it became a job")
        return twin.id


def already(workspace: Workspace, vetted: Vetted, data: bytes) -> Job | None:
    """The job that this very request, with an id of its own, became before."""
    if vetted.request.id is None:
        return None
    catalog = catalog_of(workspace)
    same = hashlib.sha256(data).hexdigest()
    if catalog is None or catalog.request_sha256(vetted.request.id) != same:
        return None
    return catalog.job(vetted.request.id)


def _last_seq(workspace: Workspace) -> int:
    catalog = catalog_of(workspace)
    if catalog is None:
        return 0
    try:
        return catalog.last_seq()
    finally:
        catalog.close()
