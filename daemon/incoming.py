"""Folders of ours in folders that people write to: opened once for each use, and never through a link.

``runs/.incoming`` is where run directories are made, and removed, out of sight.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from daemon.beneath import has, make_folders, opened_beneath, remove_tree, set_aside
from daemon.files import create_copy, write_copy
from daemon.looking import holds, is_folder
from daemon.workspace import Workspace


@contextmanager
def opened_runs(workspace: Workspace) -> Iterator[int]:
    """``runs/``, open for as long as it is used. Only the operator can replace it, and may have made it a link."""
    folder = os.open(workspace.runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened_incoming(workspace: Workspace) -> Iterator[int]:
    """``runs/.incoming``, made where it is missing; what somebody put in its place is set aside."""
    with opened_runs(workspace) as runs:
        folder = make_folders(runs, workspace.incoming.name, 0o2750)
    try:
        yield folder
    finally:
        os.close(folder)


@contextmanager
def opened_rejected(workspace: Workspace) -> Iterator[int]:
    """``inbox/rejected/``, likewise."""
    folder = make_folders(workspace.inbox, workspace.rejected.name)
    try:
        yield folder
    finally:
        os.close(folder)


def make_folders_of_run(parent: int, name: str) -> int:
    """Make a run directory and the folders that every one has, in an open folder; gives its descriptor.

    All hand the group down: what a stage makes in .work moves out.
    """
    run = make_folders(parent, name, 0o2770, durable=False)
    for below, mode in (("sources", 0o2770), (".work", 0o2750)):
        os.close(make_folders(run, below, mode, durable=False))
    return run


def _make_folders(parent: int, name: str, pipeline: bytes) -> None:
    folder = make_folders_of_run(parent, name)
    try:
        if not holds(folder, "pipeline.yaml", pipeline):
            write_copy("pipeline.yaml", pipeline, folder=folder)
    finally:
        os.close(folder)


def make_run(workspace: Workspace, job_id: str, request: bytes, pipeline: bytes) -> None:
    """Make what an accepted job has on disk, as far as it is not there whole; may be done again."""
    with opened_runs(workspace) as runs:
        if not is_folder(workspace.run(job_id)):
            with opened_incoming(workspace) as incoming:
                set_aside(job_id, runs)
                name = job_id if has(incoming, job_id) else _making_name(job_id)
                _make_folders(incoming, name, pipeline)
                os.rename(name, job_id, src_dir_fd=incoming, dst_dir_fd=runs)
        else:
            # Copies are not synced: a power cut may have left less than all names, or names without bytes.
            _make_folders(runs, job_id, pipeline)
    accepted = workspace.request(job_id)
    if not holds(workspace.jobs, accepted.name, request):
        write_copy(accepted, request, mode=0o640)


@dataclass(frozen=True, slots=True)
class Nursery:
    """Where the run directories of a batch of claims are made; its folders are open for as long."""

    runs: int
    incoming: int
    jobs: int

    def make(self, job_id: str, request: bytes, files: Mapping[str, bytes]) -> None:
        """Make what a job that was accepted just now has on disk, with these files in its directory.

        It is seen whole or not at all, so each file is written where it stays. Folders that most requests do not
        need yet (``sources``, ``.work``) come with the first attempt: of all that a claim costs, a folder costs most.
        """
        if has(self.runs, job_id):
            # The id is new: what lies under it is no run of ours, and nobody's answers.
            set_aside(job_id, self.runs)
        # Sources were brought before the commit, into the directory that it becomes.
        name = job_id if has(self.incoming, job_id) else self._new(job_id)
        with opened_beneath(self.incoming, name) as run:
            # Whatever the umask, and it hands the group down.
            os.fchmod(run, 0o2770)
            for file, data in files.items():
                create_copy(file, data, run)
        os.rename(name, job_id, src_dir_fd=self.incoming, dst_dir_fd=self.runs)
        write_copy(f"{job_id}.yaml", request, mode=0o640, folder=self.jobs)

    def _new(self, job_id: str) -> str:
        name = _making_name(job_id)
        try:
            os.mkdir(name, 0o770, dir_fd=self.incoming)
        except FileExistsError:
            remove_tree(name, self.incoming)
            os.mkdir(name, 0o770, dir_fd=self.incoming)
        return name


@contextmanager
def opened_nursery(workspace: Workspace) -> Iterator[Nursery]:
    """The folders in which claims are made, opened once for a batch of them."""
    with (
        opened_runs(workspace) as runs,
        opened_incoming(workspace) as incoming,
        opened_beneath(workspace.jobs) as jobs,
    ):
        yield Nursery(runs, incoming, jobs)


def _making_name(job_id: str) -> str:
    """The folder in ``runs/.incoming`` that becomes a run directory for which no sources were brought."""
    # No id begins with a dot: `x.new` is one, and its sources may lie there.
    return f".new-{job_id}"


def copying_name(request: str) -> str:
    """The folder in ``runs/.incoming`` that a request's large sources are copied to, by the request's identity."""
    return f"{request}.copying"


def is_copying(workspace: Workspace, request: str) -> bool:
    """Whether sources of a request are being copied, by how its identity begins; False where we may not look."""
    with suppress(OSError):
        names = os.listdir(workspace.incoming)
        return any(name.startswith(request) and name.endswith(copying_name("")) for name in names)
    return False


def clear_incoming(workspace: Workspace) -> None:
    """Remove what claims that a crash cut off had brought in; the jobs that were committed have theirs."""
    with opened_incoming(workspace) as incoming:
        for leftover in os.listdir(incoming):
            with suppress(OSError):
                remove_tree(leftover, incoming)
