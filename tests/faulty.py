"""One system call of the daemon, a keeper or a command fails: which, when and how is said from here.

``tests/faulty.c`` is compiled (gcc) and loaded into the processes; a file in memory carries the plan to them, so that
one daemon lives through many faults. ``Trial`` gives each fault a job to meet, then holds everything against
everything.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.crashed import Answer, Crashed
from tests.studio import ROOT
from tests.support import wait_for

SOURCE = Path(__file__).with_name("faulty.c")
WHO = {"daemon": 1, "keeper": 2, "command": 3}
CALLS = {
    name: number
    for number, name in enumerate(
        "open read write fsync rename unlink mkdir truncate flock socket pipe chmod".split(), 1
    )
}
SHORT = "short"
HOW: dict[str, tuple[str, ...]] = {
    "open": ("EIO", "EMFILE", "ENOSPC", "EINTR"),
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "ENOSPC", "EINTR", SHORT),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "rename": ("EIO", "ENOSPC"),
    "unlink": ("EIO",),
    "mkdir": ("EIO", "ENOSPC"),
    "truncate": ("EIO",),
    "flock": ("EINTR",),
    "socket": ("EMFILE",),
    "pipe": ("EMFILE",),
    "chmod": ("EIO",),
}
"""What each call is made to say."""

_PLAN = struct.Struct("<iiiiqqiiQ512s")
_TRACEBACK = re.compile(r'Traceback \(most recent|"traceback"')


def missing() -> str:
    """What is needed and not there."""
    return "" if shutil.which("gcc") else "gcc is not installed"


@dataclass(frozen=True, slots=True)
class Fault:
    """The ``number``-th call of this kind in this process, from when it is planned, fails like this."""

    who: str
    call: str
    how: str
    number: int

    def __str__(self) -> str:
        return f"{self.how} at {self.call}#{self.number} of the {self.who}"


class Faulty:
    """The library and the plan that it reads."""

    def __init__(self, base: Path, root: Path) -> None:
        self._library, plan = base / "faulty.so", base / "faulty.plan"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"], check=True
        )
        plan.write_bytes(bytes(_PLAN.size))
        self._file = plan.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), _PLAN.size)
        self.env = {
            "LD_PRELOAD": str(self._library),
            "FAULTY_PLAN": str(plan),
            "FAULTY_ROOT": str(root),
        }

    def plan(self, fault: Fault) -> None:
        """Let this happen next."""
        how = -1 if fault.how == SHORT else getattr(errno, fault.how)
        self._memory[:] = _PLAN.pack(WHO[fault.who], CALLS[fault.call], how, 0, fault.number, 0, 0, 0, 0, b"")

    def forget(self) -> None:
        """Let nothing happen any more."""
        self._memory[:] = bytes(_PLAN.size)

    @property
    def hit(self) -> str:
        """The place where it happened, or nothing."""
        *_, place = _PLAN.unpack(self._memory)
        return place.rstrip(b"\0").decode(errors="replace") if _PLAN.unpack(self._memory)[3] else ""

    @property
    def calls(self) -> int:
        """How many calls of that kind there were since it was planned."""
        return int(_PLAN.unpack(self._memory)[5])

    @property
    def believed(self) -> bool:
        """Whether a file whose fsync failed was used all the same, without being written again."""
        return bool(_PLAN.unpack(self._memory)[6])

    def close(self) -> None:
        self._memory.close()
        self._file.close()


ANSWERS = (Answer("draft", "reject", {"notes": "more", "then": "retry"}), Answer("draft", "approve"))
"""What the job of each fault is answered: it is made twice, and each protocol has its turn."""


class Trial:
    """A workspace that meets one fault after the other, each with a job of its own."""

    def __init__(self, base: Path) -> None:
        base.mkdir(exist_ok=True)
        self.studio = Crashed(base / "studio")
        self.faulty = Faulty(base, self.studio.root)
        self._jobs = 0
        self.halts = 0
        self.calls = 0
        """How many calls of that kind the last job took."""

    def close(self) -> None:
        self.faulty.forget()
        self.studio.close()
        self.faulty.close()

    def meet(self, fault: Fault) -> str:
        """A job while the fault happens, to its end; the place of the fault, or nothing if it was not reached."""
        if not self.studio.alive:
            self.studio.start(env=self.faulty.env)
        self._jobs += 1
        job_id = f"job-{self._jobs}"
        self.studio.source(job_id, "one.txt", f"{job_id}\n")
        said = self.studio.log.stat().st_size
        self.faulty.plan(fault)
        self.studio.ask(job_id, "last", sources=["one.txt"])
        try:
            wait_for(lambda: self._step(job_id), f"the end of {job_id}")
            self._verdict(fault, said)
        except AssertionError as error:
            raise AssertionError(
                f"{fault}, at {self.faulty.hit}: {error}\n{self.studio.log.read_text()[said:][-3000:]}"
            ) from None
        place, self.calls = self.faulty.hit, self.faulty.calls
        self.faulty.forget()
        return place

    def _step(self, job_id: str) -> bool:
        if not self.studio.alive:
            assert self.faulty.hit, "the daemon ended by itself"
            assert self.studio.process is not None
            assert self.studio.process.returncode in (73, 75), f"ended with {self.studio.process.returncode}"
            self.halts += 1
            self.studio.start(env=self.faulty.env)
        return self.studio.step(job_id, ANSWERS) and not list((self.studio.root / "inbox").glob("*.yaml"))

    def _verdict(self, fault: Fault, said: int) -> None:
        text = self.studio.log.read_text()[said:]
        assert not _TRACEBACK.search(text), "a traceback"
        assert not self.faulty.believed, "a file whose fsync failed was used without being written again"

    def rest(self) -> None:
        """Kill the daemon, start it without faults, stop it, and hold everything against everything."""
        self.faulty.forget()
        if self.studio.alive:
            self.studio.kill()
        self.studio.start()
        self.studio.rest()


def faults(who: str, calls: dict[str, tuple[str, ...]] = HOW) -> Iterator[Fault]:
    """Every kind of fault of a process, each at its first call; the caller counts on."""
    for call, ways in calls.items():
        for how in ways:
            yield Fault(who, call, how, 1)


SHELL = """
import json, os, sys
import daemon.cli.answer, daemon.cli.submit, daemon.documents, daemon.publication, daemon.cli.arguments
from daemon.cli import main

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        said = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        try:
            code = main(json.loads(line))
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code, flush=True)
"""
"""Runs each command in a child of one process that has imported what commands need."""


class Doors:
    """A workspace with a gate that waits, and no daemon: commands meet faults, and what they said is held."""

    def __init__(self, base: Path) -> None:
        self.studio = Crashed(base / "studio")
        self.faulty = Faulty(base, self.studio.root)
        self._requests = base / "requests"
        self._requests.mkdir()
        (self._requests / "one.txt").write_text("1\n")
        self._asked = 0
        self.studio.start()
        self.studio.ask("gate-1", "last")
        self.studio.wait("gate-1", "needs_approval")
        self.studio.stop()
        self._said = base / "said"
        self._shell = subprocess.Popen(
            [sys.executable, "-c", SHELL, str(self._said)],
            cwd=self._requests,
            env={**os.environ, **self.faulty.env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.wait()
        self._shell.stdout.close()
        self.faulty.close()
        self.studio.close()

    def submit(self, fault: Fault) -> str:
        """``spork submit`` of a request with a source while the fault happens; its place, or nothing."""
        self._asked += 1
        name = f"job-{self._asked}"
        path = self._requests / f"{name}.yaml"
        path.write_text(f"intent: {name}\nid: {name}\npipeline: last\nparams: {{sources: [one.txt]}}\n...\n")
        inbox = self.studio.root / "inbox"
        code, place = self._command(fault, "submit", str(path))
        there, source = inbox / f"{name}.yaml", inbox / name / "one.txt"
        if code == 0:
            assert there.read_bytes() == path.read_bytes(), f"{fault} at {place}: said 0, but it is not there"
            assert source.read_text() == "1\n", f"{fault} at {place}: said 0, but its source is not there"
        else:
            assert not there.exists(), f"{fault} at {place}: said {code}, but it is there"
        shutil.rmtree(inbox / name, ignore_errors=True)
        there.unlink(missing_ok=True)
        return place

    def approve(self, fault: Fault) -> str:
        """``spork approve`` of the gate while the fault happens; its place, or nothing."""
        there = self.studio.run("gate-1") / "approve.yaml"
        code, place = self._command(fault, "approve", "gate-1")
        assert there.exists() == (code == 0), f"{fault} at {place}: said {code}, there: {there.exists()}"
        if code == 0:
            assert there.read_text().endswith("\n...\n")
            there.unlink()
        return place

    def _command(self, fault: Fault, *arguments: str) -> tuple[int, str]:
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self.faulty.plan(fault)
        self._said.write_bytes(b"")
        self._shell.stdin.write(json.dumps(["--workspace", str(self.studio.root), *arguments]) + "\n")
        self._shell.stdin.flush()
        code = int(self._shell.stdout.readline())
        place, believed = self.faulty.hit, self.faulty.believed
        self.faulty.forget()
        said = self._said.read_text()
        told = f"{fault} at {place}: {code} {said}"
        assert "Traceback" not in said, told
        assert code == 0 or (place and said.strip()), told
        assert not believed, f"{told}: a file whose fsync failed was used"
        return code, place
