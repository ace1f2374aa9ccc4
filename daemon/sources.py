"""A request's own files: found in the few folders they may lie in, and copied aside before the claim's commit.

A relative name is looked for in ``inbox/STEM/``, ``inbox/``, ``sources/`` and the policy's roots. Nothing
outside these folders, and no link, is ever read.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from daemon.check import Vetted
from daemon.digests import digest_of
from daemon.errors import Invalid
from daemon.files import PASSING, Identity, copy_in, fsync_folder, make_folders, open_beneath
from daemon.lease import Writers, writers
from daemon.names import shown
from daemon.settings import Policy
from daemon.workspace import Workspace

LIMIT = 2 * 1024**3
"""Bytes of one source file."""


class SourcesMissing(Exception):
    """A source is not there yet, or is being written; look again in ``retry_in`` seconds."""

    def __init__(self, message: str, retry_in: float) -> None:
        super().__init__(message)
        self.retry_in = retry_in


def make_folders_of_run(folder: Path) -> None:
    """The folders every run directory has. All hand the group down: what a stage makes in .work moves out."""
    for path, mode in ((folder, 0o2770), (folder / "sources", 0o2770), (folder / ".work", 0o2750)):
        path.mkdir(exist_ok=True)
        path.chmod(mode)


class Sources:
    """Brings requests' sources into the runs to come."""

    def __init__(self, workspace: Workspace, policy: Policy, clock: Callable[[], float]) -> None:
        self._workspace, self._policy, self._clock = workspace, policy, clock
        self._since: dict[tuple[str, str], float] = {}
        self._brought: dict[str, list[tuple[str, Identity]]] = {}

    def bring(self, job_id: str, stem: str, vetted: Vetted) -> None:
        """Copy all sources to where the run directory is being made.

        Raises SourcesMissing while one is missing or being written, Invalid when it stays so, or is no file,
        OSError where the disk is in trouble.
        """
        if not vetted.sources:
            return
        folder = self._workspace.incoming / job_id
        make_folders_of_run(folder)
        try:
            brought = [self._bring_one(folder / "sources", name, stem, vetted) for name in vetted.sources]
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for path in (folder / "sources", folder, folder.parent):
            fsync_folder(path)
        self._brought[job_id] = [own for own in brought if own is not None]
        for name in vetted.sources:
            self._since.pop((stem, name), None)

    def clear(self, stem: str, job_id: str) -> None:
        """Take the claimed request's own folder away: its files are in the run, byte for byte."""
        for name, identity in self._brought.pop(job_id, ()):
            path = self._workspace.inbox / stem / name
            try:
                if Identity.of(os.lstat(path)) == identity:
                    path.unlink()
            except OSError:
                continue  # somebody replaced or removed it; theirs to keep
        self._remove_empty(self._workspace.inbox / stem)

    def clear_taken(self, stem: str, job_id: str) -> None:
        """The same after a crash: what lies in both, byte for byte, is what was brought."""
        taken = self._workspace.run(job_id) / "sources"
        for copy in [path for path in taken.rglob("*") if path.is_file()]:
            path = self._workspace.inbox / stem / copy.relative_to(taken)
            try:
                if digest_of(path) == digest_of(copy):
                    path.unlink()
            except OSError:
                continue  # it is not there, or no regular file
        self._remove_empty(self._workspace.inbox / stem)

    def _remove_empty(self, folder: Path) -> None:
        if folder == self._workspace.rejected:
            return
        try:
            os.rmdir(folder)
        except OSError:
            pass  # not there, or it holds what no job asked for

    def _roots(self, stem: str) -> list[Path]:
        inbox = self._workspace.inbox
        named = [self._workspace.root / root for root in self._policy.inbox.roots]
        return list(dict.fromkeys([inbox / stem, inbox, self._workspace.root / "sources", *named]))

    def _bring_one(self, target: Path, name: str, stem: str, vetted: Vetted) -> tuple[str, Identity] | None:
        for root in self._roots(stem):
            try:
                own = root == self._workspace.inbox / stem
                # Whoever drops the request makes that folder, so it must not be a link either.
                fd = open_beneath(root.parent, f"{stem}/{name}") if own else open_beneath(root, name)
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                continue
            except OSError as error:
                raise self._unless_passing(vetted, name, error) from error
            try:
                identity = self._copy(fd, target, name, stem, vetted)
            finally:
                os.close(fd)
            return (name, identity) if root == self._workspace.inbox / stem else None
        raise self._missing(vetted, name, stem, f"source {shown(name)} is missing")

    def _copy(self, fd: int, target: Path, name: str, stem: str, vetted: Vetted) -> Identity:
        if writers(fd) is Writers.SOME:
            raise self._missing(vetted, name, stem, f"source {shown(name)} is still being written")
        parent = str(PurePosixPath(name).parent)
        if parent != ".":
            os.close(make_folders(target, parent))
        try:
            copy_in(fd, target / name, LIMIT)
        except OSError as error:
            if error.errno == errno.EBUSY:
                why = f"source {shown(name)} changed while it was copied"
                raise self._missing(vetted, name, stem, why) from error
            raise self._unless_passing(vetted, name, error) from error
        return Identity.of(os.fstat(fd))

    def _missing(self, vetted: Vetted, name: str, stem: str, why: str) -> Exception:
        since = self._since.setdefault((stem, name), self._clock())
        limit = self._policy.inbox.sources_wait_seconds
        if self._clock() - since < limit:
            return SourcesMissing(why, retry_in=0.5)
        del self._since[stem, name]
        places = "inbox/" + stem + "/, inbox/, sources/"
        told = f"{why} after {limit:g} s; put it into one of {places} and drop the request again"
        return self._refused(vetted, name, told)

    def _unless_passing(self, vetted: Vetted, name: str, error: OSError) -> Exception:
        """The refusal, or the error itself where it is the disk's and not the file's."""
        return error if error.errno in PASSING else self._refused(vetted, name, _why(error))

    def _refused(self, vetted: Vetted, name: str, why: str) -> Invalid:
        for param, value in vetted.params.items():
            if vetted.pipeline.params[param].type == "files" and name in value:
                place = ("params", param, list(value).index(name))
                return Invalid(vetted.document.problem(place, f"{shown(name)}: {why}"))
        raise KeyError(name)


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.EXDEV):
        return "a link, or a path out of its folder; only regular files below it are read"
    return error.strerror or str(error)
