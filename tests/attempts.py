"""A place to run attempts in; run as ``python -m tests.attempts``, a stand-in for the daemon to kill."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from daemon.lane import Lane
from daemon.orders import Order, Report
from daemon.runner import Runner, Running
from daemon.strays import end_strays
from tests.support import wait_for

# Of this test process and its children alone: tests that run beside it end their own strays, not ours.
TOKEN = os.environ.setdefault("SPORK_TEST_TOKEN", f"ws{os.getpid()}")

# Every process of these stages shares a flock on `witness`; whoever finds it taken writes `overlap`.
WITNESS = """
import contextlib, fcntl, os, signal, sys, time

def run(context):
    base = context.run_dir.parent
    def note(word):
        fd = os.open(base / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f"{word} {context.attempt}\\n".encode())
        os.close(fd)
    lock = os.open(base / "witness", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(lock, True)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap")
    mode = context.params["mode"]
    note("start")
    if "deaf" in mode:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "stray" in mode and os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (base / "stray").write_text(str(os.getpid()))
            if "closed" in mode:
                for name in os.listdir("/proc/self/fd"):
                    if int(name) not in (lock, 0, 1, 2):
                        with contextlib.suppress(OSError):
                            os.close(int(name))
            if "bare" in mode:
                os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
            time.sleep(600)
        os._exit(0)
    while "stray" in mode and not ((base / "stray").exists() and (base / "stray").read_text()):
        time.sleep(0.005)
    (base / "ready").write_text(str(os.getpid()))
    if "wait" in mode:
        time.sleep(600)
    (context.out_dir / "made.txt").write_text("made")
    note("end")
"""


class Place:
    """A run directory with a lane and a runner."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.run_dir = base / "run"
        self.run_dir.mkdir(exist_ok=True)
        (base / "witness.py").write_text(WITNESS)
        self.lane = Lane(base / "lane.lock")
        self.runner = Runner(self.lane, TOKEN)

    def order(self, attempt: int = 1, **more: Any) -> Order:
        name = f"01-s.{attempt}"
        plain = Order(
            job_id="job-1",
            stage="s",
            attempt=attempt,
            run_dir=self.run_dir,
            out_dir=self.run_dir / ".work" / name,
            log_path=self.run_dir / "logs" / f"{name}.log",
            sources=self.run_dir / "sources",
            pipeline_dir=self.base,
        )
        return replace(plain, **more)

    def witness(self, mode: str, attempt: int = 1) -> Order:
        return self.order(attempt, run="./witness.py:run", params={"mode": mode}, outputs=("made.txt",))

    def shell(self, script: str, *outputs: str, **more: Any) -> Order:
        return self.order(command=("/bin/sh", "-c", script), outputs=outputs, **more)

    def start(self, order: Order) -> Running:
        wait_for(self.lane.try_take, "the lane")
        return self.runner.start(order)

    def finish(self, running: Running) -> Report:
        while (report := running.report()) is None:
            select.select([running], [], [], 60)
        self.lane.give_back()
        return report

    def run(self, order: Order) -> Report:
        return self.finish(self.start(order))

    def log(self, order: Order) -> str:
        return order.log_path.read_text(errors="replace")

    def notes(self) -> list[str]:
        return (self.base / "notes").read_text().splitlines() if (self.base / "notes").exists() else []

    def stand_in(self, mode: str, attempt: int) -> subprocess.Popen[str]:
        """A daemon of its own process that does one attempt; its first line names its keeper."""
        root = Path(__file__).parents[1]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.attempts", str(self.base), mode, str(attempt)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )


def main(base: Path, mode: str, attempt: int) -> None:
    """What a daemon does about one attempt, from its start on."""
    place = Place(base)
    end_strays(TOKEN)
    running = place.start(place.witness(mode, attempt))
    print(f"{running.keeper_pid}", flush=True)
    report = place.finish(running)
    place.runner.rest()
    print(report.outcome, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)
