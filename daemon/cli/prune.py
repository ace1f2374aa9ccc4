"""``spork prune --older-than 30d [--dry-run]``"""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from datetime import UTC, datetime, timedelta

from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.clock import rfc3339
from daemon.workspace import Workspace


def command(args: Namespace) -> int:
    """Remove the run directories of jobs that were over before then. Only such as the daemon owes nothing."""
    workspace = workspace_of(args)
    catalog = catalog_of(workspace)
    before = rfc3339(datetime.now(UTC) - timedelta(days=args.older_than))
    ids = catalog.over_before(before) if catalog is not None else []
    there = [job_id for job_id in ids if workspace.run(job_id).is_dir()]
    for job_id in there:
        if not args.dry_run:
            _remove(workspace, job_id)
        show(f"runs/{job_id}")
    tell(
        f"{len(there)} run directories {'would be' if args.dry_run else 'were'} removed; their ids stay taken"
    )
    return 0


def _remove(workspace: Workspace, job_id: str) -> None:
    """Out of sight by one rename, then gone; what a crash leaves, the daemon clears when it starts."""
    # No id begins with a dot, so this is no other job's directory in the making.
    aside = workspace.incoming / f".pruned-{job_id}"
    workspace.incoming.mkdir(exist_ok=True)
    if aside.exists():
        shutil.rmtree(aside)
    os.rename(workspace.run(job_id), aside)
    shutil.rmtree(aside)
