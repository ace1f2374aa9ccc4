"""Living with it: rebuild, backup and restore, prune, doctor, reload."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.doctor import VIDEO_MODULES
from daemon.files import Identity
from daemon.rebuild import rebuild
from daemon.workspace import Workspace
from tests.studio import ROOT, Studio
from tests.support import wait_for

PIPELINE = """\
name: gated
stages:
  - name: draft
    command: [sh, -euc, 'printf "draft %s\\n" "$SPORK_ATTEMPT" > a.txt; cat "$SPORK_FEEDBACK" >> a.txt']
    gate: true
    outputs: [a.txt]
  - name: polish
    command: [sh, -euc, 'mkdir out; tr a-z A-Z < "$SPORK_RUN/a.txt" > out/b.txt']
    gate: true
    outputs: [out/b.txt]
  - name: use
    command: [sh, -euc, 'cp "$SPORK_RUN/out/b.txt" used.txt']
    outputs: [used.txt]
"""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one job done, one rewound, one waiting, one canceled and a request refused."""
    studio = Studio(tmp_path_factory.mktemp("history") / "studio")
    studio.pipeline("gated", PIPELINE)
    try:
        studio.start()
        _make_history(studio)
    finally:
        studio.close()
    return studio.root


def _make_history(studio: Studio) -> None:
    for job in ("done-1", "back-1", "wait-1", "gone-1"):
        studio.submit(job, "gated")
        studio.wait(job, "needs_approval", stage="draft")
    studio.drop("bad.yaml", "intnet: x\n")
    for job in ("done-1", "back-1"):
        studio.answer(job, "approve")
        studio.wait(job, "needs_approval", stage="polish")
    studio.answer("done-1", "approve")
    studio.answer("back-1", "reject", from_="draft", notes="again", then="retry")
    studio.wait("back-1", "needs_approval", stage="draft", attempt=2)
    studio.write("gone-1", "cancel.yaml", "by: bob\n...\n")
    studio.wait("gone-1", "canceled")
    studio.wait("done-1", "completed")
    wait_for((studio.root / "inbox/rejected/bad.yaml.error.txt").exists, "the refusal")


@pytest.fixture
def worked(studio: Studio, history: Path) -> Studio:
    """A copy of that workspace; no daemon runs."""
    shutil.rmtree(studio.root)
    subprocess.run(["cp", "-a", str(history), str(studio.root)], check=True)
    return studio


def told(studio: Studio) -> dict[str, Any]:
    """Everything that the database says of its jobs, besides which files it took."""
    db = sqlite3.connect(studio.root / "jobs/spork.db")
    try:
        return {
            "jobs": db.execute("SELECT id, status, version, state, request, pipeline FROM jobs").fetchall(),
            "events": db.execute("SELECT * FROM events").fetchall(),
            "artifacts": db.execute("SELECT * FROM artifacts").fetchall(),
            "attempts": db.execute(
                "SELECT job_id, stage, attempt, number, status, ended_at, seconds, goal FROM attempts"
            ).fetchall(),
            "decisions": db.execute(
                "SELECT job_id, name, verdict, by, sha256, bytes FROM decisions"
            ).fetchall(),
            "token": db.execute("SELECT value FROM meta WHERE key = 'token'").fetchone(),
        }
    finally:
        db.close()


def remove_database(studio: Studio) -> None:
    for path in (studio.root / "jobs").glob("spork.db*"):
        path.unlink()


def finish(studio: Studio) -> None:
    """The daemon goes on where the jobs were."""
    studio.start()
    for stage in ("draft", "polish"):
        studio.wait("back-1", "needs_approval", stage=stage)
        studio.spork("approve", "back-1", "--wait")
    studio.wait("back-1", "completed")
    assert (studio.run("back-1") / "used.txt").read_text() == "DRAFT 2\nAGAIN"


@pytest.mark.parametrize("missing", ["database", "database and ledger", "nothing"])
def test_rebuild_gives_the_same_state(worked: Studio, missing: str) -> None:
    """Jobs, events, attempts, artifacts, decisions: as before; and the work goes on."""
    before = told(worked)
    if missing != "nothing":
        remove_database(worked)
        before["token"] = None
    if missing == "database and ledger":
        (worked.root / "jobs/state.jsonl").unlink()
        # The refusal belongs to no job: only the ledger knew of it.
        before["events"] = [row for row in before["events"] if row[2] is not None]
    done = worked.spork("rebuild")
    assert done.stdout.startswith("4 jobs from ")
    after = told(worked)
    if missing != "nothing":
        after["token"] = None
    else:
        assert list((worked.root / "jobs").glob("spork.db.before-*")), "the old one is kept aside"
    for what, rows in before.items():
        assert after[what] == rows, what
    finish(worked)


