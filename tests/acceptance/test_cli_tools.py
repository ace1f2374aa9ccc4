"""Living with it: rebuild, backup and restore, prune, doctor, reload."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from daemon.identity import Identity
from tests.studio import Studio
from tests.support import wait_for
from tests.worked import finish, remove_database, told


@pytest.mark.parametrize("missing", ["database", "database and ledger", "nothing"])
def test_rebuild_gives_the_same_state(worked: Studio, missing: str) -> None:
    """Jobs, events, attempts, artifacts, decisions: as before; and the work goes on."""
    before = told(worked.root)
    if missing != "nothing":
        remove_database(worked)
        before["token"] = None
    if missing == "database and ledger":
        (worked.root / "jobs/state.jsonl").unlink()
        # The refusal belongs to no job: only the ledger knew of it.
        before["events"] = [row for row in before["events"] if row[2] is not None]
    done = worked.spork("rebuild")
    assert done.stdout.startswith("4 jobs from ")
    after = told(worked.root)
    if missing != "nothing":
        after["token"] = None
    else:
        assert list((worked.root / "jobs").glob("spork.db.before-*")), "the old one is kept aside"
    for what, rows in before.items():
        assert after[what] == rows, what
    finish(worked)


def test_rebuild_wants_the_workspace_for_itself(studio: Studio) -> None:
    """Beside a daemon it would take the database away under it: 75, and nothing is touched."""
    studio.start()
    studio.submit("n-1")
    studio.wait("n-1", "needs_approval")
    done = studio.spork("rebuild", check=False)
    assert done.returncode == 75 and "already running" in done.stderr
    assert not list((studio.root / "jobs").glob("*.before-*"))
    studio.answer("n-1", "approve")
    studio.wait("n-1", "completed")


def test_rebuild_from_damaged_copies(worked: Studio) -> None:
    """A torn and a senseless line are left out and told (1); the other copy still knows the event."""
    before = told(worked.root)
    ledger = worked.root / "jobs/state.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([*lines[:3], b"{nonsense\n", *lines[4:], b'{"seq": 99']))
    remove_database(worked)
    done = worked.spork("rebuild", check=False)
    assert done.returncode == 1
    assert "state.jsonl:4" in done.stderr
    assert told(worked.root)["jobs"] == before["jobs"]


def test_rebuild_keeps_what_only_a_damaged_database_knew(worked: Studio) -> None:
    """Copies follow the commit: the newest event may be in the database alone."""
    before = told(worked.root)
    ledger = worked.root / "jobs/state.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    for path in (ledger, *worked.root.glob("runs/*/events.jsonl")):
        kept = [line for line in path.read_bytes().splitlines(keepends=True) if line not in lines[-2:]]
        path.write_bytes(b"".join(kept))
    worked.spork("rebuild")
    assert told(worked.root) == before


def test_rebuild_knows_each_answer_once(gated: Studio) -> None:
    """A rejection that ends the job, a cancel, a refused answer: one row each in `decisions`, as before."""
    for job in ("g-2", "g-3"):
        gated.submit(job, "gated")
        gated.wait(job, "needs_approval")
    gated.spork("reject", "g-1", "--then", "stop", "--wait")
    gated.write("g-2", "cancel.yaml", "by: bob\n...\n")
    gated.wait("g-2", "canceled")
    gated.write("g-3", "approve.yaml", "stage: use\nby: bob\n...\n")
    wait_for(lambda: "decision_refused" in gated.types("g-3"), "the refusal")
    gated.stop()
    before = decisions(gated)
    gated.spork("rebuild")
    assert decisions(gated) == before
    assert [row[3] for row in before] == ["reject.yaml", "cancel.yaml", "approve.yaml"]


def decisions(studio: Studio) -> list[tuple[Any, ...]]:
    """The whole table, but for the rows' numbers."""
    with closing(sqlite3.connect(studio.root / "jobs/spork.db")) as db:
        return [row[1:] for row in db.execute("SELECT * FROM decisions ORDER BY id")]


