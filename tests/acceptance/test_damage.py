"""A database that is damaged, lost, old or another's: the daemon stops, and a rebuild gives the same state."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from daemon.errors import Halt
from daemon.generation import check
from daemon.rebuild import rebuild
from daemon.store import Store
from daemon.workspace import Workspace
from tests.damage import SAME, damage, killed_copy
from tests.studio import Studio
from tests.support import wait_for
from tests.worked import copy_of, finish, remove_database, told


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory, history: Path) -> Path:
    return killed_copy(history, tmp_path_factory.mktemp("killed") / "studio")


def before_damage(root: Path, beside: Path) -> dict[str, object]:
    """What the database says; read from a copy, since whoever opens it takes up its log."""
    shutil.copytree(root / "jobs", beside / "jobs")
    return told(beside)


@pytest.mark.fault(94)
@pytest.mark.parametrize("seed", range(5))
def test_a_rebuild_after_any_damage_gives_the_same_state(killed: Path, tmp_path: Path, seed: int) -> None:
    """Jobs, events, artifacts, attempts, decisions as before; `make damage` does two hundred."""
    root = tmp_path / "w"
    copy_of(killed, root)
    before = before_damage(root, tmp_path / "beside")
    what = damage(root / "jobs/spork.db", seed)
    rebuild(Workspace(root))
    after = told(root)
    assert {key: after[key] for key in SAME} == {key: before[key] for key in SAME}, what
    assert (root / "runs/wait-1/approve.yaml").exists(), "an answer that lay there"


@pytest.mark.fault(94)
def test_damage_stops_the_start_and_a_rebuild_lets_it_go_on(killed: Path, studio: Studio) -> None:
    """73, with the command that mends; then every job goes on where it was, ids stay taken, the answer counts."""
    studio.remove()
    copy_of(killed, studio.root)
    with closing(sqlite3.connect(studio.root / "jobs/spork.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database = studio.root / "jobs/spork.db"
    noise = random.Random(5).randbytes(20_000)
    database.write_bytes(database.read_bytes()[:5000] + noise + database.read_bytes()[25_000:])
    done = studio.spork("daemon", check=False)
    assert done.returncode == 73
    assert "spork rebuild" in done.stderr and "Traceback" not in done.stderr
    studio.spork("rebuild")
    finish(studio)
    studio.wait("wait-1", "needs_approval", stage="polish")
    assert studio.state("late-1")["status"] == "needs_approval"
    studio.drop("again.yaml", "intent: other\nid: gone-1\npipeline: gated\n...\n")
    wait_for((studio.root / "inbox/rejected/again.yaml.error.txt").exists, "the id to be refused")


@pytest.mark.fault(92)
def test_cp_of_the_database_alone_is_no_backup(killed: Path, tmp_path: Path) -> None:
    """What was recorded since is missing from the copy, and the daemon does not start with it."""
    studio = Studio(tmp_path / "w")
    studio.remove()
    copy_of(killed, studio.root)
    database = studio.root / "jobs/spork.db"
    shutil.copy(database, tmp_path / "copied.db")
    remove_database(studio)
    shutil.copy(tmp_path / "copied.db", database)
    done = studio.spork("daemon", check=False)
    assert done.returncode == 73
    assert "does not know event" in done.stderr and "spork rebuild" in done.stderr
    studio.spork("rebuild")
    assert "late-1" in {row[0] for row in told(studio.root)["jobs"]}


@pytest.mark.fault(91, 95)
def test_a_database_that_was_removed_is_not_begun_anew(worked: Studio) -> None:
    """The ledger and the runs tell of jobs that a new, empty one would not know."""
    remove_database(worked)
    done = worked.spork("daemon", check=False)
    assert done.returncode == 73
    assert "is missing, and there were jobs" in done.stderr and "spork rebuild" in done.stderr
    worked.spork("rebuild")
    finish(worked)


@pytest.mark.fault(95)
def test_another_workspaces_database_is_known(worked: Studio, tmp_path: Path) -> None:
    """Sound, and as long, but not the one that the ledger was copied from; a rebuild believes the ledger."""
    before = told(worked.root)
    other = Studio(tmp_path / "other")
    other.pipeline("gated", (worked.root / "conf/pipelines/gated.yaml").read_text())
    for number in range(12):
        other.submit(f"other-{number}", "gated")
    other.start("--drain")
    assert other.process is not None and other.process.wait(60) == 0
    remove_database(worked)
    shutil.copy(other.root / "jobs/spork.db", worked.root / "jobs/spork.db")
    done = worked.spork("daemon", check=False)
    assert done.returncode == 73
    assert "another workspace's" in done.stderr
    done = worked.spork("rebuild", check=False)
    assert done.returncode == 1 and "another history" in done.stderr
    assert {key: told(worked.root)[key] for key in SAME} == {key: before[key] for key in SAME}


@pytest.mark.fault(95)
def test_a_log_of_a_later_database_is_not_believed(worked: Studio, tmp_path: Path) -> None:
    """An old spork.db was put back while the -wal of the new one lay there: SQLite mixes them, the daemon stops."""
    database = worked.root / "jobs/spork.db"
    old = database.read_bytes()
    for job_id in ("wait-1", "back-1"):
        worked.start()
        worked.answer(job_id, "approve")
        worked.wait(job_id, "needs_approval", stage="polish")
        if job_id == "wait-1":
            worked.stop()
    wait_for(lambda: worked.types("back-1")[-1] == "gate_pause", "the copies")
    worked.kill()
    right = before_damage(worked.root, tmp_path / "beside")
    database.write_bytes(old)
    done = worked.spork("daemon", check=False)
    assert done.returncode == 73
    assert "spork rebuild" in done.stderr
    worked.spork("rebuild", check=False)
    assert told(worked.root)["jobs"] == right["jobs"]


@pytest.mark.fault(94)
def test_a_request_that_is_lost_is_told_once(worked: Studio) -> None:
    """With how to settle it: a rebuild after that has nothing to complain of."""
    remove_database(worked)
    (worked.root / "jobs/done-1.yaml").unlink()
    done = worked.spork("rebuild", check=False)
    assert done.returncode == 1
    assert "its request is lost" in done.stderr and "Put the file back" in done.stderr
    assert worked.spork("rebuild").stderr == ""


@pytest.mark.fault(95)
def test_a_closed_ledger_file_tells_an_older_database(worked: Studio) -> None:
    """Put back together with its own ledger, whose end it knows: what was closed since then knows more."""
    ledger = worked.root / "jobs/state.jsonl"
    check(Workspace(worked.root))
    newest = json.loads(ledger.read_text().splitlines()[-1])
    newest["seq"] += 1
    ledger.with_name(f"state-{newest['seq']:012}.jsonl").write_text(json.dumps(newest) + "\n")
    with pytest.raises(Halt, match=f"does not know event {newest['seq']} of jobs/state-0"):
        check(Workspace(worked.root))


@pytest.mark.fault(91)
def test_a_database_that_went_is_told_by_every_command(gated: Studio, tmp_path: Path) -> None:
    """None shows an empty workspace, keeps an empty backup or begins a new database; a rebuild brings all back."""
    gated.stop()
    before = gated.spork("status", "g-1", "--json").stdout
    for path in (gated.root / "jobs").glob("spork.db*"):
        path.unlink()
    backup = str(tmp_path / "kept.tar")
    for arguments in (["status"], ["approve", "g-1"], ["backup", backup], ["daemon"]):
        done = gated.spork(*arguments, check=False)
        assert done.returncode == 73, (arguments, done.stderr)
        assert "spork rebuild" in done.stderr
    assert not (gated.root / "jobs/spork.db").exists() and not Path(backup).exists()
    gated.spork("rebuild")
    assert gated.spork("status", "g-1", "--json").stdout == before


@pytest.mark.fault(100)
def test_no_backup_is_made_of_an_older_database(gated: Studio, tmp_path: Path) -> None:
    """It would keep the wrong one, and its runs would be taken for nobody's."""
    gated.stop()
    for path in (gated.root / "jobs").glob("spork.db*"):
        path.unlink()
    Store(gated.root / "jobs/spork.db").close()
    done = gated.spork("backup", str(tmp_path / "kept.tar"), check=False)
    assert done.returncode == 73 and "spork rebuild" in done.stderr
    assert not (tmp_path / "kept.tar").exists()


