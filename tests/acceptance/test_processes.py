"""Stages that run out of memory or look into environments, and a daemon that is stopped for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.history import STAGE
from tests.studio import QUICK, Studio
from tests.support import wait_for
from tests.vitals import keeper_of

LIMIT_MIB = 192


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group with little memory; the daemon and its stages go into it."""
    old, new = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    group = (old if old.is_dir() else new) / f"spork-test-{os.getpid()}"
    try:
        group.mkdir()
        limit = group / ("memory.limit_in_bytes" if old.is_dir() else "memory.max")
        limit.write_text(str(LIMIT_MIB << 20))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no memory control group can be made here (root and cgroup v1 or v2): {error}")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text(), "the group to be empty")
    group.rmdir()


GREEDY = """\
name: greedy
stages:
  - {name: eat, run: "./greedy.py:run"}
"""
CHILD = """\
name: child
stages:
  - {name: eat, command: [sh, -c, 'tail /dev/zero; exit $?']}
"""
"""tail keeps a line in memory until its end, and this one has none."""
EAT = """\
def run(context):
    held = [bytes([1]) * (1 << 20) for _ in range(1 << 14)]
    print(len(held))
"""


@pytest.mark.fault(110, 111)
def test_out_of_memory_ends_the_stage_and_is_told_and_the_daemon_lives(
    memory_group: Path, studio: Studio
) -> None:
    """The kernel kills the stage, or its child, first; it has failed and says why, and other work goes on."""
    studio.pipeline("greedy", GREEDY, greedy=EAT)
    into = ["sh", "-c", f'echo $$ > {memory_group}/cgroup.procs && exec "$@"', "sh"]
    process = studio.start(before=into)
    studio.submit("g-1", "greedy")
    error = studio.wait("g-1", "failed", "stage_failed")["error"]
    assert "killed by SIGKILL (out of memory)" in error["message"]
    assert killed_by_the_kernel(memory_group) == 1
    studio.pipeline("child", CHILD)
    studio.submit("c-1", "child")
    error = studio.wait("c-1", "failed", "stage_failed")["error"]
    assert "exit code 137" in error["message"]
    assert "the kernel killed 1 of its processes, out of memory" in error["hint"]
    studio.submit("n-1", "note")
    studio.wait("n-1", "needs_approval")
    assert process.poll() is None
    assert studio.stop() == 0


def killed_by_the_kernel(group: Path) -> int:
    """How many processes the kernel has killed there for want of memory."""
    for name in ("memory.events", "memory.oom_control"):
        if (group / name).exists():
            counts = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(counts["oom_kill"])
    return 0


MOVED = """
import os, sys
from pathlib import Path
from daemon.processes import oom_kills

for group in map(Path, sys.argv[1:]):
    (group / "cgroup.procs").write_text(str(os.getpid()))
    counted = oom_kills()
os.rmdir(sys.argv[1])
print(counted, oom_kills())
"""


def test_a_process_that_is_moved_counts_nothing_wrong(memory_group: Path) -> None:
    """Its first group is asked on, also once that is gone: what is counted there can only be less."""
    left = memory_group / "left"
    left.mkdir()
    said = subprocess.check_output([sys.executable, "-c", MOVED, left, memory_group], text=True)
    assert said.split() == ["0", "0"]


SCORES = """\
name: scores
stages:
  - {name: command, command: [sh, -c, 'cat /proc/self/oom_score_adj > command.txt'], outputs: [command.txt]}
"""


@pytest.mark.fault(111)
def test_the_kernel_takes_stages_before_the_daemon(studio: Studio) -> None:
    """Whatever starts it and with which score: a stage is the likelier victim."""
    studio.pipeline("scores", SCORES)
    process = studio.start()
    studio.submit("s-1", "scores")
    studio.wait("s-1", "completed")
    stage = int((studio.run("s-1") / "command.txt").read_text())
    keeper = wait_for(lambda: keeper_of(process.pid), "the keeper")
    for pid in (process.pid, keeper):
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) < stage