def test_rebuild_does_not_take_a_file_twice(worked: Studio) -> None:
    """A claimed request that a crash left is known again; the same bytes dropped later are a new job."""
    text = "intent: x\npipeline: gated\n"
    worked.start()
    worked.drop("plain.yaml", text)
    wait_for(lambda: not (worked.root / "inbox/plain.yaml").exists(), "the request to be taken")
    worked.stop()
    dropped = worked.drop("plain.yaml", text)
    remove_database(worked)
    # As after a crash between commit and unlink: the file that lies there is the one that was claimed.
    lain = Identity.of(dropped.lstat()).key
    for path in (worked.root / "jobs/state.jsonl", *worked.root.glob("runs/*/events.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text(
            "".join(_claimed(line, lain) if "inbox/plain.yaml" in line else line for line in lines)
        )
    worked.spork("rebuild")
    worked.start("--drain")
    assert worked.process is not None
    assert worked.process.wait(timeout=60) == 0
    assert not (worked.root / "inbox/plain.yaml").exists()
    assert len(list((worked.root / "jobs").glob("*.yaml"))) == 5

    worked.drop("plain.yaml", text)
    remove_database(worked)
    worked.spork("rebuild")
    worked.start("--drain")
    assert worked.process is not None
    assert worked.process.wait(timeout=60) == 0
    assert len(list((worked.root / "jobs").glob("*.yaml"))) == 6


def _claimed(line: str, identity: str) -> str:
    event = json.loads(line)
    event["payload"]["identity"] = identity
    return json.dumps(event) + "\n"


def test_rebuild_from_nothing(studio: Studio) -> None:
    """65, and no database appears."""
    assert studio.spork("rebuild", check=False).returncode == 65
    assert not (studio.root / "jobs/spork.db").exists()


def test_prune_removes_what_is_over(worked: Studio) -> None:
    """Only final jobs, only old ones; the id stays taken and the daemon does not bring the directory back."""
    assert worked.spork("prune", "--older-than", "30d").stdout == ""
    assert worked.spork("prune", "--older-than", "0d", "--dry-run").stdout == "runs/done-1\nruns/gone-1\n"
    assert worked.run("done-1").exists()
    worked.spork("prune", "--older-than", "0d")
    worked.start()
    assert {p.name for p in (worked.root / "runs").iterdir()} - {".incoming"} == {"back-1", "wait-1"}
    assert "completed" in worked.spork("status", "done-1").stdout
    worked.drop("again.yaml", "intent: other\nid: done-1\npipeline: gated\n")
    wait_for((worked.root / "inbox/rejected/again.yaml.error.txt").exists, "the id to be refused")
    worked.stop()
    worked.spork("rebuild")
    assert "completed" in worked.spork("status", "done-1").stdout


@pytest.mark.parametrize("verb", ["check", "submit", "run"])
def test_another_request_with_a_taken_id_is_wrong_before_it_is_dropped(
    worked: Studio, tmp_path: Path, verb: str
) -> None:
    """As the inbox has it; what `spork submit` returns 0 for becomes a job. The same request again is right."""
    other = tmp_path / "again.yaml"
    other.write_text("intent: other\nid: done-1\npipeline: gated\n")
    done = worked.spork(verb, str(other), check=False)
    assert done.returncode == 65
    assert "'done-1' is taken by an earlier job with other content" in done.stdout + done.stderr
    assert not (worked.root / "inbox/again.yaml").exists()
    same = tmp_path / "same.yaml"
    same.write_bytes((worked.root / "jobs/done-1.yaml").read_bytes())
    assert worked.spork(verb, str(same), check=False).returncode == 0


def test_reload_needs_a_daemon(studio: Studio) -> None:
    """75 where there is none, as for every command that needs one."""
    assert studio.spork("reload", check=False).returncode == 75
