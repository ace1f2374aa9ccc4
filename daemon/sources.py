"""A request's own files: found in the few folders they may lie in, and copied aside before the claim's commit.

A relative name is looked for in ``inbox/STEM/``, ``inbox/``, ``sources/`` and the policy's roots. Nothing
outside these folders, and no link, is ever read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from daemon.beneath import opened_beneath
from daemon.carrier import AT_ONCE_BYTES, Carrier, unlink
from daemon.check import Vetted
from daemon.errands import Underway
from daemon.errors import Invalid
from daemon.finding import Found, NotYet, Unfit, copy_all, find, left_behind
from daemon.identity import Identity
from daemon.incoming import opened_incoming
from daemon.looking import PASSING
from daemon.names import shown
from daemon.settings import Policy
from daemon.spool import Whole
from daemon.workspace import Workspace

RETRY_SECONDS = 0.5
CARRYING_SECONDS = 1.0
"""Until another look at a request whose sources are copied or compared, should the bell of that be deaf."""


class SourcesMissing(Exception):
    """A source is not there yet or is being written, or all are being seen to; look again in ``retry_in`` seconds."""

    def __init__(self, message: str, retry_in: float) -> None:
        super().__init__(message)
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Wait:
    """What one request, by its identity, has waited for, in words, and since when."""

    request: str
    since: dict[str, float] = field(default_factory=dict)


class Sources:
    """Brings requests' sources into the runs to come."""

    def __init__(
        self, workspace: Workspace, policy: Policy, carrier: Carrier, clock: Callable[[], float]
    ) -> None:
        self._workspace, self._policy, self._carrier, self._clock = workspace, policy, carrier, clock
        self._waits: dict[str, Wait] = {}
        self._brought: dict[str, list[Found]] = {}

    def keep_only(self, names: Collection[str]) -> None:
        """Forget the requests that a listing no longer shows: who comes again waits anew."""
        self._waits = {name: wait for name, wait in self._waits.items() if name in names}

    def bring(self, job_id: str, request: Whole, vetted: Vetted) -> None:
        """Copy all sources to where the run directory is being made, once all are there and fit to be taken.

        Raises SourcesMissing while one is missing or being written, or all are being copied; Invalid when one stays
        missing, or is no file; OSError where the disk is in trouble.
        """
        if not vetted.sources:
            return
        try:
            # All are looked at before the first is copied: a wait reads nothing.
            stem = Path(request.name).stem
            found = [find(name, self._places(stem, name)) for name in vetted.sources]
            self._copy(job_id, request, found)
        except Underway as error:
            raise SourcesMissing(str(error), retry_in=CARRYING_SECONDS) from error
        except NotYet as error:
            raise self._missing(vetted, error.name, request, str(error)) from error
        except Unfit as error:
            raise self._refused(vetted, error.name, str(error)) from error
        self._brought[job_id] = [one for one in found if one.place != one.name]
        self._waits.pop(request.name, None)

    def _copy(self, job_id: str, request: Whole, found: list[Found]) -> None:
        with opened_incoming(self._workspace) as incoming:
            if sum(one.identity.size for one in found) <= AT_ONCE_BYTES:
                copy_all(incoming, job_id, found)
            else:
                keep_free = self._policy.min_free_mib
                self._carrier.deliver(request.identity.key, found, incoming, job_id, keep_free)

    def clear(self, stem: str, job_id: str, here: Collection[str]) -> None:
        """Take the claimed request's own folder away: its files are in the run, byte for byte.

        ``here``: what lies in the inbox. OSError where the disk refuses it now: while the request lies there,
        `clear_taken` does the rest.
        """
        brought = self._brought.pop(job_id, None)
        if brought is not None or stem in here:
            self._remove_own(stem, brought or ())

    def clear_taken(self, request: Whole, job_id: str) -> None:
        """The same after a crash: what lies in both, byte for byte, is what was brought.

        Raises SourcesMissing while large ones are being compared.
        """
        stem, run = Path(request.name).stem, self._workspace.run(job_id)
        try:
            left = left_behind(self._workspace.inbox, stem, run)
            same = self._carrier.compared(request.identity.key, left, run)
        except Underway as error:
            raise SourcesMissing(str(error), retry_in=CARRYING_SECONDS) from error
        self._remove_own(stem, same)

    def _remove_own(self, stem: str, brought: Collection[Found]) -> None:
        for one in brought:
            parent, own = os.path.split(f"{stem}/{one.name}")
            # Somebody may have replaced or removed it; then it is theirs to keep.
            with _unless_passing(), opened_beneath(self._workspace.inbox, parent) as folder:
                if Identity.of(os.stat(own, dir_fd=folder, follow_symlinks=False)) == one.identity:
                    unlink(own, folder)
        for place in _folders_of(one.name for one in brought):
            parent, own = os.path.split(f"{stem}/{place}")
            with _unless_passing(), opened_beneath(self._workspace.inbox, parent) as folder:
                os.rmdir(own, dir_fd=folder)
        self._remove_empty(self._workspace.inbox / stem)

    def _remove_empty(self, folder: Path) -> None:
        if folder == self._workspace.rejected:
            return
        # Often it is not there, or it holds what no job asked for.
        with _unless_passing():
            os.rmdir(folder)

    def _places(self, stem: str, name: str) -> list[tuple[Path, str]]:
        inbox = self._workspace.inbox
        named = [self._workspace.root / root for root in (Path("sources"), *self._policy.inbox.roots)]
        # The operator may have made one of these a link; what is below it may hold none. Whoever drops the
        # request makes the folder of its stem, so that must not be a link either.
        roots = dict.fromkeys(root.resolve() for root in named)
        return [(inbox, f"{stem}/{name}"), *((root, name) for root in (inbox, *roots))]

    def _missing(self, vetted: Vetted, name: str, request: Whole, why: str) -> Exception:
        wait = self._waits.get(request.name)
        if wait is None or wait.request != request.identity.key:
            wait = self._waits[request.name] = Wait(request.identity.key)
        limit = self._policy.inbox.sources_wait_seconds
        if self._clock() - wait.since.setdefault(why, self._clock()) < limit:
            return SourcesMissing(why, retry_in=RETRY_SECONDS)
        places = f"inbox/{Path(request.name).stem}/, inbox/, sources/"
        told = f"{why} after {limit:g} s; put it into one of {places} and drop the request again"
        return self._refused(vetted, name, told)

    def _refused(self, vetted: Vetted, name: str, why: str) -> Invalid:
        for param, value in vetted.params.items():
            if vetted.pipeline.params[param].type == "files" and name in value:
                place = ("params", param, list(value).index(name))
                return Invalid(vetted.document.problem(place, f"{shown(name)}: {why}"))
        raise KeyError(name)


def _folders_of(names: Iterable[str]) -> list[str]:
    """The folders that these files lie in, each before the one that holds it."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    return sorted(folders - {"."}, key=len, reverse=True)


@contextmanager
def _unless_passing() -> Iterator[None]:
    """Whatever the system says of a file is the answer; not so what it says of the disk, which is raised."""
    try:
        yield
    except OSError as error:
        if error.errno in PASSING:
            raise
