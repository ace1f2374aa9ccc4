"""Backups of a live workspace, restored by the words of the documentation; and old ones that are known as such."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import backups
from tests.crashed import APPROVE, Crashed, lead
from tests.history import entered


@pytest.fixture
def crashed(tmp_path: Path) -> Iterator[Crashed]:
    made = Crashed(tmp_path / "studio")
    yield made
    made.close()


@pytest.mark.fault(92)
def test_backups_under_load_are_restored_and_go_on(crashed: Crashed, tmp_path: Path) -> None:
    """Each is a moment of the history; one is restored as docs/cli.md says. `make damage` takes a hundred."""
    archives = backups.taken_under_load(crashed, tmp_path, 2)
    whole = entered(crashed.root)
    for archive in archives:
        folder = tmp_path / archive.stem
        folder.mkdir()
        backups.check(archive, folder, whole)
    restored = backups.new_place(tmp_path / "restored")
    backups.restore(archives[1], restored.root, crashed.root)
    try:
        backups.go_on(restored, crashed.asked)
    finally:
        restored.close()


def test_a_backup_replaces_nothing(crashed: Crashed, tmp_path: Path) -> None:
    """73, and the file that was there stays."""
    crashed.start()
    (tmp_path / "there.tar").write_text("mine")
    assert crashed.spork("backup", str(tmp_path / "there.tar"), check=False).returncode == 73
    assert (tmp_path / "there.tar").read_text() == "mine"
    assert crashed.spork("backup", str(tmp_path / "nowhere/b.tar"), check=False).returncode == 73
    assert [p.name for p in tmp_path.glob(".spork-*")] == []


def test_an_answer_that_was_refused_is_not_in_a_backup(crashed: Crashed, tmp_path: Path) -> None:
    """Its copy would be another file: an early approve.yaml would be taken for one that came after the gate."""
    crashed.start()
    crashed.ask("job-1", seconds=1)
    crashed.wait("job-1", "running")
    crashed.write("job-1", "approve.yaml", "by: eve\n...\n")
    crashed.wait("job-1", "needs_approval")
    backups.wait_caught_up(crashed, "job-1", "decision_refused")
    archive = tmp_path / "b.tar"
    crashed.spork("backup", str(archive))
    restored = backups.new_place(tmp_path / "restored")
    backups.restore(archive, restored.root, crashed.root)
    assert not (restored.run("job-1") / "approve.yaml").exists()
    assert (crashed.run("job-1") / "approve.yaml").exists()


@pytest.mark.fault(100)
@pytest.mark.parametrize("which", ["database", "jobs", "jobs without run copies"])
def test_an_old_backup_does_nothing_again(crashed: Crashed, tmp_path: Path, which: str) -> None:
    """What was decided and made since is known from the runs: the start is refused, a rebuild takes it in."""
    crashed.start()
    crashed.ask("job-1")
    crashed.wait("job-1", "needs_approval", stage="draft")
    archive = tmp_path / "b.tar"
    crashed.spork("backup", str(archive))
    crashed.step("job-1", APPROVE)
    crashed.wait("job-1", "needs_approval", stage="polish")
    lead(crashed, crashed.ask("job-2", "straight"), ())
    crashed.stop()
    if which == "database":
        for path in (crashed.root / "jobs").glob("spork.db*"):
            path.unlink()
        subprocess.run(["tar", "-xf", archive, "-C", crashed.root, "jobs/spork.db"], check=True)
    else:
        shutil.copy(crashed.root / "jobs/job-2.yaml", tmp_path)
        shutil.rmtree(crashed.root / "jobs")
        subprocess.run(["tar", "-xf", archive, "-C", crashed.root, "jobs"], check=True)
        shutil.copy(tmp_path / "job-2.yaml", crashed.root / "jobs")
    if which == "jobs without run copies":
        shutil.rmtree(crashed.run("job-2"))
        (crashed.run("job-1") / "events.jsonl").unlink()
    done = crashed.spork("daemon", check=False)
    assert done.returncode == 73
    assert "does not know event" in done.stderr and "again what was done" in done.stderr
    if which == "jobs without run copies":
        # Nothing can tell what happened; it stays refused until somebody has looked and taken state.json away.
        return
    crashed.spork("rebuild")
    crashed.start()
    lead(crashed, "job-1", APPROVE)
    assert crashed.types("job-1").count("stage_started") == 3
    assert crashed.state("job-2")["status"] == "completed"
    assert crashed.witness.read_text().count("start job-1 draft") == 1
