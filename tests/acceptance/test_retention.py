"""Finished runs go when the policy says so; what is not over stays, and ids stay taken."""

from __future__ import annotations

import subprocess
import time

import pytest

from daemon.ground import PRUNE_BATCH
from tests.studio import QUICK, Studio
from tests.support import PATIENCE, wait_for


def test_the_daemon_removes_what_is_kept_no_longer(studio: Studio) -> None:
    """retention.runs_days, by the daemon itself; the waiting job keeps its directory."""
    (studio.root / "conf/operator.yaml").write_text(
        QUICK
        + "retention: {runs_days: 0.00001}\nwatch: {rescan_seconds: 1}\ngates: {draft: {required: false}}\n"
    )
    studio.submit("over")
    studio.start("--drain")
    assert studio.process is not None and studio.process.wait(timeout=60) == 0
    (studio.root / "conf/operator.yaml").write_text(
        QUICK + "retention: {runs_days: 0.00001}\nwatch: {rescan_seconds: 1}\n"
    )
    time.sleep(1.0)  # longer than runs are kept
    studio.submit("waiting")
    studio.start()
    studio.wait("waiting", "needs_approval")
    wait_for(lambda: not studio.run("over").exists(), "the finished run to be removed")
    assert studio.run("waiting").is_dir()
    assert "runs/over is gone" in (told := studio.spork("status", "over").stdout) and "note.md" not in told
    assert "runs/over is gone" in studio.spork("logs", "over", check=False).stderr
    studio.drop("again.yaml", "intent: other\nid: over\npipeline: note\n...\n")
    note = studio.root / "inbox/rejected/again.yaml.error.txt"
    wait_for(note.exists, "the refusal")
    assert "'over' is taken" in note.read_text()


def test_runs_that_cannot_be_removed_stand_in_no_others_way(studio: Studio) -> None:
    """More of them than are looked at together: the one behind them goes all the same, and each is told once."""
    studio.pipeline("short", "name: short\nstages:\n  - {name: make, command: [touch, made]}\n")
    names = [f"j-{number:02d}" for number in range(PRUNE_BATCH + 2)]
    for name in names:
        studio.submit(name, "short")
    studio.start("--drain")
    assert studio.process is not None and studio.process.wait(timeout=PATIENCE) == 0
    stuck = [str(studio.run(name)) for name in names[:-1]]
    if subprocess.run(["chattr", "+i", *stuck], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, cannot make a directory immutable")
    try:
        (studio.root / "conf/operator.yaml").write_text(
            QUICK + "retention: {runs_days: 0.00001}\nwatch: {rescan_seconds: 1}\n"
        )
        time.sleep(1.0)  # longer than runs are kept
        studio.start()
        wait_for(lambda: not studio.run(names[-1]).exists(), "the run behind them to be removed")
        assert all(studio.run(name).is_dir() for name in names[:-1])
        assert studio.log.read_text().count("prune_failed") == len(stuck)
    finally:
        subprocess.run(["chattr", "-i", *stuck], check=True)


def test_the_last_job_is_over_once_it_is_done(studio: Studio) -> None:
    """Where nothing follows it, a finished job can be pruned and is left out of a backup without a restart."""
    studio.pipeline("short", "name: short\nstages:\n  - {name: make, command: [touch, made]}\n")
    studio.start()
    studio.submit("last", "short")
    studio.wait("last", "completed")
    wait_for(
        lambda: studio.spork("prune", "--older-than", "0d", "--dry-run").stdout == "runs/last\n",
        "the finished job to be over",
    )
    assert "the runs of 0 jobs" in studio.spork("backup", str(studio.root / "kept.tar")).stderr