def test_rebuild_from_damaged_copies(worked: Studio) -> None:
    """A torn and a senseless line are left out and told (1); the other copy still knows the event."""
    before = told(worked)
    ledger = worked.root / "jobs/state.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join([*lines[:3], b"{nonsense\n", *lines[4:], b'{"seq": 99']))
    remove_database(worked)
    done = worked.spork("rebuild", check=False)
    assert done.returncode == 1
    assert "state.jsonl:4" in done.stderr
    assert told(worked)["jobs"] == before["jobs"]


def test_rebuild_keeps_what_only_a_damaged_database_knew(worked: Studio) -> None:
    """Copies follow the commit: the newest event may be in the database alone."""
    before = told(worked)
    ledger = worked.root / "jobs/state.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    for path in (ledger, *worked.root.glob("runs/*/events.jsonl")):
        kept = [line for line in path.read_bytes().splitlines(keepends=True) if line not in lines[-2:]]
        path.write_bytes(b"".join(kept))
    worked.spork("rebuild")
    assert told(worked) == before


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


@pytest.mark.parametrize("seed", range(12))
def test_rebuild_after_damage(worked: Studio, seed: int) -> None:
    """Cut short, overwritten in places, its head gone, a page of zeros: the copies give the same state."""
    before, chance = told(worked), random.Random(seed)
    database = worked.root / "jobs/spork.db"
    size = database.stat().st_size
    with database.open("r+b") as file:
        match seed % 4:
            case 0:
                file.truncate(chance.randrange(size))
            case 1:
                for _ in range(chance.randrange(1, 20)):
                    file.seek(chance.randrange(size - 400))
                    file.write(chance.randbytes(chance.randrange(1, 400)))
            case 2:
                file.write(chance.randbytes(chance.randrange(1, 5000)))
            case 3:
                file.seek(chance.randrange(size) // 4096 * 4096)
                file.write(b"\0" * 4096)
    rebuild(Workspace(worked.root))
    after = told(worked)
    assert {what: after[what] for what in ("jobs", "events", "artifacts", "attempts", "decisions")} == {
        what: before[what] for what in ("jobs", "events", "artifacts", "attempts", "decisions")
    }


def test_rebuild_from_nothing(studio: Studio) -> None:
    """65, and no database appears."""
    assert studio.spork("rebuild", check=False).returncode == 65
    assert not (studio.root / "jobs/spork.db").exists()


def test_a_backup_restores(worked: Studio, tmp_path: Path) -> None:
    """As its help says: unpack, copy runs/, init, daemon. Taken while the daemon works; replaces nothing."""
    worked.start()
    archive = tmp_path / "backup.tar"
    worked.spork("backup", str(archive))
    assert worked.spork("backup", str(archive), check=False).returncode == 73
    worked.stop()
    restored = Studio(tmp_path / "restored")
    shutil.rmtree(restored.root)
    restored.root.mkdir()
    # With tar, as its help says; tarfile's filters differ between 3.11.2 and later.
    subprocess.run(["tar", "-xf", archive, "-C", restored.root], check=True, timeout=60)
    shutil.copytree(worked.root / "runs", restored.root / "runs")
    restored.spork("init", str(restored.root))
    assert told(restored)["jobs"] == told(worked)["jobs"]
    try:
        finish(restored)
    finally:
        restored.close()


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


def test_doctor_finds_and_mends(worked: Studio) -> None:
    """A sound workspace has no finding but being root; each fault is named with its mend, and makes it 1."""

    def findings() -> dict[str, str]:
        done = worked.spork("doctor", "--json", check=False)
        found = [f for f in json.loads(done.stdout) if not f["right"]]
        wrong = {f["said"]: f["mend"] for f in found if f["about"] != "user"}
        assert done.returncode == (1 if found else 0)
        return wrong

    assert findings() == {}
    os.chmod(worked.root / "inbox", 0o2777)
    (worked.root / "conf/pipelines/odd.yaml").write_text("name: even\nstages: []\n")
    (worked.run("wait-1") / "state.json").write_text("{}")
    with (worked.root / "jobs/spork.db").open("r+b") as file:
        file.seek(5000)
        file.write(os.urandom(20_000))
    wrong = findings()
    assert any("chmod 2770" in mend for mend in wrong.values())
    assert any("odd.yaml" in said for said in wrong)
    assert any("spork rebuild" in mend for mend in wrong.values())
    worked.spork("rebuild", check=False)
    assert any("wait-1" in said for said in findings())


def test_doctor_asks_for_what_the_stages_import() -> None:
    """The modules wanted for videos are those that stages/ imports beyond the daemon's own, no more, no less."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "stages").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    used = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    used |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    # Packages that only hold data are opened: files("lucide").
    used |= {
        str(node.args[0].value)
        for node in nodes
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "files"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    own = {*sys.stdlib_module_names, "stages", "pydantic", "yaml"}
    assert {name.partition(".")[0] for name in used} - own == set(VIDEO_MODULES)
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["video"]
    assert len(extra) == len(VIDEO_MODULES)


def test_reload_needs_a_daemon(studio: Studio) -> None:
    """65 where there is none."""
    assert studio.spork("reload", check=False).returncode == 65
