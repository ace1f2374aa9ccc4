"""A workspace with some history, and what its database says: for tests that damage, move or restore one."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from tests.studio import Studio
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


def make_history(studio: Studio) -> None:
    """One job done, one rewound, one waiting, one canceled, and a request refused."""
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


def copy_of(history: Path, root: Path) -> None:
    """The same workspace elsewhere, with modes and times."""
    subprocess.run(["cp", "-a", str(history), str(root)], check=True)


def told(root: Path) -> dict[str, Any]:
    """Everything that the database says of its jobs, besides which files it took."""
    db = sqlite3.connect(root / "jobs/spork.db")
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
