"""A request's sources where they lie: looked at before anything is copied, then copied as they were found.

Nothing outside the places that are named, and no link, is ever read. What the disk or this process lacks
(`looking.PASSING`) is raised as it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from daemon.below import below
from daemon.beneath import make_folders, open_beneath, opened_beneath, reading, remove_tree
from daemon.files import check_fit, copy_in
from daemon.identity import Identity
from daemon.incoming import make_folders_of_run
from daemon.lease import Writers, writers
from daemon.looking import PASSING
from daemon.names import shown

LIMIT = 2 * 1024**3
"""Bytes of one source file."""

_CHUNK = 1 << 20

CHANGED = "changed while it was copied"


class NotYet(Exception):
    """A source is missing, is being written or has changed: it may be fit in a moment."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"source {shown(name)} {why}")
        self.name = name


class Unfit(Exception):
    """What lies there is never read as a source."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


@dataclass(frozen=True, slots=True)
class Found:
    """A source that is there, fit to be taken, and written by nobody."""

    name: str
    root: Path
    place: str
    """Where it lies below ``root``."""
    identity: Identity


def find(name: str, places: Iterable[tuple[Path, str]]) -> Found:
    """The first of these places, each below its folder, where the source lies. Raises NotYet, Unfit, OSError."""
    for root, place in places:
        try:
            fd = open_beneath(root, place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _meaning(name, error) from error
        try:
            return Found(name, root, place, _looked_at(fd, name))
        finally:
            os.close(fd)
    raise NotYet(name, "is missing")


def _looked_at(fd: int, name: str) -> Identity:
    if writers(fd) is Writers.SOME:
        raise NotYet(name, "is still being written")
    status = os.fstat(fd)
    try:
        check_fit(status, LIMIT)
    except OSError as error:
        raise _meaning(name, error) from error
    return Identity.of(status)


def copy_all(
    incoming: int, folder: str, found: Sequence[Found], pause: Callable[[], None] | None = None
) -> None:
    """Copy sources, durably, into what will be a run directory: ``folder`` in ``incoming``, an open one.

    ``pause`` is called before each and within large ones, as by `copy_in`. On an error, as `find` raises, and on
    what ``pause`` raises, nothing is left of it.
    """
    try:
        run = make_folders_of_run(incoming, folder)
        try:
            with opened_beneath(run, "sources") as target:
                for one in found:
                    if pause is not None:
                        pause()
                    _copy(one, target, pause)
            os.fsync(run)
        finally:
            os.close(run)
        os.fsync(incoming)
    except BaseException:
        with suppress(OSError):
            remove_tree(folder, incoming)
        raise


def _copy(one: Found, target: int, pause: Callable[[], None] | None) -> None:
    parent, own = os.path.split(str(PurePosixPath(one.name)))
    try:
        fd = open_beneath(one.root, one.place)
    except (FileNotFoundError, NotADirectoryError):
        raise NotYet(one.name, CHANGED) from None
    except OSError as error:
        raise _meaning(one.name, error) from error
    try:
        if Identity.of(os.fstat(fd)) != one.identity:
            raise NotYet(one.name, CHANGED)
        folder = make_folders(target, parent)
        try:
            copy_in(fd, own, LIMIT, folder=folder, pause=pause)
        except OSError as error:
            raise _meaning(one.name, error) from error
        finally:
            os.close(folder)
    finally:
        os.close(fd)


def left_behind(folder: Path, stem: str, run: Path) -> list[Found]:
    """What lies in the folder of a request, below ``folder``, by the name and with the size of a source in its run."""
    left = []
    taken = run / "sources"
    for copy in [entry for entry in below(taken) if entry.is_file(follow_symlinks=False)]:
        name = os.path.relpath(copy.path, taken)
        try:
            fd = open_beneath(folder, f"{stem}/{name}")
            try:
                status = os.fstat(fd)
            finally:
                os.close(fd)
            if stat.S_ISREG(status.st_mode) and status.st_size == copy.stat().st_size:
                left.append(Found(name, folder, f"{stem}/{name}", Identity.of(status)))
        except OSError as error:
            if error.errno in PASSING:
                raise
    return left


def is_copied(one: Found, run: Path, pause: Callable[[], None] | None = None) -> bool:
    """Whether a source is, byte for byte, what its run has of it. Its identity, afterwards, tells that it still is.

    ``pause`` is called within large ones. OSError where the disk is in trouble.
    """
    try:
        with (
            reading(open_beneath(one.root, one.place)) as own,
            reading(open_beneath(run, f"sources/{one.name}")) as copy,
        ):
            position = 0
            while True:
                chunk = os.pread(own.fileno(), _CHUNK, position)
                if chunk != os.pread(copy.fileno(), _CHUNK, position):
                    return False
                if not chunk:
                    return True
                position += len(chunk)
                if pause is not None:
                    pause()
    except OSError as error:
        if error.errno in PASSING:
            raise
        return False


def _meaning(name: str, error: OSError) -> Exception:
    """What an error says of the source; the error itself where it is the disk's and not the file's."""
    if error.errno in PASSING:
        return error
    if error.errno == errno.EBUSY:
        return NotYet(name, CHANGED)
    if error.errno in (errno.ELOOP, errno.EXDEV):
        return Unfit(name, "a link, or a path out of its folder; only regular files below it are read")
    return Unfit(name, error.strerror or str(error))
