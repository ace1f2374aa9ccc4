"""``spork prune --older-than 30d [--dry-run]``"""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import counted, show, tell
from daemon.retention import outdated, remove


def command(args: Namespace) -> int:
    """Remove the run directories of jobs that were over before then. Only such as the daemon owes nothing."""
    workspace = workspace_of(args)
    catalog = catalog_of(workspace)
    there = outdated(workspace, catalog, datetime.now(UTC), args.older_than) if catalog is not None else []
    for job_id in there:
        if not args.dry_run:
            remove(workspace, job_id)
        show(f"runs/{job_id}")
    what = counted(len(there), "run directory", "run directories")
    done = "would be" if args.dry_run else "was" if len(there) == 1 else "were"
    tell(f"{what} {done} removed; their ids stay taken")
    return 0