LOOKS = """\
name: looks
stages:
  - {name: function, run: "./looks.py:run", outputs: [seen.txt]}
  - name: command
    command: [sh, -c, 'env > environ.txt; tr "\\0" "\\n" < /proc/$PPID/environ > parent.txt']
    env: [LET_THROUGH, GIT_SSH_COMMAND]
    outputs: [environ.txt, parent.txt]
"""
LOOK = """\
import os

def run(context):
    seen = [os.environb, *(open(f"/proc/{pid}/environ", "rb").read() for pid in ("self", os.getppid()))]
    (context.out_dir / "seen.txt").write_text("\\n".join(map(repr, seen)))
"""
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hush-1",
    "PYTHONSTARTUP": "hush-2",
    "GIT_DIR": "hush-3",
    "LD_LIBRARY_PATH": "hush-4",
    "SPORK_WORKSPACE": "hush-5",
    "NOTIFY_SOCKET": "hush-6",
}


@pytest.mark.fault(120)
def test_no_secret_of_the_daemon_reaches_a_stage_or_its_keeper(studio: Studio) -> None:
    """Neither function nor command inherits one, nor does the process above them hold one; what is named comes."""
    studio.pipeline("looks", LOOKS, looks=LOOK)
    studio.start(env={**SECRETS, "LET_THROUGH": "wanted-1", "GIT_SSH_COMMAND": "wanted-2"})
    studio.submit("l-1", "looks")
    studio.wait("l-1", "completed")
    seen = [(studio.run("l-1") / name).read_text() for name in ("seen.txt", "environ.txt", "parent.txt")]
    assert all("SPORK_KEEPER" in text for text in seen)
    assert not [text for text in seen if "hush-" in text]
    assert {"LET_THROUGH=wanted-1", "GIT_SSH_COMMAND=wanted-2"} <= set(seen[1].splitlines())
    assert "wanted" not in seen[0] + seen[2]
    assert not [line for line in seen[1].splitlines() if line.startswith(("PYTHON", "LD_"))]


SLEEPY = """\
name: sleepy
stages:
  - {name: first, run: "./sleepy.py:run", outputs: [first.txt]}
"""
SLEEP = """\
def work(context):
    while not os.path.exists(PLACE + ".go"):
        time.sleep(0.01)
    (context.out_dir / "first.txt").write_text("made")
"""


@pytest.mark.fault(117)
def test_a_daemon_that_was_stopped_and_goes_on_starts_nothing_twice(tmp_path: Path) -> None:
    """A stage that ends in time while the daemon is stopped has completed, though its limit is over by then."""
    studio = Studio(tmp_path / "studio", QUICK.replace("note}", "note, stage_timeouts: {first: 0.1}}"))
    place = tmp_path / "place"
    studio.pipeline("sleepy", SLEEPY, sleepy=STAGE.format(place=str(place)) + SLEEP)
    try:
        process = studio.start()
        studio.submit("s-1", "sleepy")
        witness = place.with_suffix(".witness")
        wait_for(lambda: witness.exists() and "start" in witness.read_text(), "the stage")
        began = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        try:
            place.with_suffix(".go").touch()
            wait_for(lambda: "end" in witness.read_text(), "the end of the stage")
            # It is there, and says so; no second one begins beside it.
            assert studio.spork("daemon", check=False).returncode == 75
            wait_for(lambda: time.monotonic() - began > 6.5, "the stage's limit to be over")
        finally:
            process.send_signal(signal.SIGCONT)
        studio.wait("s-1", "completed")
        assert witness.read_text().splitlines() == ["start s-1 first 1", "end s-1 first 1"]
    finally:
        studio.close()


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_copy_of_a_workspace_leaves_the_originals_stage_alone(
    studio: Studio, tmp_path: Path, rebuilt: bool
) -> None:
    """Its first start finds the mark that is also the original's, and takes one of its own; it says so, once. Also in
    one that was rebuilt before, as who restores a backup does.
    """
    copy = Studio(tmp_path / "copy", init_it=False)
    wait = 'while [ ! -e "$SPORK_RUN/go" ]; do sleep 0.05; done'
    studio.pipeline("slow", f"name: slow\nstages:\n  - {{name: wait, command: [sh, -c, '{wait}']}}\n")
    try:
        studio.start()
        studio.submit("s-1", "slow")
        studio.wait("s-1", "running")
        subprocess.run(["cp", "-a", studio.root, copy.root], check=True)
        copy.log.unlink()
        if rebuilt:
            copy.spork("rebuild")
        for told in (1, 1):
            copy.start()
            assert copy.log.read_bytes().count(b'"copied_workspace"') == told
            copy.stop()
        (studio.run("s-1") / "go").touch()
        assert studio.wait("s-1", "completed")["stages"][0]["attempts"] == 1
    finally:
        copy.close()
