"""The log of one attempt: the first and the last half of a limit, whatever the stage prints."""

from __future__ import annotations

import os
from collections import deque

_CHUNK = 1 << 16


class StageLog:
    """Writes what a stage prints to ``fd``, at most ``limit`` bytes and one line about the rest.

    The first half is written as it comes; the last half is held in memory until the end. A log that
    cannot be written stops nothing: ``error`` says why it is incomplete.
    """

    def __init__(self, fd: int, limit: int) -> None:
        self._fd = fd
        self._half = max(limit // 2, 1)
        self._head = 0
        self._tail: deque[bytearray] = deque()
        self._held = 0
        self._left_out = 0
        self.error = ""

    def take(self, source: int) -> bool:
        """Read once from the non-blocking pipe ``source``; False when it has nothing more to say."""
        try:
            chunk = os.read(source, _CHUNK)
        except BlockingIOError:
            return False
        self._add(chunk)
        return bool(chunk)

    def _add(self, chunk: bytes) -> None:
        room = self._half - self._head
        if room > 0:
            self._write(chunk[:room])
            self._head += len(chunk[:room])
            chunk = chunk[room:]
        if not chunk:
            return
        if self._tail and len(self._tail[-1]) + len(chunk) <= _CHUNK:
            self._tail[-1] += chunk
        else:
            self._tail.append(bytearray(chunk))
        self._held += len(chunk)
        while self._held - len(self._tail[0]) >= self._half:
            self._left_out += len(self._tail[0])
            self._held -= len(self._tail.popleft())

    def _write(self, data: bytes | bytearray) -> None:
        try:
            while data and not self.error:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.error = f"the log could not be written: {error.strerror}"

    def close(self) -> None:
        """Write the held half, with a line before it that says how much was left out."""
        excess = max(self._held - self._half, 0)
        if excess:
            del self._tail[0][:excess]
            self._left_out += excess
        if self._left_out:
            self._write(f"\n[... {self._left_out} bytes left out here ...]\n".encode())
        for chunk in self._tail:
            self._write(chunk)
        self._tail.clear()
