"""Backups taken while jobs move: each opens, is one moment of the history, and can be worked on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from daemon import projection
from daemon.store import Store
from tests import history
from tests.crashed import APPROVE, Answer, Crashed, lead
from tests.history import Line, entered, lines
from tests.studio import ROOT
from tests.support import wait_for


def taken_under_load(studio: Crashed, folder: Path, count: int) -> list[Path]:
    """So many backups of a live workspace in which jobs come in, move, wait at gates and end."""
    open_jobs: dict[str, Sequence[Answer]] = {}
    made = []
    studio.start()
    for number in range(count):
        for name in ("walk", "last", "straight"):
            job_id = studio.ask(f"{name}-{number}", name)
            open_jobs[job_id] = APPROVE if name != "straight" else ()
        archive = folder / f"{number:03}.tar"
        backup = subprocess.Popen(
            studio.command("backup", str(archive)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while backup.poll() is None:
            # One in five stays at its gate, so that there is always something to go on with.
            for job_id in [j for j in open_jobs if not j.endswith(("0", "5"))]:
                if studio.step(job_id, open_jobs[job_id]):
                    del open_jobs[job_id]
        _, told = backup.communicate()
        assert backup.returncode == 0, told
        made.append(archive)
    for job_id, answers in open_jobs.items():
        lead(studio, job_id, answers)
    studio.rest()
    return made


def check(archive: Path, folder: Path, whole: Sequence[Line]) -> int:
    """Hold one backup against the whole history; gives the events in it."""
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    with closing(sqlite3.connect(folder / "jobs/spork.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = Store(folder / "jobs/spork.db", read_only=True)
    try:
        seen = [json.loads(line) for line in projection.lines(store.events()).splitlines()]
        unfinished = store.open_ids()
    finally:
        store.close()
    assert seen == list(whole[: len(seen)]), "the database is a moment of the history"
    assert entered(folder) == seen, "the ledger is that of the database"
    assert set(unfinished) <= {run.name for run in (folder / "runs").iterdir()}
    for run in (folder / "runs").iterdir():
        told = lines(run / "events.jsonl")
        all_of_it = [event for event in whole if event["job_id"] == run.name]
        assert told == all_of_it[: len(told)], f"{run.name} is a moment of its history"
        assert len(told) >= sum(event["job_id"] == run.name for event in seen), f"{run.name} is behind"
        _files_of(run)
    return len(seen)


def _files_of(run: Path) -> None:
    """What the copied run's own state lists is in it."""
    for stage in json.loads((run / "state.json").read_text())["stages"]:
        for artifact in stage["artifacts"] if stage["status"] == "completed" else ():
            data = (run / artifact["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == artifact["sha256"], f"{run.name}: {artifact['path']}"


def restore(archive: Path, folder: Path, old: Path) -> None:
    """Do what docs/cli.md says, line by line, up to the daemon."""
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(mkdir \"\$FOLDER\".*?)```", page, re.DOTALL)
    *steps, last = block.splitlines()
    assert last == 'spork --workspace "$FOLDER" daemon'
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FILE": str(archive),
        "FOLDER": str(folder),
        "OLD": str(old),
    }
    for step in steps:
        done = subprocess.run(["sh", "-euc", step], env=env, capture_output=True, text=True, check=False)
        # For root the doctor has one finding: being root.
        allowed = {0, 1} if step.endswith("doctor") else {0}
        findings = [line for line in done.stdout.splitlines() if line.startswith("MEND")]
        assert done.returncode in allowed, f"{step}: {done.stdout}{done.stderr}"
        assert all("you are root" in line or "inotify" in line or "video" in line for line in findings), (
            findings
        )


def go_on(restored: Crashed, asked: dict[str, bytes]) -> None:
    """Work on in the restored workspace until every job is over; nothing that had completed is made again."""
    over = set(_jobs(restored.root, "WHERE status IN ('completed', 'canceled')"))
    restored.asked = {job_id: asked[job_id] for job_id in _jobs(restored.root) if job_id not in over}
    restored.start()
    for job_id in restored.asked:
        answers = () if job_id.startswith("straight") else APPROVE
        lead(restored, job_id, answers)
    assert restored.stop() == 0
    found = history.faults(restored.root, restored.asked)
    # Events that only a run knew came back under their own numbers: between them some are missing. And the run of
    # a job that was over is not in the backup, so nobody asked for it here.
    left = [
        f
        for f in found
        if not f.startswith("ledger: line") and f.partition(":")[0].removeprefix("runs/") not in over
    ]
    assert not left, left


def _jobs(root: Path, which: str = "") -> list[str]:
    with closing(sqlite3.connect(root / "jobs/spork.db")) as db:
        return [row[0] for row in db.execute(f"SELECT id FROM jobs {which} ORDER BY queued_seq")]


def new_place(root: Path) -> Crashed:
    """A workspace to be: nothing is there."""
    made = Crashed(root)
    shutil.rmtree(root)
    return made


def wait_caught_up(studio: Crashed, job_id: str, kind: str) -> None:
    """Wait until the ledger tells of this."""
    what = (job_id, kind)
    wait_for(
        lambda: what in [(e["job_id"], e["type"]) for e in entered(studio.root)], f"{what} in the ledger"
    )
