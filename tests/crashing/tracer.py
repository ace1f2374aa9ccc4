"""A daemon under a tracer that kills it, its keeper or its stage at one of their system calls.

The tracer is a process between us and the daemon. Where the point is reached, ``before`` kills at the call's
entry, so that it never happens; ``after`` at its exit, before the process runs on; ``half`` lets a write
write the first half of its bytes; ``term`` only tells the daemon to stop, at the call's entry.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.crashing import syscalls
from tests.crashing.syscalls import Call, ptrace

ROLES = ("daemon", "keeper", "stage")


@dataclass(frozen=True, slots=True)
class Point:
    """Where to kill, and whom: the caller, the daemon while the caller goes on, or all at once."""

    role: str
    number: int
    when: str = "before"
    victim: str = "caller"

    def __str__(self) -> str:
        whom = "" if self.victim == "caller" else f", {self.victim} killed"
        return f"{self.when} call {self.number} of the {self.role}{whom}"


@dataclass(slots=True)
class Seen:
    """What a tracer told."""

    pid: int = 0
    killed: str = ""
    """The call at which it killed."""
    code: int | None = None
    """The daemon's exit code, negative for a signal."""
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    """Role, call, bytes written: of each call that counted, if there was no point."""


class Traced:
    """The daemon under its tracer. Calls count from ``arm``."""

    def __init__(self, run: Callable[[], NoReturn], point: Point | None) -> None:
        self._shared = mmap.mmap(-1, 16)
        self.seen = Seen()
        self._unread = b""
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                os.dup2(writer, 3)
                os.closerange(4, 1024)
                _Tracer(self._shared, 3, point).see(run)
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        os.set_blocking(self._reader, False)
        while not self.seen.pid:
            select.select([self._reader], [], [], 10)
            self._read()
        self.pid = self.seen.pid

    def arm(self, *, on: bool = True) -> None:
        """Count from now on, or no longer."""
        self._shared[0] = on

    @property
    def counted(self) -> int:
        return int(struct.unpack_from("Q", self._shared, 8)[0])

    def poll(self) -> int | None:
        """The daemon's exit code, None while it lives."""
        self._read()
        return self.seen.code

    def close(self) -> Seen:
        """Wait until all that it traced is gone."""
        os.set_blocking(self._reader, True)
        while self._read():
            pass
        os.close(self._reader)
        os.waitpid(self._pid, 0)
        return self.seen

    def _read(self) -> bool:
        """Hear what the tracer says; False at its end."""
        try:
            data = os.read(self._reader, 1 << 16)
        except BlockingIOError:
            return True
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            for name, value in json.loads(line).items():
                setattr(self.seen, name, value)
        if not data and not self.seen.pid:
            raise RuntimeError("the tracer ended before its daemon had begun")
        return bool(data)


