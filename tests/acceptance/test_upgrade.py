"""A workspace that an earlier release left behind, killed in the middle of its work, is opened and worked on.

``tests/data/schema-N.tar.xz`` was made by the release with that schema version and is never made anew: jobs at a
gate, running, queued, paused, expired, failed, sent back, canceled and completed, an answer that nobody had looked
at, a request in the inbox; the daemon was killed, its newest events are in the write-ahead log.
"""

from __future__ import annotations

import contextlib
import json
import lzma
import sqlite3
import subprocess
from pathlib import Path

import pytest

from daemon.database import SCHEMA_VERSION
from tests.crashed import disagreements
from tests.studio import QUICK, ROOT, Studio

STORED = sorted((ROOT / "tests/data").glob("schema-*.tar.xz"))


def unpack(archive: Path, studio: Studio) -> None:
    studio.remove()
    studio.root.mkdir()
    # With tar and not tarfile, whose filters differ between versions; with lzma, since xz may not be installed.
    subprocess.run(["tar", "-x", "-C", studio.root], input=lzma.decompress(archive.read_bytes()), check=True)
    (studio.root / "conf/operator.yaml").write_text(QUICK)


def test_every_released_schema_is_stored() -> None:
    """Whoever raises the version stores a workspace of the one before."""
    versions = [int(path.name.removeprefix("schema-").removesuffix(".tar.xz")) for path in STORED]
    assert versions == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.fault(148)
@pytest.mark.parametrize("archive", STORED, ids=lambda path: path.name)
def test_an_earlier_releases_workspace_goes_on(studio: Studio, archive: Path) -> None:
    """Nothing passes a gate by the upgrade, nothing that completed is made again, and every job can be finished."""
    unpack(archive, studio)
    before = {path.parent.name: path.read_bytes() for path in studio.root.glob("runs/*/events.jsonl")}
    studio.start()
    # At its gate it still waits, for the same files; the answer that lay there counts.
    state = studio.wait("rewound-1", "needs_approval", stage="draft", attempt=2)
    assert (studio.run("rewound-1") / "a.txt").read_text() == "draft 2\nagain"
    assert state["gate"]["digest"] in (studio.run("rewound-1") / "REVIEW.md").read_text()
    studio.wait("waiting-1", "needs_approval", stage="polish")
    assert studio.state("finished-1")["status"] == "completed"
    assert studio.state("canceled-1")["status"] == "canceled"
    # The stage that was cut off is made again under a new number.
    assert studio.wait("running-1", "needs_approval", stage="polish")["attempt"] == 2
    for job_id in ("queued-1", "dropped-1"):
        studio.wait(job_id, "needs_approval", stage="draft")
        studio.answer(job_id, "approve")
        studio.wait(job_id, "needs_approval", stage="polish")
    studio.answer("expired-1", "approve")
    studio.write("paused-1", "resume.yaml", "...\n")
    for job_id, stage in (("paused-1", "draft"), ("rewound-1", "draft")):
        studio.wait(job_id, "needs_approval", stage=stage)
        studio.answer(job_id, "approve")
    assert studio.wait("failed-1", "failed")["stages"][0]["attempts"] == 1
    studio.write("failed-1", "cancel.yaml", "...\n")
    studio.wait("failed-1", "canceled")
    for job_id in ("running-1", "waiting-1", "queued-1", "dropped-1", "expired-1", "paused-1", "rewound-1"):
        studio.wait(job_id, "needs_approval", stage="polish")
        studio.answer(job_id, "approve")
        studio.wait(job_id, "completed")
    assert studio.stop() == 0
    for job_id, events in before.items():
        told = (studio.run(job_id) / "events.jsonl").read_bytes()
        assert told.startswith(events) or events.startswith(told), f"{job_id}: its history was changed"
    assert disagreements(studio.root) == []
    for path in (studio.root / "jobs").glob("spork.db*"):
        path.unlink()
    assert studio.spork("rebuild").stdout.startswith("10 jobs from ")


META, ENDLESS = '"meta":{}', '"meta":{"seconds":Infinity}'


@pytest.fixture
def endless(gated: Studio) -> Studio:
    """What an earlier release left where a stage had said 1e999 of its file; no daemon runs."""
    gated.stop()
    with contextlib.closing(sqlite3.connect(gated.root / "jobs/spork.db")) as db:
        for table, column in (("jobs", "state"), ("events", "payload")):
            db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (META, ENDLESS))
        db.execute("UPDATE artifacts SET meta = replace(meta, '{}', '{\"seconds\": Infinity}')")
        db.commit()
    run = gated.run("g-1")
    for path in (run / "state.json", run / "events.jsonl", gated.root / "jobs/state.jsonl"):
        text = path.read_text().replace('"meta": {}', ENDLESS).replace(META, ENDLESS)
        assert "Infinity" in text
        path.write_text(text)
    return gated


def told_of_numbers(studio: Studio) -> str:
    """All that is kept of the jobs, as one text."""
    with contextlib.closing(sqlite3.connect(studio.root / "jobs/spork.db")) as db:
        rows = [db.execute(f"SELECT * FROM {table}").fetchall() for table in ("jobs", "events", "artifacts")]
    copies = [*studio.root.glob("jobs/state*.jsonl"), *studio.root.glob("runs/*/*.json*")]
    return f"{rows}{[path.read_text() for path in copies]}"


@pytest.mark.fault(148)
@pytest.mark.parametrize("verb", ["approve", "cancel"])
def test_a_job_with_a_number_that_json_does_not_have_goes_on(
    endless: Studio, tmp_path: Path, verb: str
) -> None:
    """Its row holds nobody up: a backup is made, the daemon starts, the job is answered or canceled, others work."""
    endless.spork("backup", str(tmp_path / "kept.tar"))
    endless.start()
    endless.submit("g-2", "gated")
    endless.wait("g-2", "needs_approval")
    endless.write("g-1", f"{verb}.yaml", "by: alice\n...\n")
    endless.wait("g-1", "completed" if verb == "approve" else "canceled")
    endless.kill()
    endless.start()


@pytest.mark.fault(148)
def test_a_rebuild_puts_null_for_a_number_that_json_does_not_have(endless: Studio) -> None:
    """In the database and in every copy, and says so once; doctor finds nothing after that, and the job goes on."""
    assert "Infinity" in told_of_numbers(endless)
    done = endless.spork("rebuild", check=False)
    assert done.returncode == 1
    assert "Infinity is not a number of JSON; null stands in its place" in done.stderr
    assert "Infinity" not in told_of_numbers(endless) and '"seconds":null' in told_of_numbers(endless)
    assert endless.spork("rebuild").stderr == ""
    assert disagreements(endless.root) == []
    endless.start()
    endless.answer("g-1", "approve")
    endless.wait("g-1", "completed")


@pytest.mark.fault(98)
def test_a_newer_schema_is_refused_and_left_alone(worked: Studio) -> None:
    """73 with both versions and what to do, from daemon, status and doctor; not a byte of it is changed."""
    database = worked.root / "jobs/spork.db"
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = database.read_bytes()
    for command in ("daemon", "status", "rebuild"):
        done = worked.spork(command, check=False)
        assert done.returncode == 73, command
        assert f"schema version {SCHEMA_VERSION + 1}" in done.stderr and "upgrade spork" in done.stderr
        assert "Traceback" not in done.stderr
    found = json.loads(worked.spork("doctor", "--json", check=False).stdout)
    assert [f["mend"] for f in found if "schema version" in f["said"]] == ["upgrade spork"]
    assert database.read_bytes() == before
