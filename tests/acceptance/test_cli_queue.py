"""`spork status` says what a queued job waits for: another job, another workspace, a daemon, room."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studio import QUICK, Studio
from tests.support import wait_for

SLOW = """\
name: slow
stages:
  - name: wait
    command: [sh, -euc, 'while ! [ -e {run}/../../go ]; do sleep 0.05; done; echo 1 > 1.txt']
    outputs: [1.txt]
"""


def slow(studio: Studio) -> Studio:
    studio.pipeline("slow", SLOW)
    studio.start()
    return studio


@pytest.fixture
def queue(studio: Studio) -> Iterator[Studio]:
    """A live daemon with a-1 running, then b-1 and the urgent c-1 in the queue."""
    slow(studio).submit("a-1", "slow")
    studio.wait("a-1", "running")
    studio.submit("b-1", "slow")
    studio.wait("b-1", "queued")
    studio.submit("c-1", "slow", priority="urgent")
    studio.wait("c-1", "queued")
    yield studio
    (studio.root / "go").touch()


def told(studio: Studio, job_id: str) -> dict[str, Any]:
    """What status says of one job's turn: in the list and in its detail alike, for people and for programs."""
    listed = json.loads(studio.spork("status", "--json").stdout)["jobs"]
    turn: dict[str, Any] = next(job["queue"] for job in listed if job["id"] == job_id)
    assert json.loads(studio.spork("status", job_id, "--json").stdout)["queue"] == turn
    assert f"\nQueued: {turn['why']}.\n" in studio.spork("status", job_id).stdout
    row = next(row for row in studio.spork("status").stdout.splitlines() if row.startswith(job_id))
    assert row.endswith(f"  {turn['why']}"), row
    return turn


def test_behind_whom_a_job_is(queue: Studio) -> None:
    """The one that comes just before it, by priority and age; a job that runs waits for none."""
    assert told(queue, "b-1") == {"behind": "c-1", "why": "behind c-1"}
    assert told(queue, "c-1") == {"behind": "a-1", "why": "behind a-1, which has the lane"}
    jobs = json.loads(queue.spork("status", "--json").stdout)["jobs"]
    assert [job["queue"] for job in jobs if job["id"] == "a-1"] == [None]
    assert "Queued:" not in queue.spork("status", "a-1").stdout


def test_what_holds_up_the_whole_queue(queue: Studio) -> None:
    """No room, no daemon, or one that was started for something else: said of each job, with who is before it."""
    policy = queue.root / "conf/operator.yaml"
    policy.write_text(QUICK.replace("min_free_mib: 1\n", "min_free_mib: 999999999\n"))
    assert told(queue, "b-1") == {"behind": "c-1", "why": "no room on the disk"}
    policy.write_text(QUICK)
    queue.stop()
    # What was cut off is queued again, at its old place.
    assert told(queue, "b-1") == {"behind": "a-1", "why": "no daemon runs"}
    assert told(queue, "a-1") == {"behind": "c-1", "why": "no daemon runs"}
    queue.start("--only", "c-1")
    queue.wait("c-1", "running")
    assert told(queue, "b-1") == {"behind": "a-1", "why": "the daemon works only on c-1"}


def test_the_lane_of_another_workspace(tmp_path: Path) -> None:
    """Where workspaces share a lane, the first in the queue may wait for a daemon elsewhere."""
    policy = QUICK + f"lane: {{path: {tmp_path / 'lane.lock'}}}\n"
    first, second = Studio(tmp_path / "first", policy), Studio(tmp_path / "second", policy)
    try:
        slow(first).submit("a-1", "slow")
        first.wait("a-1", "running")
        slow(second).submit("b-1", "slow")
        second.wait("b-1", "queued")
        assert first.process is not None
        why = f"the lane is held by another workspace's daemon (pid {first.process.pid})"
        assert told(second, "b-1") == {"behind": None, "why": why}
    finally:
        for studio in (first, second):
            (studio.root / "go").touch()
            studio.close()


def test_who_canceled_a_job_and_why(gated: Studio) -> None:
    """The notes of who rejected or canceled stand where somebody looks for what became of the job."""
    gated.spork("reject", "g-1", "--by", "alice", "--notes", "too long", "--wait")
    assert "Paused (rejected by alice): too long  then: " in gated.spork("status", "g-1").stdout
    gated.spork("cancel", "g-1", "--by", "bob", "--notes", "no longer\nneeded", "--wait")
    wait_for(lambda: gated.state("g-1")["status"] == "canceled", "it to be canceled")
    assert "\ncanceled by bob: no longer needed  (" in gated.spork("status", "g-1").stdout


def test_notes_that_a_failed_attempt_was_made_with(studio: Studio) -> None:
    """Who looks at a failure after a rejection sees what was asked for."""
    command = 'printf x > a.txt; [ "$SPORK_ATTEMPT" = 1 ]'
    studio.pipeline(
        "frail",
        f"name: frail\nstages:\n- {{name: draft, command: [sh, -euc, {json.dumps(command)}], gate: true,"
        " outputs: [a.txt]}\n",
    )
    studio.start()
    studio.submit("f-1", "frail")
    studio.wait("f-1", "needs_approval")
    studio.spork("reject", "f-1", "--notes", "shorter", "--then", "retry", "--wait")
    studio.wait("f-1", "failed")
    assert "\n  made with the notes: shorter\n" in studio.spork("status", "f-1").stdout


def test_the_daemon_lock_says_which_lane_it_waits_for(studio: Studio) -> None:
    """Whoever looks need not read the policy, which takes longer than all the rest of a status."""
    process = studio.start()
    said = json.loads((studio.root / "jobs/daemon.lock").read_text())
    assert (said["pid"], said["lane"]) == (process.pid, os.fspath(studio.root / "jobs/lane.lock"))
