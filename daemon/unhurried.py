"""The digests of a gate's files: at once while they are small, and in a thread where they would hold the loop up.

A gigabyte takes half a second at the best and many on a slow disk; nobody else's answer shall wait for that.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from pathlib import Path

from daemon.digests import FileDigests, hash_file, look
from daemon.errands import Dropped
from daemon.identity import Identity

AT_ONCE_BYTES = 64 << 20
"""What is read in the loop for one look at one stage's files."""
READING_SECONDS = 0.1
"""Between two looks at files that are being read beside the loop."""
_one_at_a_time = threading.Lock()


class Underway(BlockingIOError):
    """The files are being read beside the loop: look again in a moment."""


class UnhurriedDigests:
    """The digests of files that are looked at again and again while a gate waits (`FileDigests`)."""

    def __init__(self) -> None:
        self._digests = FileDigests()
        self._readings: dict[tuple[str, bool], _Reading] = {}

    def digests(self, root: Path, paths: Sequence[str], *, fresh: bool) -> dict[str, str | OSError]:
        """By path the sha256 (hex) of each file below ``root``, or why there is none (as `digest_of`).

        ``fresh``: every byte is read after the first time that this is asked; else what rests is believed. Raises
        Underway while files that are large together are read: ask again, and what was read meanwhile is given if
        the files are still the ones that were read.
        """
        key = (str(root), fresh)
        reading = self._readings.get(key)
        if reading is not None and not reading.over:
            raise Underway(errno.EAGAIN, "its files are being read", str(root))
        self._readings.pop(key, None)
        found: dict[str, str | OSError] = {}
        left = AT_ONCE_BYTES
        for path in paths:
            try:
                known = reading.unchanged(path) if reading else None
                sha256 = None if known or fresh else self._digests.believed(root, path)
                if sha256 is None:
                    identity, sha256 = known or hash_file(root, path, limit=left)
                    left -= 0 if known else identity.size
                    self._digests.note(root, path, identity, sha256)
                found[path] = sha256
            except OSError as error:
                if error.errno == errno.EFBIG:
                    self._readings[key] = _Reading(root, paths)
                    raise Underway(errno.EAGAIN, "its files are being read", str(root)) from None
                found[path] = error
        return found

    def forget(self, root: Path) -> None:
        """Drop what is known below ``root``, and what is being read there."""
        self._digests.forget(root)
        for fresh in (False, True):
            if (reading := self._readings.pop((str(root), fresh), None)) is not None:
                reading.drop()

    def end(self) -> None:
        """Read nothing any more."""
        for reading in self._readings.values():
            reading.drop()
        self._readings.clear()


class _Reading:
    """One reading of the files of a stage, in a thread that decides nothing."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.over = False
        self._root, self._paths = root, tuple(paths)
        self._found: dict[str, tuple[Identity, str] | OSError] = {}
        self._dropped = False
        try:
            threading.Thread(target=self._run, daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "no thread can be started") from error

    def unchanged(self, path: str) -> tuple[Identity, str] | None:
        """What was read of this file, if it is still the one; raises what kept it from being read."""
        found = self._found.get(path)
        if isinstance(found, OSError):
            raise found
        return found if found is not None and found[0] == look(self._root, path) else None

    def drop(self) -> None:
        """Read no further."""
        self._dropped = True

    def _run(self) -> None:
        try:
            with _one_at_a_time:
                for path in self._paths:
                    try:
                        self._found[path] = hash_file(self._root, path, go_on=self._go_on)
                    except OSError as error:
                        self._found[path] = error
        except Dropped:
            pass
        finally:
            self.over = True

    def _go_on(self) -> None:
        if self._dropped:
            raise Dropped