@pytest.mark.fault(94)
def test_a_flipped_bit_in_what_was_accepted(gated: Studio) -> None:
    """SQLite does not see it: a pipeline that reads otherwise is no other work: its job fails, no other does."""
    gated.stop()
    with closing(sqlite3.connect(gated.root / "jobs/spork.db")) as db:
        pipeline = bytearray(db.execute("SELECT pipeline FROM jobs").fetchone()[0])
        pipeline[13] ^= 0x80
        db.execute("UPDATE jobs SET pipeline = ?", (bytes(pipeline),))
        db.commit()
    gated.start()
    gated.answer("g-1", "approve")
    assert "spork rebuild" in gated.wait("g-1", "failed")["error"]["message"]
    gated.submit("g-2", "gated")
    gated.wait("g-2", "needs_approval")
    gated.stop()
    gated.spork("rebuild", check=False)
    gated.start()
    gated.write("g-1", "resume.yaml", "by: alice\n...\n")
    gated.wait("g-1", "completed")


@pytest.mark.fault(94)
def test_an_edited_pipeline_is_not_what_was_accepted(gated: Studio) -> None:
    """People may write to a run directory: a rebuild takes the pipeline by its sha256, and no other command runs."""
    gated.stop()
    pipeline = gated.run("g-1") / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("cat ", "echo edited "))
    gated.spork("rebuild")
    gated.start()
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")
    assert (gated.run("g-1") / "used.txt").read_text() == "onetwo"


