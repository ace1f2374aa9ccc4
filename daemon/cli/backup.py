"""``spork backup FILE``: the database as of one moment, and what the jobs that are not over need to go on."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.catalog import Catalog, file_key
from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import counted, show, tell
from daemon.errors import CannotWrite, Halt, NotPossible
from daemon.eventfile import last_line
from daemon.files import fsync_folder
from daemon.generation import conflict
from daemon.ledger import closed, last_closed
from daemon.looking import is_folder
from daemon.names import Decision, classify_decision
from daemon.projection import lines
from daemon.workspace import Workspace

_TRIES, _PAUSE_SECONDS = 100, 0.1
_SMALL = 1 << 20
"""Files up to this size are copied, larger ones are linked: who edits in place edits text."""
_LONGEST = 1100
"""Bytes of a folder's path below its run: more than any artifact or source has."""


def command(args: Namespace) -> int:
    """Write the archive beside its name first, durably, then rename it there. Replaces nothing."""
    workspace = workspace_of(args)
    target = Path(args.file).absolute()
    catalog = catalog_of(workspace)
    if catalog is None:
        raise NotPossible(f"no daemon has run in {workspace.root} yet: there is nothing to back up")
    if ahead := conflict(workspace, catalog):
        raise Halt(f"{workspace.db}: {ahead}; a backup of it would keep the wrong one. First: spork rebuild")
    if os.path.lexists(target):
        raise CannotWrite(f"{target} is there already; a backup replaces nothing")
    try:
        with tempfile.TemporaryDirectory(prefix=".spork-backup-", dir=target.parent) as folder:
            runs = _write(workspace, catalog, Path(folder), target)
    except (OSError, tarfile.TarError) as error:
        where, why = getattr(error, "filename", None), getattr(error, "strerror", None)
        raise CannotWrite(f"{where or target}: {why or error}; there is no backup") from error
    finally:
        catalog.close()
    show(str(target))
    of = counted(runs, "job that is not over", "jobs that are not over")
    tell(f"with the runs of {of}; finished runs are not in it (spork backup --help)")
    return 0


def _write(workspace: Workspace, catalog: Catalog, folder: Path, target: Path) -> int:
    """Make the archive; gives how many runs are in it."""
    # The database first: a run may be ahead of it, never behind. What its events know beyond the database is
    # folded in when it is restored.
    catalog.backup(folder / "spork.db")
    taken = Catalog(folder / "spork.db")
    made = folder / "backup.tar"
    try:
        with tarfile.open(made, "w") as tar:
            for name in ("jobs", "runs"):
                tar.add(workspace.root / name, name, recursive=False)
            tar.add(folder / "spork.db", "jobs/spork.db")
            _add_jobs(workspace, taken, tar, folder)
            tar.add(workspace.conf, "conf")
            unfinished = [job_id for job_id in taken.unfinished() if is_folder(workspace.run(job_id))]
            for job_id in unfinished:
                with _held_still(workspace, catalog, job_id, folder) as run:
                    tar.add(run, f"runs/{job_id}")
    finally:
        taken.close()
    os.chmod(made, 0o640)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    os.rename(made, target)
    fsync_folder(target.parent)
    return len(unfinished)


def _add_jobs(workspace: Workspace, taken: Catalog, tar: tarfile.TarFile, folder: Path) -> None:
    """The accepted requests and the ledger, up to the moment of the database and not beyond."""
    for job_id in taken.ids():
        if workspace.request(job_id).exists():
            tar.add(workspace.request(job_id), f"jobs/{job_id}.yaml", recursive=False)
    for upto, path in closed(workspace):
        if upto <= taken.last_seq():
            tar.add(path, f"jobs/{path.name}", recursive=False)
    after = min(last_closed(workspace), taken.last_seq())
    newest = folder / "state.jsonl"
    newest.write_bytes(lines(taken.events(after=after)))
    newest.chmod(0o640)
    tar.add(newest, "jobs/state.jsonl")


@contextmanager
def _held_still(workspace: Workspace, catalog: Catalog, job_id: str, folder: Path) -> Iterator[Path]:
    """A run directory as it was while its job did not move, for the time of the block."""
    # A run's events are written once its files are in place: where they name the database's last event before
    # and after, all files are of that event.
    own = workspace.run(job_id) / "events.jsonl"
    for left in reversed(range(_TRIES)):
        before = last_line(own)
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=_beside_runs(workspace, folder)) as copy:
            complete = _copy(workspace, catalog, job_id, Path(copy))
            job = catalog.job(job_id)
            still = complete and job is not None and before is not None and before["seq"] == job.seq
            if still or not left:
                if not still:
                    tell(f"runs/{job_id} moved, or was behind, whenever it was looked at; taken as it is")
                yield Path(copy)
                return
        time.sleep(_PAUSE_SECONDS)


def _beside_runs(workspace: Workspace, folder: Path) -> Path:
    """Where files of runs/ can be linked to; where that is not ours to write, beside the archive."""
    return workspace.incoming if os.access(workspace.incoming, os.W_OK) else folder


def _copy(workspace: Workspace, catalog: Catalog, job_id: str, target: Path) -> bool:
    """Copy a run, but attempts in progress and answers that were refused; False if it changed meanwhile."""
    run = workspace.run(job_id)
    target.chmod(0o2770)
    try:
        for folder, names, files in os.walk(run):
            here = target / os.path.relpath(folder, run)
            names[:] = [name for name in names if (Path(folder), name) != (run, ".work")]
            if len(os.fsencode(os.path.relpath(folder, run))) > _LONGEST:
                # Nothing of a job lies so deep, and what does would end us and tarfile, who call themselves.
                names.clear()
            for name in names:
                (here / name).mkdir()
                shutil.copymode(Path(folder) / name, here / name)
            for name in files:
                status = os.lstat(Path(folder) / name)
                refused = Path(folder) == run and _was_looked_at(catalog, job_id, name, status)
                if stat.S_ISREG(status.st_mode) and not refused:
                    _take(Path(folder) / name, here / name, status.st_size)
    except FileNotFoundError:
        return False
    return True


def _was_looked_at(catalog: Catalog, job_id: str, name: str, status: os.stat_result) -> bool:
    """A copy of an answer is another file: what was refused as too early would count as new."""
    answer = isinstance(classify_decision(name), Decision)
    return answer and catalog.looked_at(job_id, file_key(status)) is not None


def _take(source: Path, target: Path, size: int) -> None:
    if size > _SMALL:
        try:
            os.link(source, target, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:
            pass  # another file system, or one without links
        else:
            return
    shutil.copy2(source, target, follow_symlinks=False)
