"""What tests do to a running daemon's watcher, from outside: count its watches, make it deaf, count its wakings."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import wait_for

_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)


def watches(pid: int) -> dict[int, list[int]]:
    """Each inotify descriptor of a process, with its watches."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{name}") != "anon_inode:inotify":
                continue
            text = Path(f"/proc/{pid}/fdinfo/{name}").read_text()
        except FileNotFoundError:
            continue
        found[int(name)] = [
            int(mark, 16) for mark in re.findall(r"^inotify wd:([0-9a-f]+)", text, re.MULTILINE)
        ]
    return found


@contextmanager
def held(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """The process does not run for as long as this lasts."""
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{process.pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "the process to stop")
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def deafen(process: subprocess.Popen[bytes]) -> None:
    """Take every watch off the daemon's own inotify instance, so that it neither hears nor learns of it."""
    wait_for(lambda: _deafened(process), "the daemon to have a watcher with its watches")


def _deafened(process: subprocess.Popen[bytes]) -> bool:
    """Whether it was made deaf; not while it makes its watcher anew."""
    with held(process):
        have = [(number, marks) for number, marks in watches(process.pid).items() if len(marks) > 1]
        if not have:
            return False
        ((number, marks),) = have
        pidfd = os.pidfd_open(process.pid)
        shared = _libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
        os.close(pidfd)
        if shared < 0:
            pytest.skip("pidfd_getfd is not allowed here")
        for mark in marks:
            assert _libc.inotify_rm_watch(shared, mark) == 0
        # The kernel tells of each watch that is gone; read here, the daemon never does.
        os.set_blocking(shared, False)
        with suppress(BlockingIOError):
            while os.read(shared, 1 << 16):
                pass
        os.close(shared)
        # While it is held: it may find out in the next instant.
        assert list(watches(process.pid).values()) == [[]]
        return True


def wakings(pid: int) -> int:
    """How often the process has gone to sleep of its own will."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[0])


def ticks(pid: int) -> int:
    """The processor time it has used, in the kernel's ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
