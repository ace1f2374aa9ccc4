"""A writer opens a file in the instant in which the daemon holds its lease: the kernel sends SIGIO, and nobody dies."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.studio import Studio
from tests.support import wait_for

WORKS = """\
name: works
stages:
  - name: only
    command:
      - sh
      - -euc
      - |
        grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status > signals.txt
        until [ -e ../../../../go ]; do sleep 0.05; done
    outputs: [signals.txt]
"""


@pytest.mark.fault(151)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_daemon_and_its_stage_survive_it(studio: Studio, tmp_path: Path) -> None:
    """The lease is held for longer here: a writer comes, the signal comes, and everything goes on."""
    request = studio.root / "inbox/held.yaml"
    trace = tmp_path / "trace"
    studio.pipeline("works", WORKS)
    holding = f"strace -D -qq -o {trace} -P {request} -e trace=fcntl -e inject=fcntl:delay_exit=2s:when=1"
    process = studio.start(before=holding.split())
    studio.submit("w-1", "works")
    signals = studio.root / "runs/w-1/.work/01-only.1/signals.txt"
    wait_for(lambda: signals.exists() and signals.read_text().count("\n") == 3, "the stage to work")
    # No SIGIO blocked, ignored or caught in a stage: what the daemon does about it is not inherited.
    masks = [int(line.split()[1], 16) for line in signals.read_text().splitlines()]
    assert not any(mask >> (signal.SIGIO - 1) & 1 for mask in masks)

    studio.submit("held")
    wait_for(lambda: leased(request), "the daemon to hold the lease")
    subprocess.run(["sh", "-c", f": >> {request}"], check=True, timeout=60)
    studio.wait("held", "queued")
    assert "SIGIO" in trace.read_text(), "the lease was not broken"
    (studio.root / "go").touch()
    studio.wait("w-1", "completed")
    studio.wait("held", "needs_approval")
    assert process.poll() is None


def leased(path: Path) -> bool:
    """Whether /proc/locks shows a lease on the file."""
    inode = f":{path.stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any(" LEASE " in line and inode in line for line in locks)
