"""The sha256 of files that somebody may be changing, and remembering it while a file rests."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.beneath import open_beneath, reading
from daemon.identity import Identity

GoOn = Callable[[], None]
"""Called between two pieces of a file that is read; what it raises ends that."""
_TRIES = 5
_SMALL = 1 << 14
"""Bytes that are hashed about as fast as it is told that they need not be."""
_GRANULARITY = 2.0
"""Seconds within which a second write may leave the same time stamps (FAT, the coarsest in use)."""


def digest_of(root: Path | int, relative: str) -> str:
    """The sha256 (hex) of a file below ``root``, passing no link.

    Raises OSError: ENOENT, ELOOP a link, EXDEV it leads out, EINVAL not a regular file, EBUSY it changed while it
    was read.
    """
    return hash_file(root, relative)[1]


def hash_file(
    root: Path | int, relative: str, *, limit: int | None = None, go_on: GoOn | None = None
) -> tuple[Identity, str]:
    """The same, with which file it was. Raises also OSError EFBIG: it has more than ``limit`` bytes."""
    for _ in range(_TRIES):
        before, identity, sha256 = _read(root, relative, limit, go_on)
        if identity == before:
            return identity, sha256
        if not identity.same_content(before):
            break
        # Only its mode or its names changed, as when a snapshot links it: what was read is read again.
    raise OSError(errno.EBUSY, "changed while it was read", relative)


def look(root: Path | int, relative: str) -> Identity:
    """Which file is there; raises what `digest_of` raises for what is none."""
    fd = open_beneath(root, relative)
    try:
        return Identity.of(os.fstat(fd))
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Known:
    identity: Identity
    sha256: str
    first: float
    rested: bool


class FileDigests:
    """The digests of files that are looked at again and again while a gate waits.

    A digest is believed for as long as the file's identity stays, once the file was hashed after resting for
    longer than time stamps are coarse; ``clock``: seconds, monotonic. Of a small file nothing is remembered: ten
    thousand gates may wait, each with one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, dict[str, _Known]] = {}

    def digest(self, root: Path, relative: str, *, fresh: bool = False) -> str:
        """The sha256 (hex) of a file below ``root``, passing no link; ``fresh`` reads the bytes anyway.

        Raises what `digest_of` raises.
        """
        believed = None if fresh else self.believed(root, relative)
        return believed or self.note(root, relative, *hash_file(root, relative))

    def believed(self, root: Path, relative: str) -> str | None:
        """The digest of a file that is the one it was, and need not be read for it. Raises what `look` raises."""
        known = self._known.get(str(root), {}).get(relative)
        rests = known is not None and known.rested and known.identity == look(root, relative)
        return known.sha256 if known is not None and rests else None

    def note(self, root: Path, relative: str, identity: Identity, sha256: str) -> str:
        """Remember what was read just now; gives the digest."""
        below = self._known.get(str(root), {})
        known, now = below.get(relative), self._clock()
        if identity.size <= _SMALL:
            below.pop(relative, None)
            return sha256
        first = known.first if known is not None and known.identity == identity else now
        # Hashed so long after these stamps were first seen, no later write can hide behind them.
        below[relative] = _Known(identity, sha256, first, now - first > _GRANULARITY)
        self._known[str(root)] = below
        return sha256

    def forget(self, root: Path) -> None:
        """Drop what is known below ``root``."""
        self._known.pop(str(root), None)


class _Paced:
    """A file that asks before each piece whether to go on."""

    def __init__(self, file: io.FileIO, go_on: GoOn) -> None:
        self._file, self._go_on = file, go_on

    def readable(self) -> bool:
        return True

    def readinto(self, room: bytearray) -> int:
        self._go_on()
        return self._file.readinto(room)


def _read(
    root: Path | int, relative: str, limit: int | None, go_on: GoOn | None
) -> tuple[Identity, Identity, str]:
    with reading(open_beneath(root, relative)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", relative)
        if limit is not None and before.st_size > limit:
            raise OSError(errno.EFBIG, f"has more than {limit} bytes", relative)
        source = file if go_on is None else _Paced(file, go_on)
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        identity = Identity.of(os.fstat(file.fileno()))
    return Identity.of(before), identity, sha256
