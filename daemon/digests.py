"""The sha256 of files that somebody may be changing, and remembering it while a file rests."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.beneath import open_beneath, reading
from daemon.identity import Identity

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
    return _hash(root, relative)[1]


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
        below = self._known.get(str(root), {})
        known = below.get(relative)
        if known is not None and known.rested and not fresh and known.identity == _look(root, relative):
            return known.sha256
        now = self._clock()
        identity, sha256 = _hash(root, relative)
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


def _look(root: Path, relative: str) -> Identity:
    fd = open_beneath(root, relative)
    try:
        return Identity.of(os.fstat(fd))
    finally:
        os.close(fd)


def _hash(root: Path | int, relative: str) -> tuple[Identity, str]:
    for _ in range(_TRIES):
        before, identity, sha256 = _read(root, relative)
        if identity == before:
            return identity, sha256
        if not identity.same_content(before):
            break
        # Only its mode or its names changed, as when a snapshot links it: what was read is read again.
    raise OSError(errno.EBUSY, "changed while it was read", relative)


def _read(root: Path | int, relative: str) -> tuple[Identity, Identity, str]:
    with reading(open_beneath(root, relative)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", relative)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        identity = Identity.of(os.fstat(file.fileno()))
    return Identity.of(before), identity, sha256
