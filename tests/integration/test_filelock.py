"""What is relied on of the filelock that is installed, and of flock below it: pinned, for versions differ."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon.lane import DaemonLock
from tests.studio import Studio
from tests.support import wait_for

ROOT = Path(__file__).parents[2]
FORKS = """
import os, sys, time
from pathlib import Path
from daemon.lane import DaemonLock
DaemonLock(Path(sys.argv[1])).acquire()
child = os.fork()
if child == 0:
    time.sleep(600)
print(child, flush=True)
time.sleep(600)
"""


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def test_the_version_is_one_of_those_that_are_pinned_here() -> None:
    """A newer filelock has to pass these tests before it is allowed; 3.x frees and keeps other locks than 4.x."""
    assert version("filelock").split(".")[0] == "4"


@pytest.mark.fault(104)
def test_a_forked_child_does_not_keep_the_lock_of_a_killed_daemon(tmp_path: Path) -> None:
    """Free at once when the holder is killed, whatever it had forked: orphans are found by mark and lane instead."""
    path = tmp_path / "daemon.lock"
    with subprocess.Popen(
        [sys.executable, "-c", FORKS, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            holder.kill()
            holder.wait()
            os.kill(child, 0)
            lock = DaemonLock(path)
            lock.acquire()
            lock.release()
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.fault(105)
def test_a_lock_file_that_a_killed_holder_left_is_no_lock(tmp_path: Path) -> None:
    """The file alone means nothing, whatever stands in it: the lock died with its holder."""
    path = tmp_path / "daemon.lock"
    path.write_text(f'{{"pid": {os.getpid()}, "since": "2026-01-01T00:00:00Z"}}\n')
    lock = DaemonLock(path)
    lock.acquire()
    lock.release()
    assert path.exists()


@pytest.mark.fault(105, 106)
@needs("strace")
@pytest.mark.parametrize(("errno", "words"), [("ENOSYS", "flock"), ("ENOLCK", "No locks available")])
def test_where_flock_is_not_to_be_had_nothing_softer_takes_its_place(
    studio: Studio, errno: str, words: str
) -> None:
    """The daemon says so and does not start: a lock that is only a file would be stale after every kill -9."""
    inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject=flock:error={errno}"]
    assert studio.spawn(before=inject).wait(60) == 73
    told = studio.log.read_text()
    assert "daemon.lock: cannot be locked" in told
    assert words in told
    assert "Traceback" not in told


@pytest.mark.fault(106, 93)
@needs("sshfs")
@pytest.mark.skipif(not os.access("/dev/fuse", os.W_OK), reason="/dev/fuse cannot be opened")
@pytest.mark.skipif(not Path("/usr/lib/openssh/sftp-server").exists(), reason="sftp-server is not installed")
def test_locks_on_another_machines_file_system_are_refused(studio: Studio, tmp_path: Path) -> None:
    """jobs/ on sshfs: the daemon names the kind and what to do, and starts nothing."""
    far, jobs = tmp_path / "far", studio.root / "jobs"
    far.mkdir()
    # sshfs talks to the server that "ssh" starts; no network and no account are needed.
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n")
    ssh.chmod(0o755)
    mount = ["sshfs", "-o", f"ssh_command={ssh}", f"here:{far}", str(jobs)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"sshfs cannot mount here: {done.stderr.strip()}")
    try:
        wait_for(lambda: os.path.ismount(jobs), "the mount")
        assert studio.spawn().wait(60) == 73
    finally:
        subprocess.run(["fusermount3", "-u", str(jobs)], check=True)
    told = studio.log.read_text()
    assert "FUSE (sshfs)" in told
    assert "local file system" in told
    assert "Traceback" not in told
