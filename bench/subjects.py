"""The two that are measured in turn: the minimal reference, and the daemon with everything on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench.reference import STAGES
from daemon.model import Status
from daemon.setup import init
from daemon.store import Store

CHECKOUT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60.0
_REST_SECONDS = 0.03
"""Between what is seen of a job and the next thing done to it: the subject finishes and waits again."""

_STAGE = """\
import time


def run(context):
    began = time.monotonic_ns()
    with open(f"{context.stage}.txt", "w") as file:
        file.write(f"{began}\\n")
"""
_POLICY = "min_free_mib: 1\npipeline: {default: nine}\n"


def as_users_have_it() -> dict[str, str]:
    """The environment, the checkout to be imported, without what a machine sets for its own Pythons: one that forbids
    compiled files would have each start compile anew.
    """
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**theirs, "PYTHONPATH": str(CHECKOUT)}


class Subject(Protocol):
    """Something that runs nine stages when a file is renamed into its inbox."""

    name: str
    root: Path

    @property
    def pid(self) -> int: ...

    def start(self) -> float:
        """Start it; gives the seconds until it is ready."""

    def stop(self) -> None:
        """End it; its folder stays."""

    def prepare(self, job: str, *, kind: str = "nine") -> Path:
        """Write a request outside the inbox: ``nine`` stages, ``gated`` after the first, or ``one`` gated."""

    def began(self, job: str, stage: int) -> int | None:
        """When the first line of the stage ran (CLOCK_MONOTONIC, ns); None if it has not been published."""

    def wait_for_gate(self, job: str) -> None:
        """Until the job waits for an approval and all about it is quiet."""

    def approval(self, job: str) -> tuple[Path, Path]:
        """The two names of the rename that approves."""


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition; TimeoutError names what was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        # Long enough not to take the processor from what is measured: the times come from the stages.
        time.sleep(0.002)


class Minimal:
    """The reference, in a folder of its own."""

    name = "reference"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        self.root.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.reference", str(self.root)], cwd=CHECKOUT, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return time.monotonic() - began

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def prepare(self, job: str, *, kind: str = "nine") -> Path:
        path = self.root / f"{job}.yaml"
        path.write_text("0" if kind == "nine" else "1")
        return path

    def began(self, job: str, stage: int) -> int | None:
        return _written(self.root / "runs" / job / f"s{stage}.txt")

    def wait_for_gate(self, job: str) -> None:
        until(lambda: self.began(job, 1), f"{job} to wait")
        time.sleep(_REST_SECONDS)

    def approval(self, job: str) -> tuple[Path, Path]:
        run = self.root / "runs" / job
        (run / "approve.part").touch()
        return run / "approve.part", run / "approve.yaml"


class Daemon:
    """The real daemon in a real workspace, its log into a file. Ready is what it tells a service manager."""

    name = "daemon"

    def __init__(self, root: Path) -> None:
        self.root = root
        init(root)
        (root / "conf/operator.yaml").write_text(_POLICY)
        pipelines = root / "conf/pipelines"
        (pipelines / "noop.py").write_text(_STAGE)
        for name, count, gate in (("nine", STAGES, 0), ("gated", STAGES, 1), ("one", 1, 1), ("alone", 1, 0)):
            lines = [f"name: {name}", "stages:"]
            for n in range(1, count + 1):
                waits = str(n == gate).lower()
                lines.append(f"  - {{name: s{n}, run: './noop.py:run', outputs: [s{n}.txt], gate: {waits}}}")
            (pipelines / f"{name}.yaml").write_text("\n".join([*lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *command: str) -> float:
        address = self.root / "jobs/notify"
        address.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
            (self.root / "daemon.log").open("ab") as log,
        ):
            manager.bind(str(address))
            manager.settimeout(0.2)
            began = time.monotonic()
            self._process = subprocess.Popen(
                [*(command or (sys.executable, "-m", "daemon")), "--workspace", str(self.root), "daemon"],
                env={**as_users_have_it(), "NOTIFY_SOCKET": str(address)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            while not _says_ready(manager):
                if self._process.poll() is not None:
                    raise RuntimeError(f"the daemon ended at once; see {self.root / 'daemon.log'}")
            return time.monotonic() - began

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def prepare(self, job: str, *, kind: str = "nine") -> Path:
        path = self.root / f"{job}.part"
        path.write_text(f"intent: measured\nid: {job}\npipeline: {kind}\n...\n")
        return path

    def began(self, job: str, stage: int) -> int | None:
        return _written(self.root / "runs" / job / f"s{stage}.txt")

    def wait_for_gate(self, job: str) -> None:
        state = self.root / "runs" / job / "state.json"
        until(lambda: state.exists() and '"needs_approval"' in state.read_text(), f"{job} to wait")
        time.sleep(_REST_SECONDS)

    def approval(self, job: str) -> tuple[Path, Path]:
        run = self.root / "runs" / job
        return run / "approve.template.yaml", run / "approve.yaml"

    def counts(self) -> dict[str, int]:
        """How many jobs the database has in each status."""
        if not (self.root / "jobs/spork.db").exists():
            return {}
        store = Store(self.root / "jobs/spork.db", read_only=True)
        try:
            return store.counts()
        finally:
            store.close()

    def wait_for_checkup(self) -> None:
        """Until a large database has been looked at beside the work: a thread of its own, which takes a processor."""
        until(lambda: len(os.listdir(f"/proc/{self.pid}/task")) == 1, "the look at the database", 300)

    def claimed(self) -> int:
        """How many jobs the database has."""
        return sum(self.counts().values())

    def waiting(self) -> int:
        """How many jobs wait at a gate."""
        return self.counts().get(Status.NEEDS_APPROVAL, 0)


def _says_ready(manager: socket.socket) -> bool:
    try:
        return b"READY=1" in manager.recv(4096)
    except TimeoutError:
        return False


def _written(path: Path) -> int | None:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.endswith("\n") else None
