"""The id that a request names, held against the jobs that are there: an id is taken for ever."""

from __future__ import annotations

import hashlib
import sqlite3

from daemon.cli.places import catalog_of
from daemon.errors import Halt, Problem
from daemon.workspace import Workspace


def taken(workspace: Workspace, where: str, job_id: str | None, data: bytes) -> list[Problem]:
    """That the inbox would refuse these bytes, because another request has their id; nothing where it is free."""
    if job_id is None:
        return []
    try:
        catalog = catalog_of(workspace)
        known = catalog.request_sha256(job_id) if catalog is not None else None
    except (Halt, sqlite3.Error):
        # What cannot be asked now is no fault of the file; the daemon will say it.
        return []
    if known is None or known == hashlib.sha256(data).hexdigest():
        return []
    message = (
        f"{job_id!r} is taken by an earlier job with other content; ids are never reused, choose another"
    )
    return [Problem(where, 0, 0, "id", message)]