@pytest.mark.fault(100)
def test_a_refused_answer_stays_refused_in_a_copy(gated: Studio, tmp_path: Path) -> None:
    """Its file has another inode there, and says no more than it did."""
    gated.write("g-1", "approve.yaml", "stage: use\nby: alice\n...\n")
    wait_for(lambda: "decision_refused" in gated.types("g-1"), "the refusal")
    gated.stop()
    copy = Studio(tmp_path / "copy")
    copy.remove()
    subprocess.run(["cp", "-a", gated.root, copy.root], check=True)
    with closing(sqlite3.connect(copy.root / "jobs/spork.db")) as db:
        assert db.execute("SELECT count(*) FROM decisions").fetchone()[0] == 1
    copy.start()
    copy.submit("n-1")
    copy.wait("n-1", "needs_approval")
    copy.stop()
    with closing(sqlite3.connect(copy.root / "jobs/spork.db")) as db:
        assert db.execute("SELECT count(*) FROM decisions").fetchone()[0] == 1
    assert copy.state("g-1")["status"] == "needs_approval"


@pytest.mark.fault(46, 94)
def test_what_lies_in_runs_and_is_no_run(gated: Studio, tmp_path: Path) -> None:
    """A line made to hurt, a link to another workspace's run: start, doctor, backup and rebuild pass them by."""
    gated.stop()
    stray = gated.run("stray")
    stray.mkdir()
    (stray / "events.jsonl").write_text("[" * 100_000 + "\n" + '{"seq": 1e999}\n')
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (outside / "events.jsonl").write_text(
        (gated.run("g-1") / "events.jsonl").read_text().replace("g-1", "far")
    )
    gated.run("far").symlink_to(outside)
    for arguments in (["doctor"], ["backup", str(tmp_path / "kept.tar")], ["rebuild"]):
        done = gated.spork(*arguments, check=False)
        assert "Traceback" not in done.stderr and done.returncode in (0, 1), done.stderr
    assert b"secret" not in (tmp_path / "kept.tar").read_bytes()
    gated.start()
    assert gated.spork("status", "far", check=False).returncode == 65