class _Tracer:
    def __init__(self, shared: mmap.mmap, tell: int, point: Point | None) -> None:
        self._shared, self._tell, self._point = shared, tell, point
        self._numbers: Counter[str] = Counter()
        self._group: dict[int, int] = {}
        self._depth: dict[int, int] = {}
        self._calls: list[tuple[str, str, int]] = []
        self._due: tuple[int, Call] | None = None
        self._daemon = 0

    def see(self, run: Callable[[], NoReturn]) -> None:
        """Start it and stay until the last process of it is gone: without us its calls would fail."""
        gate, open_gate = os.pipe()
        self._daemon = os.fork()
        if self._daemon == 0:
            os.read(gate, 1)
            os.closerange(3, 1024)
            syscalls.stop_at_calls()
            run()
        ptrace(syscalls.SEIZE, self._daemon, 0, syscalls.OPTIONS)
        self._group[self._daemon], self._depth[self._daemon] = self._daemon, 0
        self._say(pid=self._daemon)
        os.write(open_gate, b"x")
        while True:
            try:
                tid, status = os.waitpid(-1, syscalls.ANY_CHILD)
            except ChildProcessError:
                break
            with suppress(ProcessLookupError):
                self._at(tid, status)
        if self._point is None:
            self._say(calls=self._calls)

    def _say(self, **facts: Any) -> None:
        data = json.dumps(facts).encode() + b"\n"
        while data:
            data = data[os.write(self._tell, data) :]

    def _at(self, tid: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._group.pop(tid, None)
            if tid == self._daemon:
                self._say(code=os.waitstatus_to_exitcode(status))
            return
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == syscalls.AT_CALL:
            self._at_call(tid)
        elif number == signal.SIGTRAP | syscalls.AFTER_CALL:
            if self._due is not None and self._due[0] == tid:
                made, self._due = self._due[1], None
                self._kill(tid, made)
            ptrace(syscalls.CONTINUE, tid)
        elif event == syscalls.STOPPED and number not in (signal.SIGTRAP, signal.SIGCONT):
            ptrace(syscalls.LISTEN, tid)
        else:
            ptrace(syscalls.CONTINUE, tid, 0, 0 if event else number)

    def _at_call(self, tid: int) -> None:
        found = syscalls.registers(tid)
        made = syscalls.call(found)
        point, role = self._point, self._role(tid)
        if not self._shared[0] or not syscalls.counts(tid, made):
            ptrace(syscalls.CONTINUE, tid)
            return
        self._numbers[role] += 1
        struct.pack_into("Q", self._shared, 8, self._numbers.total())
        if point is None:
            self._calls.append((role, made.name, made.third))
        elif (role, self._numbers[role]) == (point.role, point.number):
            if point.when == "term":
                self._end([self._daemon], signal.SIGTERM, tid, made)
                ptrace(syscalls.CONTINUE, tid)
                return
            if point.when != "before":
                if point.when == "half" and made.name in syscalls.WRITES:
                    found.rdx //= 2
                    ptrace(syscalls.SET_REGISTERS, tid, 0, found)
                self._due = (tid, made)
                ptrace(syscalls.SYSCALL, tid)
                return
            self._kill(tid, made)
        ptrace(syscalls.CONTINUE, tid)

    def _role(self, tid: int) -> str:
        if tid not in self._group:
            group, parent = _family(tid)
            self._group[tid] = group
            # Only a keeper can have lost its parent, the daemon, before its first call.
            self._depth.setdefault(group, self._depth.get(parent, 0) + 1)
        return ROLES[min(self._depth[self._group[tid]], 2)]

    def _kill(self, tid: int, made: Call) -> None:
        assert self._point is not None
        if self._point.victim == "caller":
            victims = [self._group[tid]]
        elif self._point.victim == "daemon":
            victims = [self._daemon]
        else:
            victims = sorted(set(self._group.values()), key=lambda pid: self._depth[pid])
        self._end(victims, signal.SIGKILL, tid, made)

    def _end(self, victims: list[int], number: signal.Signals, tid: int, made: Call) -> None:
        place = _place(tid, made)
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        self._point = Point("nobody", 0)
        self._say(killed=f"{made.name} {place}".strip())


def _family(tid: int) -> tuple[int, int]:
    """Its process and that one's parent."""
    facts = {}
    with open(f"/proc/{tid}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            facts[name] = value.strip()
    return int(facts["Tgid"]), int(facts["PPid"])


def _place(tid: int, made: Call) -> str:
    """The file that a call is about, as far as its descriptor or its string tells."""
    with suppress(OSError, UnicodeDecodeError):
        if made.name in ("open", "unlink", "rename", "mkdir", "rmdir", "chmod", "creat", "execve"):
            return _string(tid, made.first)
        if made.name.endswith("at"):
            return _string(tid, made.second)
        if made.name in ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fchmod", "fcntl", "flock"):
            return os.readlink(f"/proc/{tid}/fd/{made.first}")
    return ""


def _string(tid: int, address: int) -> str:
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(200).partition(b"\0")[0].decode()
