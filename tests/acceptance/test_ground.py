"""What the daemon stands on, taken away or held by others: it stops loudly or waits, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psutil
import pytest

from daemon import database
from daemon.errors import Halt
from daemon.service import render
from daemon.store import Store
from tests.fusemount import needs_sshfs, sshfs
from tests.studio import GATED, QUICK, ROOT, Studio
from tests.support import wait_for

IMPATIENT = """
import sys
import daemon.database
daemon.database.BUSY_SECONDS = float(sys.argv.pop(1))
from daemon.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The daemon, but SQLite says sooner that it is busy."""

ASLEEP = """\
name: asleep
stages:
  - name: only
    command: [sh, -euc, 'while [ ! -e "$SPORK_RUN/go" ]; do sleep 0.1; done; echo made > made.txt']
    outputs: [made.txt]
"""


@pytest.fixture
def quick(studio: Studio) -> Studio:
    """A full look every second."""
    (studio.root / "conf/operator.yaml").write_text(QUICK + "watch: {rescan_seconds: 1}\n")
    return studio


@pytest.mark.fault(91)
@pytest.mark.parametrize("what", ["jobs", "runs", "."])
@pytest.mark.parametrize("how", ["deleted", "moved away"])
def test_a_folder_is_pulled_away(quick: Studio, tmp_path: Path, what: str, how: str) -> None:
    """jobs/, runs/ or the whole workspace, while the daemon works: 73, and the log's last line says which."""
    quick.log = tmp_path / "daemon.log"
    process = quick.start()
    target = quick.root / what
    if how == "deleted":
        shutil.rmtree(target)
    else:
        target.rename(tmp_path / "elsewhere")
        if what != ".":
            target.mkdir(mode=0o2770)
    assert process.wait(60) == 73
    last = quick.log.read_text().splitlines()[-1]
    assert str(quick.root) in last
    assert "Traceback" not in quick.log.read_text()


def impatient(studio: Studio, seconds: float) -> subprocess.Popen[bytes]:
    """Start the daemon so that it waits only so long for another process's transaction."""
    command = [sys.executable, "-c", IMPATIENT, str(seconds), *studio.command("daemon")[3:]]
    with studio.log.open("ab") as log:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        studio.process = subprocess.Popen(command, cwd=studio.root, env=env, stdout=log, stderr=log)
    wait_for(lambda: b"daemon_ready" in studio.log.read_bytes(), "the daemon to be ready")
    return studio.process


@contextlib.contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's write transaction, open for the time of the block."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()


@pytest.mark.fault(96)
def test_a_database_that_another_process_holds_is_waited_for(studio: Studio) -> None:
    """Longer than the busy timeout: it says so, goes on waiting, and then records all that came meanwhile."""
    studio.pipeline("gated", GATED)
    studio.pipeline("asleep", ASLEEP)
    impatient(studio, 2.0)
    for job_id in ("g-1", "g-2"):
        studio.submit(job_id, "gated")
        studio.wait(job_id, "needs_approval")
    studio.submit("long-1", "asleep")
    studio.wait("long-1", "running")
    with writing(studio.root / "jobs/spork.db"):
        studio.answer("g-1", "approve")
        studio.submit("g-3", "gated")
        wait_for(lambda: b"database_busy" in studio.log.read_bytes(), "the message")
        assert studio.spork("status", "g-1").returncode == 0, "reading is not held up"
        assert (studio.run("g-1") / "approve.yaml").exists()
    (studio.run("long-1") / "go").touch()
    assert studio.wait("long-1", "completed")["stages"][0]["attempts"] == 1
    studio.wait("g-1", "completed")
    studio.wait("g-3", "needs_approval")
    assert studio.types("g-1").count("gate_approved") == 1


@pytest.mark.fault(96)
def test_a_database_that_is_never_let_go_stops_the_daemon(studio: Studio) -> None:
    """73 with the reason; the answer lies there, and counts after the next start."""
    studio.pipeline("gated", GATED)
    process = impatient(studio, 0.2)
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    with writing(studio.root / "jobs/spork.db"):
        studio.answer("g-1", "approve")
        assert process.wait(60) == 73
    log = studio.log.read_text()
    assert log.count("database_busy") == 2
    assert "database is locked" in log.splitlines()[-1] and "Traceback" not in log
    assert (studio.run("g-1") / "approve.yaml").exists()
    studio.start()
    studio.wait("g-1", "completed")