_SAID: tuple[tuple[str, object], ...] = (
    ("seq", 1e30),
    ("seq", 10**30),
    ("seq", 2**63 - 1),
    ("seq", 13.5),
    ("attempt", 10**30),
    ("attempt", [1]),
    ("stage", 5),
    ("ts", {}),
    ("ts", "\ud800"),
    ("message", None),
    ("payload", "none"),
    ("payload", {"why": "\ud800"}),
    ("payload", {"sha256": "a", "name": "x", "owner": [1]}),
    ("payload", {"artifacts": [{"path": "a", "kind": "text", "sha256": "", "bytes": 10**30}]}),
)
"""What no event of ours says; the database would not take it, or nothing after it."""


@pytest.mark.fault(94)
def test_lines_in_a_run_that_no_database_takes(gated: Studio) -> None:
    """Each is left out and told, with its place; all the rest is made anew, and the job goes on."""
    gated.write("g-1", "resume.yaml", "...\n")
    wait_for(lambda: "decision_refused" in gated.types("g-1"), "the refusal")
    gated.stop()
    remove_database(gated)
    run = gated.run("g-1")
    events = gated.events("g-1")
    said = {"job_id": "g-1", "type": "decision_refused", "payload": {}, "message": "", "seq": 99}
    lines = [json.dumps({**events[-1], **said, key: value}) for key, value in _SAID]
    with (run / "events.jsonl").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    # What was refused is looked for in there.
    (run / "decisions").mkdir(exist_ok=True)
    with (run / "decisions/sparse.yaml").open("w") as file:
        file.truncate(1 << 40)
    done = gated.spork("rebuild", check=False)
    assert done.returncode == 1
    for number in range(len(events) + 1, len(events) + 1 + len(lines)):
        assert f"events.jsonl:{number}: not an event; left out" in done.stderr
    gated.start()
    assert gated.events("g-1")[: len(events)] == events
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")


@pytest.mark.fault(94)
@pytest.mark.parametrize("how", ["a number beyond all", "a file without end"])
def test_a_copy_made_to_hurt_keeps_nothing_from_starting(gated: Studio, how: str) -> None:
    """The run's events are made anew from the database, which says them."""
    gated.kill()
    own = gated.run("g-1") / "events.jsonl"
    before = own.read_text()
    if how == "a file without end":
        os.truncate(own, 1 << 40)
    else:
        own.write_text('{"seq": 1e30}\n')
    # What the ledger lacks is caught up with, and the copies of its jobs first.
    (gated.root / "jobs/state.jsonl").write_text("")
    gated.start()
    wait_for(lambda: own.read_text() == before, "the copy to be made anew")


@pytest.mark.fault(94)
@pytest.mark.parametrize(
    ("statement", "more"),
    [
        ("""UPDATE jobs SET state = replace(state, '"attempts":', '"attemPts":') WHERE id = 'wait-1'""", ()),
        (
            "UPDATE events SET payload = replace(payload, '{', '[') WHERE job_id = 'wait-1'",
            [("events", "wait-1")],
        ),
    ],
)
def test_a_flipped_bit_inside_a_row_stops_the_start(
    killed: Path, tmp_path: Path, statement: str, more: Sequence[tuple[str, ...]]
) -> None:
    """SQLite has no checksum of its own: who cannot read the row says so, does nothing, and names the mend."""
    root = tmp_path / "w"
    copy_of(killed, root)
    before = before_damage(root, tmp_path / "beside")
    with closing(sqlite3.connect(root / "jobs/spork.db")) as db:
        db.execute(statement)
        db.commit()
    studio = Studio(root, init_it=False)
    for command in (("daemon", "--drain"), ("doctor",), *more):
        found = studio.spork(*command, check=False)
        assert found.returncode != 0, command
        assert "damaged" in found.stdout + found.stderr, command
        assert "spork rebuild" in found.stdout + found.stderr, command
        assert "Traceback" not in found.stderr, command
    rebuild(Workspace(root))
    after = told(root)
    assert {key: after[key] for key in SAME} == {key: before[key] for key in SAME}
