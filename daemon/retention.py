"""How long finished runs stay. Their directories go; the ids stay taken and the events stay in the ledger."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from daemon.beneath import remove_tree
from daemon.catalog import Catalog
from daemon.clock import rfc3339
from daemon.incoming import opened_incoming, opened_runs
from daemon.workspace import Workspace


def outdated(workspace: Workspace, catalog: Catalog, now: datetime, days: float) -> list[str]:
    """The jobs that were over so many days ago, owe nothing, and still have their directory."""
    there = frozenset(os.listdir(workspace.runs))
    return [job_id for job_id in catalog.over_before(rfc3339(now - timedelta(days=days))) if job_id in there]


def remove(workspace: Workspace, job_id: str) -> None:
    """Out of sight by one rename, then gone; what a crash leaves, the daemon clears when it starts. OSError."""
    # No id begins with a dot, so this is no other job's directory in the making.
    aside = f".pruned-{job_id}"
    with opened_runs(workspace) as runs, opened_incoming(workspace) as incoming:
        remove_tree(aside, incoming)
        os.rename(job_id, aside, src_dir_fd=runs, dst_dir_fd=incoming)
        remove_tree(aside, incoming)
