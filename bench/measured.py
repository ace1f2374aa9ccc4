"""Run a command and tell what it cost: seconds, CPU seconds and peak memory, its children included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import cost

LOOK_SECONDS = 0.25
"""Between two looks at the memory; a look costs about a millisecond for each process."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a command and everything it started used."""

    seconds: float
    cpu_seconds: float
    """User and system, of all processes that it waited for."""
    peak_mib: float
    """Of the sum of the proportional set sizes, as seen every quarter of a second."""
    output: str


def run(command: Sequence[str | Path], cwd: Path) -> Used:
    """Run it to its end; its stdout is kept, a failure raises with what it wrote to stderr."""
    began = time.monotonic()
    with subprocess.Popen(
        [str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        peak = 0.0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, cost(process.pid).pss_mib)
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output, errors = process.communicate()
    if process.returncode:
        print(errors, file=sys.stderr)
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    return Used(seconds, usage.ru_utime + usage.ru_stime, peak, output)
