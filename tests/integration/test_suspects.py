"""After a power cut finished jobs are seen to beside the work: all of them, each once, and noted when done."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bench.fill import fill
from bench.subjects import Daemon
from daemon.recovery import BOOT_ID
from daemon.store import Store
from daemon.suspects import AT_ONCE, Suspects
from tests.support import wait_for


def test_a_few_at_a_time_and_noted_once_all_are_done() -> None:
    """Who ends in between has noted nothing, and begins with the same ones again."""
    seen: list[str] = []
    noted: list[int] = []
    suspects = Suspects((str(n) for n in range(AT_ONCE + 3)), seen.append, lambda: noted.append(len(seen)))
    suspects.some()
    assert (len(seen), noted, bool(suspects)) == (AT_ONCE, [], True)
    suspects.some()
    assert seen == [str(n) for n in range(AT_ONCE + 3)]
    assert (noted, bool(suspects)) == ([AT_ONCE + 3], False)
    Suspects([], seen.append, lambda: noted.append(0))
    assert noted == [AT_ONCE + 3, 0]


def boot_of(db: Path, key: str) -> str:
    store = Store(db, read_only=True)
    try:
        return store.meta(key) or ""
    finally:
        store.close()


def test_copies_that_a_power_cut_took_come_back_once_the_daemon_is_ready(tmp_path: Path) -> None:
    """Half a state, no events, no request: finished jobs are whole again, and the boot is noted after that."""
    daemon = Daemon(tmp_path / "workspace")
    fill(daemon.root, waiting=1, finished=30)
    runs, db = daemon.root / "runs", daemon.root / "jobs/spork.db"
    whole = {path: path.read_bytes() for path in runs.glob("old-*/*.json*")}
    request = daemon.root / "jobs/old-000003.yaml"
    (runs / "old-000001/state.json").write_bytes(b"{")
    (runs / "old-000002/events.jsonl").write_bytes(b"")
    request.unlink()
    daemon.start()
    try:
        wait_for(lambda: boot_of(db, "boot") == BOOT_ID.read_text().strip(), "all suspects to be seen to")
    finally:
        daemon.stop()
    assert {path: path.read_bytes() for path in whole} == whole
    assert request.read_bytes().startswith(b"intent: measured")
    assert json.loads((runs / "asked-000000/state.json").read_text())["status"] == "needs_approval"
    assert boot_of(db, "suspects").partition(" ")[0] == BOOT_ID.read_text().strip()


@pytest.mark.fault(94)
def test_a_job_whose_request_reads_otherwise_stops_no_start(tmp_path: Path) -> None:
    """One that waits and one that is over: each is told, and all others are seen to after the power cut."""
    daemon = Daemon(tmp_path / "workspace")
    fill(daemon.root, waiting=2, finished=20)
    db = daemon.root / "jobs/spork.db"
    damaged = ("asked-000000", "old-000001")
    with sqlite3.connect(db) as connection:
        connection.executemany("UPDATE jobs SET request = x'00' WHERE id = ?", [(job,) for job in damaged])
    connection.close()
    state = daemon.root / "runs/old-000015/state.json"
    whole = state.read_bytes()
    state.write_bytes(b"{")
    daemon.start()
    try:
        wait_for(lambda: boot_of(db, "boot") == BOOT_ID.read_text().strip(), "all suspects to be seen to")
    finally:
        daemon.stop()
    assert state.read_bytes() == whole


def test_a_start_with_many_waiting_jobs_sees_answers_at_once_and_edits_by_and_by(tmp_path: Path) -> None:
    """The last of sixty jobs was answered and its neighbour edited while nobody ran: both count, the answer first."""
    daemon = Daemon(tmp_path / "workspace")
    fill(daemon.root, waiting=60, finished=0)
    answered, edited = (daemon.root / "runs" / name for name in ("asked-000059", "asked-000058"))
    (answered / "approve.yaml").write_text("by: alice\n...\n")
    (edited / "s1.txt").write_text("edited\n")
    daemon.start()
    try:
        wait_for(lambda: status(answered) == "completed", "the answer to count")
        wait_for(lambda: "edited" in (edited / "REVIEW.md").read_text(), "the edit to be shown")
    finally:
        daemon.stop()


def status(run: Path) -> str:
    return str(json.loads((run / "state.json").read_text())["status"])
