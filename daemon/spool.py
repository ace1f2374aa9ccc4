"""The settling rule: when a file that a stranger puts into a folder is whole, and what it holds.

One rule for requests and decisions (contract 2). A file is opened once, without following links, looked at
before it is read, and taken only when the kernel says that nobody has it open for writing and its author has
said that it is whole: by the YAML end mark, by a rename or link that was seen, or by leaving it alone.
Time is measured from when we first saw the file like this, never by its own time stamps.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.beneath import opened_beneath
from daemon.birth import birth_in, birth_of
from daemon.endmark import ends_with_mark, is_cut_short, nul_bytes
from daemon.identity import Identity
from daemon.lease import Writers, writer_pids, writers
from daemon.sightings import Sighting, Sightings
from daemon.strangers import no_permission, owner_of, unfit_kind

LIMIT_BYTES = 1 << 20

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_RETRY_FIRST, _RETRY_LONGEST = 0.02, 2.0
_NAME_WRITERS_AFTER = 5.0
_TROUBLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that is complete; without bytes it is an empty decision."""

    name: str
    data: bytes
    identity: Identity
    uid: int
    owner: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is not complete, or cannot be read, yet."""

    name: str
    reason: str
    retry_in: float | None
    """Seconds until another look is worth it; None: only when something happens to the file."""
    since: float
    """When this name was first seen, by the drop-box's clock."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that can never be taken as it is."""

    name: str
    reason: str
    identity: Identity
    data: bytes | None
    """What it holds, where it was read; None for what must stay where it is."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A name that is not there."""

    name: str


Verdict = Whole | Waiting | Refused | Gone


