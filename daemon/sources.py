"""A request's own files: found in the few folders they may lie in, and copied aside before the claim's commit.

A relative name is looked for in ``inbox/STEM/``, ``inbox/``, ``sources/`` and the policy's roots. Nothing
outside these folders, and no link, is ever read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath

from daemon.beneath import make_folders, open_beneath, opened_beneath, remove_tree
from daemon.check import Vetted
from daemon.digests import digest_of
from daemon.errors import Invalid
from daemon.files import PASSING, copy_in
from daemon.identity import Identity
from daemon.incoming import make_folders_of_run, opened_incoming
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
        with opened_incoming(self._workspace) as incoming:
            try:
                brought = self._bring_all(incoming, job_id, stem, vetted)
            except BaseException:
                with suppress(OSError):
                    remove_tree(job_id, incoming)
                raise
            os.fsync(incoming)
        self._brought[job_id] = [own for own in brought if own is not None]
        for name in vetted.sources:
            self._since.pop((stem, name), None)

    def _bring_all(
        self, incoming: int, job_id: str, stem: str, vetted: Vetted
    ) -> list[tuple[str, Identity] | None]:
        run = make_folders_of_run(incoming, job_id)
        try:
            with opened_beneath(run, "sources") as target:
                brought = [self._bring_one(target, name, stem, vetted) for name in vetted.sources]
            os.fsync(run)
        finally:
            os.close(run)
        return brought

    def clear(self, stem: str, job_id: str, *, has_folder: bool) -> None:
        """Take the claimed request's own folder away: its files are in the run, byte for byte.

        OSError where the disk refuses it now: while the request lies there, `clear_taken` does the rest.
        """
        brought = self._brought.pop(job_id, None)
        if brought is None and not has_folder:
            return
        for name, identity in brought or ():
            self._remove_own(stem, name, partial(_is, identity))
        self._remove_empty(self._workspace.inbox / stem)

    def _remove_own(self, stem: str, name: str, is_it: Callable[[int, str], bool]) -> None:
        parent, own = os.path.split(f"{stem}/{name}")
        # Somebody may have replaced or removed it; then it is theirs to keep.
        with _unless_passing(), opened_beneath(self._workspace.inbox, parent) as folder:
            if is_it(folder, own):
                os.unlink(own, dir_fd=folder)

    def clear_taken(self, stem: str, job_id: str) -> None:
        """The same after a crash: what lies in both, byte for byte, is what was brought."""
        run = self._workspace.run(job_id)
        taken = run / "sources"
        for copy in [str(path.relative_to(taken)) for path in taken.rglob("*") if path.is_file()]:
            self._remove_own(stem, copy, partial(_equals, run, f"sources/{copy}"))
        self._remove_empty(self._workspace.inbox / stem)

    def _remove_empty(self, folder: Path) -> None:
        if folder == self._workspace.rejected:
            return
        # Often it is not there, or it holds what no job asked for.
        with _unless_passing():
            os.rmdir(folder)

    def _roots(self, stem: str) -> list[Path]:
        inbox = self._workspace.inbox
        named = [self._workspace.root / root for root in (Path("sources"), *self._policy.inbox.roots)]
        # The operator may have made one of these a link; what is below it may hold none.
        return list(dict.fromkeys([inbox / stem, inbox, *(root.resolve() for root in named)]))

    def _bring_one(self, target: int, name: str, stem: str, vetted: Vetted) -> tuple[str, Identity] | None:
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

    def _copy(self, fd: int, target: int, name: str, stem: str, vetted: Vetted) -> Identity:
        if writers(fd) is Writers.SOME:
            raise self._missing(vetted, name, stem, f"source {shown(name)} is still being written")
        parent, own = os.path.split(str(PurePosixPath(name)))
        folder = make_folders(target, parent)
        try:
            copy_in(fd, own, LIMIT, folder=folder)
        except OSError as error:
            if error.errno == errno.EBUSY:
                why = f"source {shown(name)} changed while it was copied"
                raise self._missing(vetted, name, stem, why) from error
            raise self._unless_passing(vetted, name, error) from error
        finally:
            os.close(folder)
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


@contextmanager
def _unless_passing() -> Iterator[None]:
    """Whatever the system says of a file is the answer; not so what it says of the disk, which is raised."""
    try:
        yield
    except OSError as error:
        if error.errno in PASSING:
            raise


def _is(identity: Identity, folder: int, name: str) -> bool:
    return Identity.of(os.stat(name, dir_fd=folder, follow_symlinks=False)) == identity


def _equals(run: Path, kept: str, folder: int, name: str) -> bool:
    return digest_of(folder, name) == digest_of(run, kept)


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.EXDEV):
        return "a link, or a path out of its folder; only regular files below it are read"
    return error.strerror or str(error)