@pytest.mark.fault(96, 99)
def test_what_could_not_be_recorded_has_not_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction of ours stays open behind an error, nor does one begin by itself."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    store = Store(tmp_path / "spork.db")
    store.set_meta("colour", "red")
    with writing(store.path), pytest.raises(Halt, match="locked"):
        store.set_meta("colour", "green")
    assert not store._db.in_transaction
    assert store._db.isolation_level is None
    assert store.meta("colour") == "red"
    store.set_meta("colour", "blue")
    store.close()


@pytest.mark.fault(99)
def test_no_connection_has_implicit_transactions() -> None:
    """Each connect() of ours says isolation_level=None: Python begins and commits nothing by itself."""
    for path in (ROOT / "daemon").rglob("*.py"):
        for call in re.findall(r"sqlite3\.connect\((.*)\)", path.read_text()):
            assert "isolation_level=None" in call, f"{path.name}: {call}"


@pytest.mark.fault(97)
def test_no_child_has_the_database_open(studio: Studio) -> None:
    """Neither the keeper nor the stage: they are new programs, and what the daemon has open is not handed on."""
    studio.pipeline("asleep", ASLEEP)
    process = studio.start()
    studio.submit("long-1", "asleep")
    studio.wait("long-1", "running")

    def children() -> list[psutil.Process]:
        found = psutil.Process(process.pid).children(recursive=True)
        return found if any(child.name() in ("sh", "sleep") for child in found) else []

    found = wait_for(children, "the stage")
    assert len(found) >= 2
    for child in found:
        # A sleep of the stage's may be over by now.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            name = child.name()
            for number in os.listdir(f"/proc/{child.pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    target = os.readlink(f"/proc/{child.pid}/fd/{number}")
                    assert "spork.db" not in target, f"{name} has {target} open"
            assert "spork.db" not in Path(f"/proc/{child.pid}/maps").read_text()
    (studio.run("long-1") / "go").touch()
    studio.wait("long-1", "completed")


@pytest.mark.fault(93)
@needs_sshfs
def test_a_network_below_jobs_stops_the_start(studio: Studio, tmp_path: Path) -> None:
    """73 with the kind of file system; inbox/ and runs/ may lie there, and are polled."""
    for name in ("jobs", "inbox", "runs"):
        shutil.copytree(studio.root / name, tmp_path / f"far/{name}")
    with sshfs(tmp_path / "far/jobs", studio.root / "jobs"):
        done = studio.spork("daemon", check=False)
    assert done.returncode == 73
    assert "lies on FUSE" in done.stderr and "local file system" in done.stderr
    assert not (studio.root / "jobs/spork.db").exists()


@pytest.mark.fault(93)
@needs_sshfs
def test_a_network_below_the_lane_stops_the_start(studio: Studio, tmp_path: Path) -> None:
    """78 with the policy's line."""
    (tmp_path / "far").mkdir()
    (studio.root / "locks").mkdir()
    (studio.root / "conf/operator.yaml").write_text(QUICK + "lane: {path: locks/lane.lock}\n")
    with sshfs(tmp_path / "far", studio.root / "locks"):
        done = studio.spork("daemon", check=False)
    assert done.returncode == 78
    assert "operator.yaml:5" in done.stderr and "FUSE" in done.stderr


@pytest.mark.fault(143)
def test_a_wrong_policy_is_no_restart_loop(studio: Studio) -> None:
    """The daemon's exit code for it is the one after which the units do not start it again; `check` says the same."""
    policy = studio.root / "conf/operator.yaml"
    policy.write_text("gates: {draft: {requird: true}}\n")
    told = studio.spork("daemon", check=False)
    checked = studio.spork("check", str(policy), check=False)
    assert checked.returncode == 65
    assert "conf/operator.yaml:1" in told.stderr and "did you mean 'required'" in told.stderr
    assert "did you mean 'required'" in checked.stdout + checked.stderr
    kinds: tuple[Literal["system", "user"], ...] = ("system", "user")
    for kind in kinds:
        unit = render(kind, Path("/srv/studio"), Path("/opt/spork"), "spork", None)
        (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)
        assert str(told.returncode) in codes.split()
