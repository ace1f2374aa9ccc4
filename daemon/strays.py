"""Processes that outlived their keeper: found by their environment or their descent, and ended."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from daemon.errors import Halt
from daemon.keeper import KEEPER_NAME
from daemon.processes import children, end_group, parent

KEEPER_VARIABLE = "SPORK_KEEPER"
_KEEPER_GRACE_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.005
_WAIT_SECONDS = 0.05


def end_strays(token: str) -> int:
    """KILL every process that carries this workspace's mark in its environment; how many there were.

    For the start of a daemon, before the lane is used and anything of its own is started. A keeper whose
    daemon died ends its stage better than we can, so those that are alive get a moment. Raises Halt for
    what cannot be ended.
    """
    mark = f"{KEEPER_VARIABLE}={token}:".encode()
    began = time.monotonic()
    ended: set[int] = set()
    clean = 0
    # Two clean looks in a row: in the middle of an exec a process has no environment.
    while clean < 2:
        found = [pid for pid in _others() if _carries(pid, mark)]
        ended.update(found)
        waited = time.monotonic() - began
        if found and waited > _PATIENCE_SECONDS:
            raise Halt(f"process {found[0]} of an earlier attempt cannot be ended; end it, then start again")
        keepers = any(_name(pid) == KEEPER_NAME for pid in found)
        if not (keepers and waited < _KEEPER_GRACE_SECONDS):
            _end(found, lambda pid: _carries(pid, mark))
        clean = 0 if found else clean + 1
        time.sleep(_LOOK_SECONDS)
    return len(ended)


def end_attempt(token: str, attempt: str) -> int:
    """KILL what carries the mark of one attempt, ``JOB:STAGE:ATTEMPT``; how many there still were.

    One look and a moment's wait: ask again until it is 0.
    """
    mark = f"{KEEPER_VARIABLE}={token}:{attempt}\0".encode()
    found = [pid for pid in _others() if _carries(pid, mark)]
    _end(found, lambda pid: _carries(pid, mark))
    return len(found)


def _others() -> Iterator[int]:
    """Every process but this one and those it comes from: a daemon may itself run below a stage."""
    ours = _line_of_descent()
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) not in ours:
            yield int(name)


def _line_of_descent() -> set[int]:
    line, pid = set[int](), os.getpid()
    while pid > 0 and pid not in line:
        line.add(pid)
        pid = parent(pid)
    return line


def _carries(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"\0" + mark in b"\0" + file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _end(pids: Collection[int], still: Callable[[int], bool]) -> None:
    """KILL these and wait for them a moment; ``still`` is asked once the id cannot change hands."""
    poll = select.poll()
    opened: list[int] = []
    for pid in pids:
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            opened.append(fd)
            if still(pid):
                with suppress(ProcessLookupError, PermissionError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                poll.register(fd, select.POLLIN)
    if opened:
        poll.poll(_WAIT_SECONDS * 1000)
    for fd in opened:
        os.close(fd)
    _reap(pids)


def _reap(pids: Collection[int]) -> None:
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def end_orphans() -> bool:
    """End what a dead keeper left to this process, its subreaper; True when none is left.

    Everything below a keeper is in a session of its own, and what the daemon itself starts is in the
    daemon's: that tells them apart. One look and a moment's wait: ask again until it is True.
    """
    ours = os.getsid(0)
    orphans = [pid for pid in children(os.getpid()) if _session(pid) not in (ours, None)]
    for pid in orphans:
        end_group(pid)
    _end(orphans, lambda pid: True)
    return not orphans


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
