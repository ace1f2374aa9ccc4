"""The daemon as a service: what it tells systemd and when, reloading, and people of its group who are not its user."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import QUICK, ROOT, Studio
from tests.support import wait_for

ONE = (
    "name: one\nstages:\n  - {name: only, command: [sh, -euc, 'echo done > done.txt'], outputs: [done.txt]}\n"
)


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard += self._socket.recv(4096).decode().splitlines()
        return self.heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_what_the_manager_is_told(studio: Studio, manager: Manager) -> None:
    """READY once the first scan is done, RELOADING and READY around a reload, STOPPING at the end, WATCHDOG between."""
    studio.pipeline("one", ONE)
    studio.submit("before", "one")
    studio.start(env={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "600000"})
    wait_for(lambda: "READY=1" in manager.listen(), "READY=1")
    assert not (studio.root / "inbox/before.yaml").exists(), "ready before the first scan"
    wait_for(lambda: manager.listen().count("WATCHDOG=1") > 3, "signs of life")
    assert studio.process is not None
    studio.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "RELOADING=1" in manager.listen() and manager.heard.count("READY=1") == 2, "the reload")
    assert any(line.startswith("MONOTONIC_USEC=") for line in manager.heard)
    assert studio.stop() == 0
    assert "STOPPING=1" in manager.listen()


def test_a_stuck_loop_is_not_alive(studio: Studio, manager: Manager) -> None:
    """WATCHDOG=1 comes from the loop that made progress, so a stopped one is silent."""
    studio.start(env={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"})
    wait_for(lambda: "WATCHDOG=1" in manager.listen(), "a sign of life")
    assert studio.process is not None
    studio.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    manager.listen()
    manager.heard.clear()
    time.sleep(1.0)
    assert manager.listen() == []
    studio.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "WATCHDOG=1" in manager.listen(), "a sign of life after it went on")


@pytest.mark.fault(98)
def test_not_ready_without_its_ground(studio: Studio, manager: Manager) -> None:
    """A database of a newer spork: it says so, is never ready, and exits non-zero."""
    import sqlite3

    studio.start()
    studio.stop()
    with contextlib.closing(sqlite3.connect(studio.root / "jobs/spork.db")) as db:
        db.execute("PRAGMA user_version=99")
    done = subprocess.run(
        studio.command("daemon"),
        env={**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(manager.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 73
    assert "schema version 99" in done.stderr and "Traceback" not in done.stderr
    assert "READY=1" not in manager.listen()


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
