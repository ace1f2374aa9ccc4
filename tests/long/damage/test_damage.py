"""Two hundred damaged databases are rebuilt to the same state; a hundred backups under load are sound and go on."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.rebuild import rebuild
from daemon.workspace import Workspace
from tests import backups
from tests.crashed import Crashed
from tests.damage import SAME, damage, killed_copy
from tests.history import entered
from tests.studio import Studio
from tests.worked import copy_of, told

DAMAGES = 200
BACKUPS = 100
RESTORED = 5


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, history: Path) -> Path:
    return killed_copy(history, tmp_path_factory.mktemp("killed") / "studio")


@pytest.fixture
def crashed(tmp_path: Path) -> Iterator[Crashed]:
    made = Crashed(tmp_path / "studio")
    yield made
    made.close()


@pytest.mark.fault(94)
def test_damaged_databases(killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs, events, artifacts, attempts and decisions as before; every tenth is tried with a daemon, and worked on."""
    shutil.copytree(killed / "jobs", tmp_path / "beside/jobs")
    before = told(tmp_path / "beside")
    done: Counter[str] = Counter()
    unseen = one_failed = 0
    for seed in range(DAMAGES):
        root = tmp_path / f"w{seed}"
        copy_of(killed, root)
        what = damage(root / "jobs/spork.db", seed)
        studio = Studio(root, init_it=False)
        if seed % 10 == 0:
            start = studio.spork("daemon", "--drain", check=False)
            assert start.returncode in (0, 1, 73), f"{seed} ({what}): {start.stderr}"
            if start.returncode == 0:
                # Nothing that SQLite sees; and the answer has counted by now.
                unseen += 1
                continue
            if start.returncode == 1:
                # Nothing that SQLite sees, but a job is not what was accepted: it alone failed, and can go on.
                assert "run: spork rebuild" in start.stderr, f"{seed} ({what}): {start.stderr}"
                rebuild(Workspace(root))
                resume_failed(studio)
                one_failed += 1
                continue
        rebuild(Workspace(root))
        after = told(root)
        assert {key: after[key] for key in SAME} == {key: before[key] for key in SAME}, f"{seed}: {what}"
        done[what] += 1
        if seed % 10 == 0:
            assert studio.spork("daemon", "--drain", check=False).returncode == 0
            assert studio.state("wait-1")["stage"] == "polish", "the answer that lay there counted"
            assert studio.state("late-1")["stage"] == "draft"
        shutil.rmtree(root)
    rebuilt = f"{sum(done.values())} rebuilt to the same state {dict(done)}"
    with capsys.disabled():
        print(
            f"\n{DAMAGES} damages: {rebuilt}, {unseen} that SQLite does not see worked on, "
            f"{one_failed} after one job had failed for it"
        )


def resume_failed(studio: Studio) -> None:
    """Whoever failed for what its database said of it goes on once that is rebuilt and it is told to."""
    failed = [
        run.name
        for run in (studio.root / "runs").iterdir()
        if studio.state(run.name).get("status") == "failed"
    ]
    assert failed, "a job that tells of it"
    for job in failed:
        studio.write(job, "resume.yaml", "by: bob\n...\n")
    assert studio.spork("daemon", "--drain", check=False).returncode == 0
    assert {studio.state(job)["status"] for job in failed} <= {"needs_approval", "completed"}


@pytest.mark.fault(92, 100)
def test_backups_under_load(crashed: Crashed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each opens, is sound and one moment of the history; some are restored and worked on to the end."""
    archives = backups.taken_under_load(crashed, tmp_path, BACKUPS)
    whole = entered(crashed.root)
    events = 0
    for number, archive in enumerate(archives):
        folder = tmp_path / archive.stem
        folder.mkdir()
        events += backups.check(archive, folder, whole)
        shutil.rmtree(folder)
        if number % (BACKUPS // RESTORED) == 0:
            restored = backups.new_place(tmp_path / f"restored-{number}")
            backups.restore(archive, restored.root, tmp_path / "nothing")
            try:
                backups.go_on(restored, crashed.asked)
            finally:
                restored.close()
                restored.remove()
    with capsys.disabled():
        print(f"\n{BACKUPS} backups of a history of {len(whole)} events, {RESTORED} restored and finished")
