"""Which system calls change anything, and what ptrace(2) and seccomp(2) need to stop a process at them.

For x86_64. A call counts if another process, or the next start, can see what it did: files, names, modes,
exclusive locks, processes, signals, messages. Not counted: reading; waiting; shared locks and closing, which
the kill itself undoes; the log (descriptors 1 and 2). SQLite writes its ``-shm`` file through memory, which no
call shows; that file is made again by whoever opens the database after a crash.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct
from dataclasses import dataclass

HERE = platform.machine() == "x86_64"
"""Whether this machine has the numbers and registers below."""

NAMES = {
    1: "write", 2: "open", 18: "pwrite64", 20: "writev", 26: "msync", 40: "sendfile", 44: "sendto",
    46: "sendmsg", 56: "clone", 57: "fork", 58: "vfork", 59: "execve", 62: "kill", 72: "fcntl", 73: "flock",
    74: "fsync", 75: "fdatasync", 76: "truncate", 77: "ftruncate", 82: "rename", 83: "mkdir", 84: "rmdir",
    85: "creat", 86: "link", 87: "unlink", 88: "symlink", 90: "chmod", 91: "fchmod", 92: "chown",
    93: "fchown", 94: "lchown", 132: "utime", 133: "mknod", 200: "tkill", 234: "tgkill", 235: "utimes",
    257: "openat", 258: "mkdirat", 259: "mknodat", 260: "fchownat", 263: "unlinkat", 264: "renameat",
    265: "linkat", 266: "symlinkat", 268: "fchmodat", 280: "utimensat", 285: "fallocate", 296: "pwritev",
    316: "renameat2", 326: "copy_file_range", 424: "pidfd_send_signal", 435: "clone3", 452: "fchmodat2",
}  # fmt: skip
WRITES = {"write", "pwrite64"}
"""Calls of which only a part may have happened: their third argument is how many bytes."""

_ALLOW, _TRACE, _ARCH = 0x7FFF0000, 0x7FF00000, 0xC000003E
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_MAKES = os.O_CREAT | os.O_TRUNC
_OFD_SETLK, _OFD_SETLKW = 37, 38
_ONLY_IF = {
    "openat": (2, _ANY_BIT, _MAKES),
    "open": (1, _ANY_BIT, _MAKES),
    "write": (0, _GREATER, 2),
    "writev": (0, _GREATER, 2),
}
_LOCKS = (fcntl.F_SETLK, fcntl.F_SETLKW, _OFD_SETLK, _OFD_SETLKW)
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2

SEIZE, CONTINUE, SYSCALL, GET_REGISTERS, SET_REGISTERS, EVENT_MESSAGE, LISTEN = (
    0x4206, 7, 24, 12, 13, 0x4201, 0x4208,
)  # fmt: skip
FORKED, VFORKED, CLONED, AT_CALL, STOPPED = 1, 2, 3, 7, 128
"""Events of ptrace."""
OPTIONS = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP."""
AFTER_CALL = 0x80
ANY_CHILD = 0x40000000
"""__WALL of waitpid."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    """``struct user_regs_struct``."""

    _fields_ = [
        (name, ctypes.c_ulong)
        for name in (
            "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss"
            " fs_base gs_base ds es fs gs"
        ).split()
    ]
    rdi: int
    rsi: int
    rdx: int
    orig_rax: int


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that a thread is about to make, with its first three arguments."""

    name: str
    first: int
    second: int
    third: int


def ptrace(request: int, tid: int, address: int = 0, data: object = 0) -> None:
    """ProcessLookupError where the thread was killed meanwhile."""
    given = ctypes.cast(ctypes.byref(data), ctypes.c_void_p) if isinstance(data, Registers) else data
    if _libc.ptrace(request, tid, address, given) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def registers(tid: int) -> Registers:
    found = Registers()
    ptrace(GET_REGISTERS, tid, 0, found)
    return found


def call(found: Registers) -> Call:
    return Call(NAMES[found.orig_rax], found.rdi, found.rsi, found.rdx)


def counts(tid: int, made: Call) -> bool:
    """Whether a call that the filter stopped at changes anything; it cannot see what arguments point to."""
    if made.name != "fcntl":
        return True
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
        memory.seek(made.third)
        (kind,) = struct.unpack("h", memory.read(2))
    return bool(kind == fcntl.F_WRLCK)


def stop_at_calls() -> None:
    """Have this process, and all that it starts, stop for its tracer at each call that changes anything."""
    program = _program()
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(_PR_SET_SECCOMP, _FILTER, header, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _program() -> bytes:
    def step(code: int, value: int, jump: int = 0, other: int = 0) -> bytes:
        return struct.pack("HBBI", code, jump, other, value)

    def argument(number: int) -> bytes:
        return step(_LOAD, 16 + 8 * number)

    trace, allow = step(_RETURN, _TRACE), step(_RETURN, _ALLOW)
    program = step(_LOAD, 4) + step(_EQUAL, _ARCH, 1, 0) + allow + step(_LOAD, 0)
    for number, name in NAMES.items():
        inner = trace
        if name in _ONLY_IF:
            which, test, value = _ONLY_IF[name]
            inner = argument(which) + step(test, value, 0, 1) + trace + allow
        elif name == "fcntl":
            inner = argument(1) + b"".join(step(_EQUAL, lock, 0, 1) + trace for lock in _LOCKS) + allow
        program += step(_EQUAL, number, 0, len(inner) // 8) + inner
    return program + allow