class DropBox:
    """The names in folders of strangers, looked at until they are whole.

    ``settle_seconds``: unchanged for so long counts as whole. ``empty_seconds``: an empty file counts after
    so long (decisions), or never (None, requests). ``clock``: seconds, monotonic.
    """

    def __init__(
        self,
        settle_seconds: float,
        empty_seconds: float | None = None,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settle_seconds = settle_seconds
        self.empty_seconds = empty_seconds
        self.limit_bytes = limit_bytes
        self._clock = clock
        self._sightings = Sightings()

    def look(
        self,
        folder: Path,
        name: str,
        arrived_whole: bool | Callable[[], bool] = False,
        *,
        dir_fd: int | None = None,
    ) -> Verdict:
        """What the file ``name`` (as listed, no path) in ``folder`` is now.

        ``arrived_whole``: seen to arrive by rename or link; a function is asked after the kernel was, so that
        no close of a writer is missed (`Watcher.arrived_whole`). ``dir_fd`` saves opening the folder.
        Raises OSError only where the process or the disk is in trouble (EMFILE, EIO).
        """
        if dir_fd is not None:
            return self._look(str(folder), name, arrived_whole, dir_fd)
        try:
            folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):  # a link in the folder's place leads nowhere for us
            return self._gone(str(folder), name)
        try:
            return self._look(str(folder), name, arrived_whole, folder_fd)
        finally:
            os.close(folder_fd)

    def claim_unlink(self, folder: Path, name: str, identity: Identity, *, dir_fd: int | None = None) -> bool:
        """Remove a file that was taken, unless its name holds something else by now; whether it was removed.

        Size and time of writing must agree besides the inode: the next file made gets a removed one's inode.
        Between look and removal lies one system call; who overwrites a taken file just then, loses it.
        ``dir_fd`` saves opening the folder.
        """
        try:
            with nullcontext(dir_fd) if dir_fd is not None else opened_beneath(folder) as opened:
                status = os.stat(name, dir_fd=opened, follow_symlinks=False)
                if not Identity.of(status).same_content(identity):
                    return False
                os.unlink(name, dir_fd=opened)
        except (FileNotFoundError, NotADirectoryError):
            return False
        self._gone(str(folder), name)
        return True

    def keep_only(self, folder: Path, names: Collection[str]) -> None:
        """Forget every name in ``folder`` that a listing no longer shows."""
        self._sightings.keep_only(str(folder), names)

    def forget(self, folder: Path) -> None:
        """Forget a folder: nothing in it is awaited any more."""
        self._sightings.drop_folder(str(folder))

    def _look(self, folder: str, name: str, arrived_whole: bool | Callable[[], bool], dir_fd: int) -> Verdict:
        try:
            fd = os.open(name, _OPEN, dir_fd=dir_fd)
        except OSError as error:
            return self._unopened(folder, name, dir_fd, error)
        try:
            status = os.fstat(fd)
            reason = unfit_kind(status)
            if not reason and status.st_size > self.limit_bytes:
                reason = f"has {status.st_size:,} bytes, at most {self.limit_bytes:,} are accepted"
            if reason:
                return Refused(name, reason, Identity.of(status, birth_of(fd)), None)
            seen = self._recall(folder, name, status)
            verdict = self._judge(seen, name, status, fd, dir_fd, arrived_whole)
            if isinstance(verdict, Waiting | Gone):
                return verdict
            return replace(verdict, identity=replace(verdict.identity, birth_ns=birth_of(fd)))
        finally:
            os.close(fd)

    def _judge(
        self,
        seen: Sighting,
        name: str,
        status: os.stat_result,
        fd: int,
        dir_fd: int,
        arrived_whole: bool | Callable[[], bool],
    ) -> Verdict:
        now = self._clock()
        held = writers(fd)
        if held is Writers.SOME:
            seen.since, seen.whole = now, False
            return self._waiting(seen, name, self._still_open(seen, now))
        # Where the kernel cannot say whether a renamed file is still being written, it has to rest as well.
        if held is Writers.NONE and not seen.whole:
            seen.whole = arrived_whole() if callable(arrived_whole) else arrived_whole
        quiet = now - seen.since
        needed = self.settle_seconds
        if status.st_size == 0:
            if self.empty_seconds is None:
                return Waiting(name, "empty", None, seen.first)
            needed = self.empty_seconds
        rested = quiet >= needed
        left = max(needed - quiet, _RETRY_FIRST)
        if not rested and (status.st_nlink > 1 or status.st_size == 0 or (seen.unmarked and not seen.whole)):
            if status.st_nlink > 1:
                reason = f"has {status.st_nlink} hard links; waiting for the others to go"
                return self._waiting(seen, name, reason, at_most=left)
            return Waiting(name, "settling" if status.st_size else "empty, settling", left, seen.first)
        data = _read(fd, status.st_size)
        if not _unchanged(seen.identity, fd, name, dir_fd):
            return self._waiting(seen, name, "changed while it was read")
        return self._content(seen, name, status, data, held, left=None if rested else left)

    def _content(
        self,
        seen: Sighting,
        name: str,
        status: os.stat_result,
        data: bytes,
        held: Writers,
        left: float | None,
    ) -> Verdict:
        if reason := nul_bytes(data):
            if left is None and held is Writers.NONE:
                return Refused(name, reason, seen.identity, data)
            return Waiting(name, reason, left, seen.first)
        ended = ends_with_mark(data)
        if is_cut_short(data):
            return Waiting(name, "incomplete: its last line, `...`, is missing", None, seen.first)
        seen.unmarked = not ended
        if ended or seen.whole or left is None:
            return Whole(name, data, seen.identity, status.st_uid, owner_of(status.st_uid))
        return Waiting(name, "settling", left, seen.first)

    def _unopened(self, folder: str, name: str, dir_fd: int, error: OSError) -> Verdict:
        if error.errno == errno.ENOENT:
            return self._gone(folder, name)
        if error.errno in _TROUBLE:
            raise error
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return self._gone(folder, name)
        reason = unfit_kind(status)
        if reason:
            return Refused(name, reason, Identity.of(status, birth_in(dir_fd, name)), None)
        seen = self._recall(folder, name, status)
        if error.errno in (errno.EACCES, errno.EPERM):
            reason = no_permission(status)
        elif error.errno == errno.EAGAIN:
            reason = "locked by another program (a lease)"
        else:
            reason = f"cannot read: {error.strerror}"
        return self._waiting(seen, name, reason)

    def _recall(self, folder: str, name: str, status: os.stat_result) -> Sighting:
        return self._sightings.recall(folder, name, Identity.of(status), self._clock())

    def _gone(self, folder: str, name: str) -> Gone:
        self._sightings.drop(folder, name)
        return Gone(name)

    def _waiting(self, seen: Sighting, name: str, reason: str, at_most: float = _RETRY_LONGEST) -> Waiting:
        """Look again after as long as it has waited so far: soon at first, seldom in the end."""
        retry = min(max(self._clock() - seen.first, _RETRY_FIRST), _RETRY_LONGEST, at_most)
        return Waiting(name, reason, retry, seen.first)

    def _still_open(self, seen: Sighting, now: float) -> str:
        if not seen.writers and now - seen.first >= _NAME_WRITERS_AFTER:
            pids = writer_pids(seen.identity.dev, seen.identity.ino)
            seen.writers = f" by pid {', '.join(map(str, pids))}" if pids else " by a process we cannot see"
        return f"still open for writing{seen.writers}"


def _read(fd: int, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := os.read(fd, size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _unchanged(identity: Identity, fd: int, name: str, dir_fd: int) -> bool:
    """The descriptor and the name both still show the file that was looked at before the reading."""
    if Identity.of(os.fstat(fd)) != identity:
        return False
    try:
        return Identity.of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False)) == identity
    except FileNotFoundError:
        return False
