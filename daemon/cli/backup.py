"""``spork backup FILE``"""

from __future__ import annotations

import os
import tarfile
import tempfile
from argparse import Namespace
from pathlib import Path

from daemon.catalog import Catalog
from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.errors import CannotWrite, NotPossible
from daemon.files import fsync_folder
from daemon.workspace import Workspace


def command(args: Namespace) -> int:
    """Write the archive beside its name first, durably, then rename it there. Replaces nothing."""
    workspace = workspace_of(args)
    target = Path(args.file).absolute()
    catalog = catalog_of(workspace)
    if catalog is None:
        raise NotPossible(f"no daemon has run in {workspace.root} yet: there is nothing to back up")
    if os.path.lexists(target):
        raise CannotWrite(f"{target} is there already; a backup replaces nothing")
    try:
        with tempfile.TemporaryDirectory(prefix=".spork-backup-", dir=target.parent) as folder:
            _write(workspace, catalog, Path(folder), target)
    except OSError as error:
        raise CannotWrite(f"{error.filename or target}: {error.strerror}; there is no backup") from error
    show(str(target))
    tell("runs/ is not in it: copy that next (spork backup --help says how to restore)")
    return 0


def _write(workspace: Workspace, catalog: Catalog, folder: Path, target: Path) -> None:
    # The database first: what the copies hold beyond it does no harm, what they lack would.
    catalog.backup(folder / "spork.db")
    made = folder / "backup.tar"
    with tarfile.open(made, "w") as tar:
        tar.add(folder / "spork.db", "jobs/spork.db")
        for path in sorted(workspace.jobs.glob("*.yaml")):
            tar.add(path, f"jobs/{path.name}", recursive=False)
        if workspace.ledger.exists():
            tar.add(workspace.ledger, "jobs/state.jsonl")
        tar.add(workspace.conf, "conf")
    os.chmod(made, 0o640)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    os.rename(made, target)
    fsync_folder(target.parent)
