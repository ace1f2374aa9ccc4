"""The daemon as a service: what it tells systemd and when, reloading, and people of its group who are not its user."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.studio import QUICK, ROOT, Studio
from tests.support import wait_for

ONE = (
    "name: one\nstages:\n  - {name: only, command: [sh, -euc, 'echo done > done.txt'], outputs: [done.txt]}\n"
)


WORKS = """\
name: works
stages:
  - name: only
    command: [sh, -euc, 'touch ../../../../working; until [ -e ../../../../go ]; do sleep 0.05; done; echo x > x.txt']
    outputs: [x.txt]
"""
"""A stage that says where it is, and works until it is told to end."""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []
        self.env = {"NOTIFY_SOCKET": str(path)}

    def watching(self, seconds: float) -> dict[str, str]:
        """The environment of a daemon that has to say so often that it lives."""
        return {**self.env, "WATCHDOG_USEC": str(int(seconds * 1e6))}

    def listen(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard += self._socket.recv(4096).decode().splitlines()
        return self.heard

    def wait_for(self, message: str, times: int = 1) -> None:
        wait_for(lambda: self.listen().count(message) >= times, f"{message}, {times} times")

    def wait_in_vain(self, message: str, seconds: float) -> None:
        """Nothing of the kind comes for so long; what came before is forgotten."""
        self.listen()
        self.heard.clear()
        end = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() > end, "the time to pass")
        assert message not in self.listen()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@contextlib.contextmanager
def held(studio: Studio) -> Iterator[None]:
    """Another program writes to the daemon's database: reading goes on, a commit waits."""
    with contextlib.closing(sqlite3.connect(studio.root / "jobs/spork.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


def asleep(pid: int) -> bool:
    """Whether the process waits for time to pass, as SQLite does before it asks again for a lock."""
    with contextlib.suppress(OSError):
        return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
    return False


@pytest.mark.fault(139)
@pytest.mark.parametrize("what", ["recovery", "first scan"])
def test_ready_comes_after(what: str, studio: Studio, manager: Manager) -> None:
    """While an interrupted attempt cannot be recorded, or a request not be taken, the daemon is not ready."""
    studio.pipeline("works", WORKS)
    studio.start()
    if what == "recovery":
        studio.submit("w-1", "works")
        wait_for((studio.root / "working").exists, "the stage to work")
        studio.kill()
    else:
        studio.stop()
        studio.submit("w-1", "works")
    with held(studio):
        process = studio.spawn(env=manager.env)
        wait_for(lambda: asleep(process.pid), "the daemon to wait for the database")
        assert "READY=1" not in manager.listen(), f"ready before {what}"
    manager.wait_for("READY=1")
    assert not (studio.root / "inbox/w-1.yaml").exists()
    if what == "recovery":
        assert "stage_interrupted" in (studio.root / "jobs/state.jsonl").read_text()
    (studio.root / "go").touch()
    studio.wait("w-1", "completed")


@pytest.mark.fault(139)
@needs_strace
def test_not_ready_while_the_inbox_cannot_be_read(studio: Studio, manager: Manager, tmp_path: Path) -> None:
    """The first three tries to look fail as on a sick disk: told, and ready after the fourth."""
    studio.submit("early")
    # The first look is recovery's own, for half-written files of ours: it has no news.
    # -D: the daemon itself is our child, and gets our signals.
    failing = f"strace -D -f -qq -o {tmp_path}/trace -P {studio.root}/inbox -e inject=getdents64:error=EIO:when=1..4"
    studio.start(before=failing.split(), env=manager.env)
    manager.wait_for("READY=1")
    events = [json.loads(line)["event"] for line in studio.log.read_text().splitlines()]
    assert "cannot_look" in events[: events.index("daemon_ready")]
    assert not (studio.root / "inbox/early.yaml").exists()


@pytest.mark.fault(139, 141)
def test_what_the_manager_is_told(studio: Studio, manager: Manager) -> None:
    """READY, then RELOADING with its time and READY again around each reload, also of a bad policy."""
    studio.start(env=manager.env)
    manager.wait_for("READY=1")
    assert studio.process is not None
    for policy, came_of_it in ((QUICK, "policy_reloaded"), ("gates: 3\n", "policy_refused")):
        manager.heard.clear()
        (studio.root / "conf/operator.yaml").write_text(policy)
        before = time.monotonic_ns() // 1000
        studio.process.send_signal(signal.SIGHUP)
        manager.wait_for("READY=1")
        reloading, when, ready = manager.heard
        assert (reloading, ready) == ("RELOADING=1", "READY=1")
        assert before <= int(when.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
        wait_for(partial(logged, studio, came_of_it), came_of_it)
    assert studio.stop() == 0
    assert "STOPPING=1" in manager.listen()


def logged(studio: Studio, event: str) -> bool:
    return f'"{event}"' in studio.log.read_text()


@pytest.mark.fault(139, 142)
def test_stopping_is_told_when_it_begins(studio: Studio, manager: Manager) -> None:
    """At SIGTERM, while the stage still has its grace; and the signs of life go on until the end."""
    (studio.root / "conf/operator.yaml").write_text(
        QUICK.replace("stop_grace_seconds: 1", "stop_grace_seconds: 600")
    )
    studio.pipeline("works", WORKS)
    studio.start(env=manager.watching(0.6))
    studio.submit("w-1", "works")
    wait_for((studio.root / "working").exists, "the stage to work")
    assert studio.process is not None
    studio.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert studio.process.poll() is None
    manager.heard.clear()
    manager.wait_for("WATCHDOG=1", 3)
    assert studio.state("w-1")["status"] == "running"
    (studio.root / "go").touch()
    assert studio.process.wait(60) == 0
    assert "stage_completed" in studio.types("w-1")


@pytest.mark.fault(140)
def test_a_stopped_daemon_is_not_alive(studio: Studio, manager: Manager) -> None:
    """Signs of life come while it has nothing to do, end with SIGSTOP, and come again after SIGCONT."""
    studio.start(env=manager.watching(0.3))
    manager.wait_for("WATCHDOG=1", 3)
    assert studio.process is not None
    studio.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: state_of(studio) == "T", "the daemon to be stopped")
    manager.wait_in_vain("WATCHDOG=1", 1.0)
    studio.process.send_signal(signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")


@pytest.mark.fault(140)
@needs_strace
def test_a_loop_that_is_stuck_in_its_scan_is_not_alive(
    studio: Studio, manager: Manager, tmp_path: Path
) -> None:
    """One call for the inbox does not return, as on a dead mount: whatever else runs, there is no sign of life."""
    studio.start(env=manager.watching(0.3))
    assert studio.process is not None
    pid = studio.process.pid
    # Only the loop's own thread is traced: another one would go on.
    stuck = f"strace -p {pid} -qq -o {tmp_path}/trace -P {studio.root}/inbox"
    stuck += " -e inject=getdents64:delay_enter=600s:when=1"
    with subprocess.Popen(stuck.split(), stderr=subprocess.PIPE) as tracer:
        try:
            wait_for(lambda: traced(pid) or tracer.poll() is not None, "the tracer")
            if tracer.poll() is not None and tracer.stderr is not None:
                pytest.skip(f"strace cannot attach: {tracer.stderr.read().decode().strip()}")
            studio.submit("late")
            wait_for(lambda: state_of(studio) == "t", "the loop to be stuck")
            manager.wait_in_vain("WATCHDOG=1", 1.0)
            assert (studio.root / "inbox/late.yaml").exists()
        finally:
            tracer.terminate()
    manager.wait_for("WATCHDOG=1")
    studio.wait("late", "needs_approval")


def traced(pid: int) -> bool:
    return "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text()


def state_of(studio: Studio) -> str:
    """One letter, as in ps: t is stopped by a tracer, T by a signal."""
    assert studio.process is not None
    return Path(f"/proc/{studio.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


RARELY = QUICK + "watch: {rescan_seconds: 3600}\n"


@pytest.mark.fault(140)
def test_a_sign_of_life_proves_the_database(studio: Studio, manager: Manager) -> None:
    """With the database gone it halts at the next beat, and does not go on saying that it lives until a scan is due."""
    (studio.root / "conf/operator.yaml").write_text(RARELY)
    process = studio.start(env=manager.watching(0.6))
    manager.wait_for("WATCHDOG=1")
    (studio.root / "jobs/spork.db").rename(studio.root / "jobs/elsewhere.db")
    assert process.wait(60) == 73
    assert "deleted or replaced under the daemon" in studio.log.read_text()


@pytest.mark.fault(140)
def test_a_sign_of_life_proves_the_watcher(studio: Studio, manager: Manager) -> None:
    """A bell that no longer hears its own probe is made anew at the next beat, not when a scan is due."""
    (studio.root / "conf/operator.yaml").write_text(RARELY)
    studio.start(env=manager.watching(0.6))
    manager.wait_for("WATCHDOG=1")
    (studio.root / "jobs/.bell").rename(studio.root / "jobs/elsewhere")
    wait_for(lambda: logged(studio, "watcher_deaf"), "the deaf bell to be noticed")
    manager.heard.clear()
    manager.wait_for("WATCHDOG=1", 3)
    assert studio.log.read_text().count('"watcher_deaf"') == 1


@pytest.mark.fault(98, 139)
@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [("newer", 73, "schema version 99"), ("damaged", 73, "spork rebuild"), ("locked", 75, "already")],
)
def test_not_ready_without_its_ground(
    wrong: str, code: int, says: str, studio: Studio, manager: Manager
) -> None:
    """A newer spork's database, a damaged one, another daemon here: it says so, is never ready, exits non-zero."""
    studio.start()
    if wrong != "locked":
        studio.stop()
        spoil(studio.root / "jobs/spork.db", wrong)
    done = subprocess.run(
        studio.command("daemon"),
        env={**os.environ, "PYTHONPATH": str(ROOT), **manager.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr
    assert "READY=1" not in manager.listen()


def spoil(database: Path, how: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if how == "newer":
            db.execute("PRAGMA user_version=99")
    if how == "damaged":
        with database.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 20_000)


@pytest.mark.fault(143)
def test_a_bad_policy_stops_the_start_and_not_a_reload(studio: Studio) -> None:
    """At start: exit 78 with the line. On reload the old policy stays and the log says why."""
    studio.start()
    (studio.root / "conf/operator.yaml").write_text("gates:\n  script: {requird: true}\n")
    assert studio.process is not None
    studio.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "policy_refused" in studio.log.read_text(), "the refusal in the log")
    assert "operator.yaml:2" in studio.log.read_text()
    studio.pipeline("one", ONE)
    studio.submit("still", "one")
    studio.wait("still", "completed")
    studio.stop()
    done = studio.spork("daemon", check=False)
    assert done.returncode == 78
    assert "operator.yaml:2" in done.stderr and "required" in done.stderr
    checked = studio.spork("check", str(studio.root / "conf/operator.yaml"), check=False)
    assert (checked.returncode, "operator.yaml:2:" in checked.stdout) == (65, True)


@pytest.mark.parametrize(
    ("policy", "says"),
    [("group: nobody_has_this_group\n", "no group"), ("lane: {path: nowhere/lane.lock}\n", "nowhere")],
)
def test_a_policy_that_cannot_be_kept_is_refused_at_once(studio: Studio, policy: str, says: str) -> None:
    """On reload the old one stays, and the next start would say the same, with the line."""
    studio.start()
    (studio.root / "conf/operator.yaml").write_text(QUICK + policy)
    assert studio.process is not None
    studio.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "policy_refused" in studio.log.read_text(), "the refusal in the log")
    studio.stop()
    done = studio.spork("daemon", check=False)
    assert done.returncode == 78
    assert says in done.stderr
    assert "operator.yaml:5" in done.stderr


def test_a_reload_applies_to_gates_that_open_later(studio: Studio) -> None:
    """The open gate keeps its terms; the next one has the new."""
    studio.start()
    studio.submit("first")
    studio.wait("first", "needs_approval")
    (studio.root / "conf/operator.yaml").write_text(QUICK + "gates: {draft: {required: false}}\n")
    studio.spork("reload")
    wait_for(lambda: "policy_reloaded" in (studio.root / "jobs/state.jsonl").read_text(), "the reload")
    studio.submit("second")
    studio.wait("second", "completed")
    assert studio.state("first")["status"] == "needs_approval"


@pytest.mark.two_users
@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as two users")
def test_somebody_of_the_group_can_drop_edit_and_approve(studio: Studio, tmp_path: Path) -> None:
    """The daemon runs as one user, a person of its group as another; both directions work."""
    daemon_uid, person_uid, group = 61001, 61002, 61003
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    for path in (studio.root, *studio.root.rglob("*")):
        os.chown(path, daemon_uid, group)
    for name, mode in (("inbox", 0o2770), ("inbox/rejected", 0o2770), ("runs", 0o2770), ("jobs", 0o2750)):
        (studio.root / name).chmod(mode)

    def as_person(script: str) -> None:
        argv = ["setpriv", f"--reuid={person_uid}", "--regid=65534", f"--groups={group}", "sh", "-euc"]
        done = subprocess.run([*argv, f"umask 0002; {script}"], cwd=studio.root, timeout=60, check=False)
        assert done.returncode == 0, script

    with daemon_of(studio, daemon_uid, group):
        request = "intent: hello\\nid: mine\\npipeline: note\\n...\\n"
        as_person(f"printf '{request}' > inbox/mine.yaml")
        studio.wait("mine", "needs_approval")
        run = studio.run("mine")
        as_person(f"echo edited >> {run}/note.txt")
        wait_for(lambda: "artifact_edited" in studio.types("mine"), "the edit to be recorded")
        studio.wait_for_review("mine", "+edited")
        as_person(f"cat {run}/REVIEW.md && mv {run}/approve.template.yaml {run}/approve.yaml")
        state = studio.wait("mine", "completed")
        assert "edited" in (run / "published/note.txt").read_text()
        # What somebody renames stays its maker's: the template is the daemon's own, so it proves nothing.
        assert state["decided"][0]["by"] == str(daemon_uid)


@contextlib.contextmanager
def daemon_of(studio: Studio, uid: int, group: int) -> Iterator[None]:
    """The daemon, running as another user than this test."""
    become = ["setpriv", f"--reuid={uid}", f"--regid={group}", "--clear-groups"]
    if any(path.is_relative_to("/root") for path in (Path(sys.executable).resolve(), ROOT)):
        # The interpreter or the code is out of others' reach here; may it be read, and nothing more be written.
        become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    studio.start(before=become)
    try:
        yield
    finally:
        studio.stop()
