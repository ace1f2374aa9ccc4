"""The database, whether it belongs to what lies beside it, and whether its copies say what it says."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.catalog import Catalog
from daemon.cli.doctor import copies
from daemon.cli.doctor.finding import Finding
from daemon.cli.places import catalog_of
from daemon.cli.screen import counted
from daemon.database import NewerSchema
from daemon.errors import Halt
from daemon.generation import conflict
from daemon.workspace import Workspace

REBUILD = "stop the daemon, then: spork rebuild"


def findings(workspace: Workspace, *, full: bool) -> Iterator[Finding]:
    """Damage first: of a damaged database nothing else is asked."""
    try:
        catalog = catalog_of(workspace)
    except NewerSchema as error:
        yield Finding("database", str(error), "upgrade spork")
        return
    except Halt as error:
        yield Finding("database", str(error), REBUILD)
        return
    if catalog is None:
        yield Finding("database", "there is none yet: no daemon has run here")
        return
    try:
        yield from _of(workspace, catalog, full=full)
    except Halt as error:
        yield Finding("database", str(error), REBUILD)
    finally:
        catalog.close()


def _of(workspace: Workspace, catalog: Catalog, *, full: bool) -> Iterator[Finding]:
    verdict = catalog.integrity_check() if full else catalog.quick_check()
    if verdict != "ok":
        yield Finding("database", f"damaged: {verdict}", REBUILD)
        return
    why = conflict(workspace, catalog)
    if why:
        yield Finding("database", f"jobs/spork.db {why}", REBUILD)
        return
    yield Finding("database", f"sound, {counted(sum(catalog.counts().values()), 'job')}")
    yield from copies.findings(workspace, catalog, full=full)
