"""A descriptor that lines are written to without ever waiting for who reads it."""

from __future__ import annotations

import json
import os
import select
import threading

_CHUNK = select.PIPE_BUF
"""What a pipe that polls writable takes at once without blocking (pipe(7))."""
_BACKLOG = 256 * 1024
"""Bytes kept for a reader that is slow; beyond it whole lines are dropped."""
_FLUSH_SECONDS = 0.2
"""How long the end of the process waits for a slow reader."""


class LogStream:
    """Whole lines, in order; dropped ones are counted in a line of their own when writing works again."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._backlog = bytearray()
        self._dropped = 0
        self._torn = False
        self._lock = threading.RLock()

    def write(self, line: bytes) -> None:
        """Take one line that ends in a newline; returns at once and never raises OSError."""
        with self._lock:
            self._push(0)
            if len(self._backlog) + len(line) > _BACKLOG:
                self._dropped += 1
                return
            if self._dropped:
                self._backlog += self._report()
            self._backlog += line
            self._push(0)

    def flush(self) -> None:
        """Give a slow reader a last moment."""
        with self._lock:
            self._push(_FLUSH_SECONDS)

    def _report(self) -> bytes:
        facts = {
            "tag": "orchestrator",
            "event": "log_lines_dropped",
            "job": None,
            "stage": None,
            "attempt": None,
        }
        text = json.dumps(facts | {"lines": self._dropped})
        self._dropped = 0
        return text.encode() + b"\n"

    def _push(self, seconds: float) -> None:
        """Write what the reader takes now. A reader that is gone, or a full disk, costs the lines."""
        try:
            while self._backlog and self._writable(seconds):
                written = os.write(self.fd, self._backlog[:_CHUNK])
                self._torn = self._backlog[written - 1] != ord("\n")
                del self._backlog[:written]
        except BlockingIOError:
            return
        except OSError:
            self._dropped += self._backlog.count(b"\n")
            # What was cut in the middle gets its end before the next line.
            self._backlog[:] = b"\n" if self._torn else b""

    def _writable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        # A pipe without a reader polls as an error: the write then says so, and we drop.
        return bool(poll.poll(seconds * 1000))
