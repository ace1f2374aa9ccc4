"""Whether a workspace is a copy of one that is still there: its processes then need a mark of their own.

By the mark (`store.token`) a start finds what a killed daemon left, and ends it. A copy has the same one: without
this, its first start would end the stage that runs in the original. Where that was only moved away, it stays.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from pathlib import Path

from daemon.catalog import Catalog
from daemon.errors import SporkError
from daemon.logs import say
from daemon.store import Store
from daemon.workspace import Workspace

_PLACE = "place"


def tell_apart(workspace: Workspace, store: Store) -> None:
    """Note where the workspace is; in a copy take a new mark, and say so. For a start, before anything is ended."""
    here, before = os.path.realpath(workspace.root), store.meta(_PLACE)
    if before == here:
        return
    if before is not None and _is_twin(workspace, Path(before), store.token):
        store.set_meta("token", uuid.uuid4().hex)
        note = "both go on with the jobs that were open when it was copied; keep one of them"
        say("orchestrator", "copied_workspace", logging.WARNING, original=before, note=note)
    store.set_meta(_PLACE, here)


def _is_twin(workspace: Workspace, root: Path, token: str) -> bool:
    """Whether another workspace with the same mark lies there."""
    database = Workspace(root).db
    try:
        if os.path.samefile(database, workspace.db):
            return False
        other = Catalog(database)
        try:
            return other.meta("token") == token
        finally:
            other.close()
    except (OSError, SporkError, sqlite3.Error):
        return False
