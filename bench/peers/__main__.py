"""``python -m bench.peers [--jobs N] [--only NAME]``: the daemon, its reference and its peers, in the same minutes.

Nine stages in sequence that each leave a file; from the file or message to the first line; from an approval to
the next stage's first line; idle. What does not install, or cannot wait for a person, is said in its cell.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import measures, page
from bench.measures import quantile
from bench.peers.environments import PEERS, Peer, python_of
from bench.peers.stand import STAGES
from bench.processes import cost, spent
from bench.subjects import Daemon, Minimal, as_users_have_it, until

IDLE_SECONDS = 6.0
REST_SECONDS = 1.5
"""Until a job that waits for a person surely does, and between two jobs of tools that poll."""
_WALL = 1_000_000_000_000_000_000
ROWS = (
    "a stage, ms (median)",
    "a process of its own for a stage",
    "file or message to first line, ms (p50 / p99)",
    "approval to next stage, ms (p50 / p99)",
    "idle: % of a core, MiB (PSS)",
)


class Stood:
    """A peer's process and what it has done. ``pid`` is above all that it started."""

    def __init__(self, peer: Peer, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        python = python_of(peer)
        environ = {**as_users_have_it(), "PEER_ROOT": str(root)}
        with (root / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", f"bench.peers.{peer.module}", "serve", str(root)],
                env=environ, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        if b"ready" not in self._process.stdout.readline():
            raise RuntimeError((root / "log").read_text(errors="replace").strip().splitlines()[-1])
        self.pid = self._process.pid

    def say(self, words: str) -> int:
        """Tell it, and when (CLOCK_MONOTONIC, ns)."""
        assert self._process.stdin is not None
        now = time.monotonic_ns()
        self._process.stdin.write(f"{words}\n".encode())
        return now

    def began(self, job: str, stage: int) -> int | None:
        try:
            moment = int((self.root / "runs" / job / f"s{stage}.txt").read_text())
        except FileNotFoundError:
            return None
        return moment if moment < _WALL else moment - time.time_ns() + time.monotonic_ns()

    def stop(self) -> None:
        self.say("stop")
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pass
        # Some leave children of their own.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def main() -> None:
    """Measure each in turn, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20, help="jobs, and approvals, of each (20)")
    parser.add_argument("--page", action="store_true", help="also put the table into the pages that show it")
    parser.add_argument("--only", metavar="NAME", help="the peers whose names hold this")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="spork-peers-"))
    load = os.getloadavg()[0]
    try:
        columns = {"reference": _ours(Minimal(root / "reference"), args.jobs)}
        columns["daemon"] = _ours(Daemon(root / "workspace"), args.jobs)
        for peer in PEERS:
            if args.only is None or args.only.lower() in peer.name.lower():
                columns[peer.name] = _peer(peer, root / peer.module, max(round(args.jobs * peer.share), 3))
                _tell(f"{peer.name}: {'; '.join(columns[peer.name])}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    made = _table(columns, load)
    print(made)
    if args.page:
        _tell(f"put into {', '.join(page.put('peers', made))}")


def _table(columns: dict[str, list[str]], load: float) -> str:
    command = page.command("bench.peers")
    loads = f"load average {load:.2f} before and {os.getloadavg()[0]:.2f} after"
    python = f"Python {platform.python_version()}"
    packages = ", ".join(package for peer in PEERS for package in peer.packages)
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{command}`, {os.cpu_count()} cores, {python}, {loads};",
            packages,
            "",
            f"| | {' | '.join(columns)} |",
            f"|---|{'---|' * len(columns)}",
            *(
                f"| {what} | {' | '.join(cells[row] for cells in columns.values())} |"
                for row, what in enumerate(ROWS)
            ),
        ]
    )


def _ours(subject: Minimal | Daemon, jobs: int) -> list[str]:
    _tell(subject.name)
    subject.start()
    try:
        for number in range(2):
            measures.one_job(subject, f"warm-{number}")
        ran = [measures.one_job(subject, f"job-{number}") for number in range(jobs)]
        approved = [measures.approval(subject, f"ask-{number}") for number in range(jobs)]
        percent, mib, _ = measures.idle(subject, IDLE_SECONDS)
    finally:
        subject.stop()
    stage, reaction = median(each for _, each in ran), [first for first, _ in ran]
    return [f"{stage:.1f}", "yes", _both(reaction), _both(approved), f"{percent:.2f} %, {mib:.0f}"]


def _peer(peer: Peer, root: Path, jobs: int) -> list[str]:
    _tell(peer.name)
    try:
        stood = Stood(peer, root)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        return [f"not run: {error}".replace("|", "/")[:120], "", "", "", ""]
    try:
        for number in range(2):
            _job(stood, f"warm-{number}")
        ran = [_job(stood, f"job-{number}") for number in range(jobs)]
        approved = [_approval(stood, f"ask-{number}") for number in range(jobs)] if peer.approves else []
        time.sleep(REST_SECONDS)
        percent, mib = _idle(stood.pid)
    except TimeoutError as error:
        return [f"timed out: {error}", "", "", "", ""]
    finally:
        stood.stop()
    return [
        f"{median(each for _, each in ran):.1f}",
        peer.process,
        _both([first for first, _ in ran]),
        _both(approved) if approved else "has none",
        f"{percent:.2f} %, {mib:.0f}",
    ]


def _idle(pid: int) -> tuple[float, float]:
    """Percent of a core and MiB; a process that ended meanwhile does not count, for nobody knows its end."""
    before, began = spent(pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = spent(pid), time.monotonic() - began
    return sum(now - before.get(one, 0.0) for one, now in after.items()) / seconds * 100, cost(pid).pss_mib


def _job(stood: Stood, job: str) -> tuple[float, float]:
    said = stood.say(f"job {job}")
    until(lambda: stood.began(job, STAGES), f"{job} to end", 120)
    first, last = stood.began(job, 1) or 0, stood.began(job, STAGES) or 0
    time.sleep(0.03)
    return (first - said) / 1e6, (last - first) / 1e6 / (STAGES - 1)


def _approval(stood: Stood, job: str) -> float:
    stood.say(f"gated {job}")
    until(lambda: stood.began(job, 1), f"{job} to wait", 120)
    time.sleep(REST_SECONDS)
    said = stood.say(f"approve {job}")
    until(lambda: stood.began(job, STAGES), f"{job} to end", 120)
    return ((stood.began(job, 2) or 0) - said) / 1e6


def _both(sample: list[float]) -> str:
    return f"{quantile(sample, 0.5):.1f} / {quantile(sample, 0.99):.1f}"


def _tell(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
