"""What is measured, each as one number or a sample of them. A stage tells itself when it began."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.processes import cost
from bench.reference import STAGES
from bench.subjects import Daemon, Subject, as_users_have_it, until


def quantile(sample: Sequence[float], share: float) -> float:
    """The smallest value that this share of the sample does not exceed."""
    return sorted(sample)[max(math.ceil(share * len(sample)), 1) - 1]


def one_job(subject: Subject, job: str) -> tuple[float, float]:
    """Milliseconds from the rename to the first line of the first stage, and a stage after that."""
    part = subject.prepare(job)
    dropped = time.monotonic_ns()
    part.rename(subject.root / "inbox" / f"{job}.yaml")
    until(lambda: subject.began(job, STAGES), f"{job} to end")
    first, last = subject.began(job, 1), subject.began(job, STAGES)
    assert first is not None
    assert last is not None
    time.sleep(0.03)
    return (first - dropped) / 1e6, (last - first) / 1e6 / (STAGES - 1)


def approval(subject: Subject, job: str) -> float:
    """Milliseconds from the rename of the answer to the first line of the next stage."""
    subject.prepare(job, kind="gated").rename(subject.root / "inbox" / f"{job}.yaml")
    subject.wait_for_gate(job)
    source, target = subject.approval(job)
    approved = time.monotonic_ns()
    source.rename(target)
    until(lambda: subject.began(job, STAGES), f"{job} to end")
    second = subject.began(job, 2)
    assert second is not None
    time.sleep(0.03)
    return (second - approved) / 1e6


def throughput(subject: Subject, prefix: str, jobs: int) -> float:
    """Stages a second, over jobs that lie there at once."""
    names = [f"{prefix}-{number:05d}" for number in range(jobs)]
    parts = [subject.prepare(name) for name in names]
    for name, part in zip(names, parts, strict=True):
        part.rename(subject.root / "inbox" / f"{name}.yaml")
    until(lambda: all(subject.began(name, STAGES) for name in reversed(names)), f"{jobs} jobs to end")
    began = [subject.began(name, stage) or 0 for name in names for stage in range(1, STAGES + 1)]
    time.sleep(0.05)
    return (len(began) - 1) / (max(began) - min(began)) * 1e9


def flood(subject: Subject, prefix: str, files: int) -> float:
    """Files claimed a second, from the first rename until the last left the inbox; each then meets a gate."""
    names = [f"{prefix}-{number:05d}" for number in range(files)]
    parts = [subject.prepare(name, kind="one") for name in names]
    inbox = subject.root / "inbox"
    began = time.monotonic()
    for name, part in zip(names, parts, strict=True):
        part.rename(inbox / f"{name}.yaml")
    last = inbox / f"{names[-1]}.yaml"
    # They are taken by name: to list ten thousand again and again would take a core from what is measured.
    # A busy machine takes a tenth of the rate, and is waited for.
    until(
        lambda: not (last.exists() or _any_left(inbox)), f"{files} files to be taken", max(60.0, files / 20)
    )
    return files / (time.monotonic() - began)


def _any_left(inbox: Path) -> bool:
    return any(name.endswith(".yaml") for name in os.listdir(inbox))


def idle(subject: Subject, seconds: float) -> tuple[float, float, int]:
    """Percent of one core, PSS in MiB and the number of its processes while nothing happens."""
    time.sleep(1.0)
    before, began = cost(subject.pid), time.monotonic()
    time.sleep(seconds)
    after = cost(subject.pid)
    return (
        (after.cpu_seconds - before.cpu_seconds) / (time.monotonic() - began) * 100,
        after.pss_mib,
        after.processes,
    )


def restart(daemon: Daemon) -> float:
    """Milliseconds from starting the daemon until it says that it is ready."""
    daemon.stop()
    return daemon.start() * 1000


def cold(workspace: Path, *command: str) -> float:
    """Milliseconds of a command that runs and ends."""
    environ = as_users_have_it()
    began = time.monotonic()
    subprocess.run(
        [sys.executable, *command], cwd=workspace, env=environ, stdout=subprocess.DEVNULL, check=True
    )
    return (time.monotonic() - began) * 1000
