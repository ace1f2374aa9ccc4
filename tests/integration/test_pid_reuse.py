"""A process id that changed hands: nobody else's process is signalled for a stage that is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

IN_A_NAMESPACE = """
import os, subprocess, sys
from daemon import strays

MARK = "SPORK_KEEPER=here:job-1:s:1"
way, guarded = sys.argv[1], sys.argv[2] == "guarded"

def process(*environ):
    return subprocess.Popen(["sleep", "600"], env=dict(e.split("=", 1) for e in environ))

def as_pid(pid):
    # The next process gets the id after this one.
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    other = process("HOME=/")
    assert other.pid == pid, (other.pid, pid)
    return other

stage = process(MARK)
while MARK.encode() not in open(f"/proc/{stage.pid}/environ", "rb").read():
    pass
stranger = None
pidfd_open = os.pidfd_open

def too_late(pid):
    # Between the look at its environment and the hold on its id the stage ends and a stranger gets its id.
    global stranger
    if stranger is None and pid == stage.pid:
        stage.kill()
        stage.wait()
        stranger = as_pid(pid)
    return pidfd_open(pid)

os.pidfd_open = too_late
if not guarded:
    # What would happen without asking again: the test can fail.
    end = strays._end
    strays._end = lambda pids, still: end(pids, lambda pid: True)
ended = strays.end_strays("here") if way == "strays" else strays.end_attempt("here", "job-1:s:1")
assert ended == 1 and stranger is not None
print("lives" if stranger.poll() is None else "killed")
stranger.kill()
"""


@pytest.mark.fault(107)
@pytest.mark.skipif(
    os.getuid() != 0, reason="a process id can be chosen by root only, in a name space of its own"
)
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize("way", ["strays", "attempt"])
@pytest.mark.parametrize(("guard", "fate"), [("guarded", "lives"), ("unguarded", "killed")])
def test_a_stranger_with_the_id_of_a_stage_that_ended_is_left_alone(way: str, guard: str, fate: str) -> None:
    """Its id is held by a pidfd before its mark is read again: the id alone decides nothing."""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", IN_A_NAMESPACE, way, guard],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare failed" in done.stderr:
        pytest.skip(f"no process name space can be made here: {done.stderr.strip()}")
    assert done.stdout == f"{fate}\n", done.stderr
