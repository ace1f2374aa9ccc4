"""``python -m bench [growth | aged | floor | video | trace]``: a Markdown table on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import aged, floor, growth, measures, page, trace, video
from bench.fill import fill
from bench.measures import quantile
from bench.processes import cost
from bench.subjects import Daemon, Minimal, Subject, until
from daemon.model import Status

WHAT = ("daemon", "growth", "aged", "floor", "video", "trace")
RESCAN_SECONDS = 61.0
"""Once in so long the daemon looks everywhere: what that costs belongs to being idle."""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=WHAT, default="daemon")
    parser.add_argument("--rounds", type=int, default=4, help="how often the two take turns (4)")
    parser.add_argument("--jobs", type=int, default=25, help="jobs, and approvals, in each round (25)")
    parser.add_argument("--flood", type=int, default=1000, help="files dropped at once (1000)")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of idleness to look at (10)")
    parser.add_argument("--waiting", type=int, default=0, help="jobs made beforehand that wait at a gate")
    parser.add_argument("--finished", type=int, default=0, help="finished jobs made beforehand")
    parser.add_argument("--rest", action="store_true", help="also wait a minute for the spare to go")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[100, 10_000, 100_000],
        help="growth, aged: finished jobs before",
    )
    parser.add_argument("--root", type=Path, help="work here, and use what an earlier growth made; stays")
    parser.add_argument("--page", action="store_true", help="also put the table into the pages that show it")
    parser.add_argument("--keep", action="store_true", help="leave the workspaces, and say where")
    args = parser.parse_args()
    root = args.root or Path(tempfile.mkdtemp(prefix="spork-bench-"))
    try:
        made = _made(root, args)
        print(made)
        if args.page:
            _tell(f"put into {', '.join(page.put(args.what, made))}")
    finally:
        if args.keep or args.root:
            _tell(f"kept in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def _made(root: Path, args: argparse.Namespace) -> str:
    load = os.getloadavg()[0]
    match args.what:
        case "growth":
            made = growth.table(root, args.sizes, args.jobs)
        case "aged":
            made = aged.table(root, args.sizes)
        case "floor":
            made = floor.table(root, args.rounds, args.jobs)
        case "video":
            return video.table(root)
        case "trace":
            return trace.table(root, args.jobs)
        case _:
            return table(root, args)
    # The head after the table: it tells the load after the measurement as well.
    return "\n".join([*_head(load), made])


def table(root: Path, args: argparse.Namespace) -> str:
    """All rows of the daemon beside the reference."""
    reference, daemon = Minimal(root / "reference"), Daemon(root / "workspace")
    load = os.getloadavg()[0]
    have = daemon.counts()
    finished, waiting = have.get(Status.COMPLETED, 0), have.get(Status.NEEDS_APPROVAL, 0)
    if args.waiting > waiting or args.finished > finished:
        _tell(f"making {args.waiting - waiting} waiting and {args.finished - finished} finished jobs")
        fill(daemon.root, waiting=0, finished=args.finished - finished, first=finished)
        fill(daemon.root, waiting=args.waiting - waiting, finished=0, first=waiting)
    # Names that no earlier run in this root has used.
    args.tag = daemon.claimed()
    try:
        reference.start()
        first_start = daemon.start() * 1000
        daemon.wait_for_checkup()
        until_quiet(daemon)
        rows = [
            *_speed(reference, daemon, args),
            *_idle(daemon, args),
            *_flood(reference, daemon, args),
            *_commands(daemon, first_start),
        ]
    finally:
        reference.stop()
        daemon.stop()
    head = [*_head(load), "| | reference | daemon | ratio |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _head(load: float) -> list[str]:
    """When, with what and beside what this was measured."""
    command = page.command("bench")
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    loads = f"load average {load:.2f} before and {os.getloadavg()[0]:.2f} after"
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{command}`, {os.cpu_count()} cores, {versions}, {loads}",
        "",
    ]


QUIET_SECONDS = 0.005
"""On a processor in two seconds; less than looking at gates takes, more than looking at the clock."""

Row = tuple[str, str, str, str]


def _speed(reference: Minimal, daemon: Daemon, args: argparse.Namespace) -> list[Row]:
    stage: dict[str, list[float]] = {"reference": [], "daemon": []}
    reaction: dict[str, list[float]] = {"reference": [], "daemon": []}
    approval: dict[str, list[float]] = {"reference": [], "daemon": []}
    rate: dict[str, list[float]] = {"reference": [], "daemon": []}
    for turn in range(args.rounds):
        for subject in (reference, daemon):
            _tell(f"round {turn + 1} of {args.rounds}: {subject.name}")
            _warm(subject, f"{args.tag}-{turn}")
            for number in range(args.jobs):
                first, each = measures.one_job(subject, f"job-{args.tag}-{turn}-{number:04d}")
                reaction[subject.name].append(first)
                stage[subject.name].append(each)
            approval[subject.name] += [
                measures.approval(subject, f"ask-{args.tag}-{turn}-{number:04d}")
                for number in range(args.jobs)
            ]
            rate[subject.name].append(measures.throughput(subject, f"many-{args.tag}-{turn}", args.jobs))
    return [
        _pair("a stage, ms (median)", stage, 0.5),
        _pair("a stage, ms (p99)", stage, 0.99),
        _pair("stages a second, jobs in a row", rate, 0.5, digits=0),
        _pair("file to first line, ms (p50)", reaction, 0.5),
        _pair("file to first line, ms (p99)", reaction, 0.99),
        _pair("approval to next stage, ms (p50)", approval, 0.5),
        _pair("approval to next stage, ms (p99)", approval, 0.99),
    ]


def _warm(subject: Subject, turn: str) -> None:
    for number in range(2):
        measures.one_job(subject, f"warm-{turn}-{number}")


def _pair(what: str, samples: dict[str, list[float]], share: float, digits: int = 2) -> Row:
    one, other = (quantile(samples[name], share) for name in ("reference", "daemon"))
    return what, f"{one:.{digits}f}", f"{other:.{digits}f}", f"{other / one:.2f}"


def _idle(daemon: Daemon, args: argparse.Namespace) -> list[Row]:
    """With the spare, without it, and with as many waiting as a flood leaves."""
    before = f"{args.waiting:,} waiting, {args.finished:,} finished"
    rows = [_idle_row(f"idle, {before}, spare ready", daemon, args.idle)]
    if args.rest:
        _tell("a minute without work")
        until_rested(daemon)
        rows.append(_idle_row(f"idle, {before}, after a minute", daemon, RESCAN_SECONDS))
    daemon.stop()
    daemon.start()
    until_quiet(daemon)
    rows.append(_idle_row(f"idle, {before}, started anew", daemon, args.idle))
    return rows


def until_rested(daemon: Daemon) -> None:
    """Until the daemon is alone: its keeper and the spare are gone."""
    # It goes after a minute without work: on a busy machine the last work ends long after it was seen to.
    until(lambda: cost(daemon.pid).processes == 1, "the spare to go", 300)
    until_quiet(daemon)


def until_quiet(daemon: Daemon) -> None:
    """Until it has looked at the gates of all jobs that wait, as it does after a start and a flood, by and by."""
    _tell("until the daemon is quiet")

    def quiet() -> bool:
        before = cost(daemon.pid).cpu_seconds
        time.sleep(2)
        return cost(daemon.pid).cpu_seconds - before < QUIET_SECONDS

    until(quiet, "the daemon to be quiet", 600)


def _idle_row(what: str, daemon: Daemon, seconds: float) -> Row:
    _tell(what)
    percent, mib, processes = measures.idle(daemon, seconds)
    return (
        f"{what}, {seconds:.0f} s: % of a core, MiB (PSS)",
        "",
        f"{percent:.2f} %, {mib:.0f} MiB in {processes} processes",
        "",
    )


def _flood(reference: Minimal, daemon: Daemon, args: argparse.Namespace) -> list[Row]:
    _tell(f"{args.flood} files at once")
    one = measures.flood(reference, f"flood-{args.tag}", args.flood)
    other = measures.flood(daemon, f"flood-{args.tag}", args.flood)
    rows = [
        (
            f"{args.flood:,} files at once, claimed a second",
            f"{one:.0f}",
            f"{other:.0f}",
            f"{other / one:.2f}",
        )
    ]
    wanted = args.flood + args.waiting
    until(lambda: daemon.waiting() >= wanted, f"{wanted} jobs to wait", max(60.0, wanted / 10))
    if args.rest:
        until_rested(daemon)
    seconds = RESCAN_SECONDS if args.rest else args.idle
    rows.append(_idle_row(f"idle, {wanted:,} waiting", daemon, seconds))
    return rows


def _commands(daemon: Daemon, first_start: float) -> list[Row]:
    _tell("commands and restarts")
    python, status = [], []
    for _ in range(10):
        python.append(measures.cold(daemon.root, "-c", "pass"))
        status.append(measures.cold(daemon.root, "-m", "daemon", "status"))
    starts = [measures.restart(daemon) for _ in range(3)]
    jobs = f"{daemon.claimed():,} jobs"
    return [
        (
            f"`spork status`, {jobs}, ms (reference: `python -c pass`)",
            f"{median(python):.0f}",
            f"{median(status):.0f}",
            f"+{median(status) - median(python):.0f} ms",
        ),
        (f"restart until ready, {jobs}, ms", "", f"{median(starts):.0f} (the first: {first_start:.0f})", ""),
    ]


def _tell(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
