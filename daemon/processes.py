"""What Linux is asked about processes: parents, children, names. Lean: keepers hold it warm."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36

_COUNTER_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
# With its types it makes no objects for its arguments: in a forked process each costs a page.
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be KILLed when ``parent`` ends; at once if it already has."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def set_name(name: str) -> None:
    """What ``ps`` and ``top`` show; at most 15 bytes."""
    text = ctypes.create_string_buffer(name.encode())
    _prctl(_PR_SET_NAME, ctypes.addressof(text))


def flush_streams() -> None:
    """Write what libraries in C have printed and their streams still hold."""
    _libc.fflush(None)


def children(pid: int) -> list[int]:
    """The children of a process, zombies included; incomplete while they come and go, so ask again."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        # A thread or the process has just ended, or a kernel without CONFIG_PROC_CHILDREN.
        return [other for other in _all() if parent(other) == pid]
    return found


def oom_kills() -> int:
    """How many processes of our control group the kernel has killed for want of memory; 0 where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        # Without a file object, which costs more pages after a fork than all else here.
        fd = os.open(_oom_counter(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(fd, _COUNTER_BYTES)
        finally:
            os.close(fd)
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(b"oom_kill "))
    return 0


@cache
def _oom_counter() -> str:
    """The file with the count, of the group we are in when it is first asked for.

    Two counts are compared, so both must be of one group: that of a process moved meanwhile is asked on, and
    what is then killed in its new one is not counted, rather than counted wrongly.
    """
    with open("/proc/self/cgroup") as file:
        groups = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in groups:
        # cgroups(7): version 1 names its controllers, the one of version 2 has an empty list.
        if "memory" in controllers.split(","):
            return f"/sys/fs/cgroup/memory{path}/memory.oom_control"
    return f"/sys/fs/cgroup{groups[-1][2]}/memory.events"


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def parent(pid: int) -> int:
    """The parent of a process; 0 if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def end_group(pid: int) -> None:
    """KILL a child that has not been reaped, and its process group if it left ours."""
    with suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(pid)
        if group != os.getpgrp():
            os.killpg(group, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def end_children(but: int = 0, grace_seconds: float = 0.0) -> int:
    """End and reap every descendant; how many had to be KILLed. Free where there are none.

    ``but``: a child that is left alone and has no children of its own. ``grace_seconds``: within these, once, what
    is there may end by itself, as the resource tracker of Python's multiprocessing does. Only for a subreaper.
    Signals go to direct children alone, whose ids cannot be reused before they are reaped; the next generation
    becomes ours as its parents die. What may not be signalled (a set-user-id program) is waited for.
    """
    ended: set[int] = set()
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            found = [pid for pid in children(os.getpid()) if pid != but]
            # Nobody has ended since either, so no grandchild can have come to us behind the list's back.
            if but and not found and not os.waitpid(-1, os.WNOHANG)[0]:
                return len(ended)
            if found and grace_seconds:
                _let_end(found, grace_seconds)
                grace_seconds = 0.0
                continue
            for pid in found:
                end_group(pid)
                ended.add(pid)
            if found:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return len(ended)


def _let_end(pids: Sequence[int], seconds: float) -> None:
    """Wait until these children, not yet reaped, have ended, and no longer than this."""
    until, poll = time.monotonic() + seconds, select.poll()
    opened: list[int] = []
    # Without a descriptor to spare they are ended at once.
    with suppress(OSError):
        for pid in pids:
            opened.append(os.pidfd_open(pid))
            poll.register(opened[-1], select.POLLIN)
    left = set(opened)
    while left and (still := until - time.monotonic()) > 0:
        for fd, _ in poll.poll(still * 1000):
            poll.unregister(fd)
            left.discard(fd)
    for fd in opened:
        os.close(fd)
