"""Every question that is put to the database is answered from an index: with a hundred thousand jobs as with one."""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fill import fill
from bench.subjects import Daemon
from daemon.catalog import Catalog
from daemon.database import open_reader
from daemon.model import Job
from daemon.received import Received
from daemon.store import Store

OF_SOME = {"jobs_open", "jobs_queue", "attempts_owed", "attempts_open"}
"""Indexes that hold only what can still move: to read one whole is to read that much."""
OF_ALL = {
    "ids": "doctor, rebuild and backup mean all jobs",
    "over_ids": "once at the start, from two indexes",
    "counts": "--stats counts all, from an index",
    "over_before": "prune means all that are over, from an index",
    "recent_ids": "the last 200 of the ids, for a hint",
    "waiting_jobs": "status --waiting sorts all that wait by how long they have",
    "claimed_as_name": "explain, of a file that nothing else is known about",
}
"""What may read more, and why. None of it is asked in a turn of the daemon."""
NOT_QUESTIONS = {
    "prove",
    "quick_check",
    "integrity_check",
    "backup",
    "close",
    "number_from",
    "record",
}

GIVEN: dict[str, Any] = {
    "job_id": "old-000001", "text": "old", "key": "boot", "value": "x", "keys": ("1:2:3:4", "5:6:7:8"), "sha256": "0",
    "name": "approve.yaml", "file": "1:2:3:", "moment": "2030", "after": 1, "stage": "s1", "attempt": 1, "limit": 5,
    "statuses": ("queued", "running"),
}  # fmt: skip


class Heard:
    """A connection that notes what is asked, with the plan for it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db, self.plans = db, list[tuple[str, str]]()

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        if sql.startswith(("SELECT", "UPDATE", "INSERT")):
            rows = self._db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            self.plans += [(" ".join(sql.split()), row[3]) for row in rows]
        return self._db.execute(sql, values)

    def executemany(self, sql: str, values: Any) -> None:
        for one in values:
            self.execute(sql, one)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Daemon(tmp_path_factory.mktemp("queries") / "workspace").root
    fill(made, waiting=2, finished=2)
    return made


def whole(plan: str) -> bool:
    """Whether the step reads a table, or an index of all jobs, from its beginning to its end."""
    if not plan.startswith("SCAN") or re.match(r"SCAN CONSTANT|SCAN \d+ CONSTANT|SCAN \(", plan):
        return False
    index = re.search(r"USING (?:COVERING )?INDEX (\w+)", plan)
    return index is None or index[1] not in OF_SOME


def sorts_all(sql: str, plan: str) -> bool:
    """Whether the first few are found by sorting all that could be among them: ten thousand, for each start."""
    return "LIMIT" in sql and plan.startswith("USE TEMP B-TREE FOR ORDER BY")


def questions(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and name not in NOT_QUESTIONS:
            yield name, method


def a_job(root: Path) -> Job:
    with contextlib.closing(Catalog(root / "jobs/spork.db")) as catalog:
        job = catalog.job(GIVEN["job_id"])
    assert job is not None
    return job


def received(path: Path) -> Received:
    return Received(open_reader(path), path)


@pytest.mark.parametrize(
    ("opens", "must_ask"),
    [
        (Store, {"job", "events", "last_seq", "queued", "owed", "open_ids", "touched_lately"}),
        (received, {"request", "request_sha256", "claimed_as", "decision_seen", "recorded", "refusals"}),
        (
            Catalog,
            {"job", "events", "request", "last_seq", "open_jobs", "has_any", "waiting_jobs"}
            | {"finished_jobs", "ids_like", "standing", "torn"},
        ),
    ],
)
def test_no_question_reads_all_jobs_or_all_events(
    opens: Callable[[Path], Any], must_ask: set[str], root: Path
) -> None:
    """Each method that asks, with the values it is given in life; what it iterates is drained."""
    given = GIVEN | {"job": a_job(root)}
    opened = opens(root / "jobs/spork.db")
    heard = opened._db = Heard(opened._db)
    asked, wrong = set(), []
    try:
        for name, method in questions(type(opened)):
            needed = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
            due = [given[p.name] for p in needed if p.default is p.empty and p.name in given]
            if len(due) < sum(p.default is p.empty for p in needed):
                continue
            variants = [due, [given["job_id"]]] if name == "events" else [due]
            for values in variants:
                before = len(heard.plans)
                answer = method(opened, *values)
                if isinstance(answer, Iterator):
                    list(answer)
                asked.add(name)
                if name not in OF_ALL:
                    plans = heard.plans[before:]
                    wrong += [f"{name}: {sql}: {p}" for sql, p in plans if whole(p) or sorts_all(sql, p)]
        assert wrong == []
        assert asked >= must_ask
    finally:
        heard.close()


def test_what_is_ahead_in_the_queue_is_found_without_reading_it(root: Path, tmp_path: Path) -> None:
    """Asked for each queued job that a status shows; above, no job is queued."""
    queued = fill_queue(root / "jobs/spork.db", tmp_path / "spork.db")
    catalog = Catalog(tmp_path / "spork.db")
    heard = catalog._db = Heard(catalog._db)  # type: ignore[assignment]
    try:
        assert [catalog.in_queue(job_id) for job_id in queued] == [
            (f"{job_id}.yaml", ahead) for job_id, ahead in zip(queued, (None, *queued), strict=False)
        ]
    finally:
        catalog.close()
    assert [
        plan for _, plan in heard.plans if "INDEX jobs_queue (" not in plan and "PRIMARY KEY" not in plan
    ] == []


def fill_queue(source: Path, target: Path) -> list[str]:
    """A copy of the database in which all jobs are queued, the urgent one first; gives their ids in order."""
    shutil.copy(source, target)
    db = sqlite3.connect(target)
    with db:
        db.execute("UPDATE jobs SET status = 'queued', over = 0, request_name = id || '.yaml'")
        db.execute("UPDATE jobs SET priority = 3 WHERE queued_seq = (SELECT max(queued_seq) FROM jobs)")
    ids = [row[0] for row in db.execute("SELECT id FROM jobs ORDER BY priority DESC, queued_seq")]
    db.close()
    return ids


def test_what_is_recorded_touches_rows_by_their_keys(root: Path) -> None:
    """A claim, a start, an end: the writes of a job's whole life."""
    fresh = Daemon(root.parent / "written").root
    kept: list[Heard] = []
    original = Store.__init__

    def init(self: Store, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        kept.append(Heard(self._db))
        self._db = kept[-1]  # type: ignore[assignment]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "__init__", init)
        fill(fresh, waiting=1, finished=1)
    writes = [(sql, plan) for sql, plan in kept[0].plans if sql.startswith(("UPDATE", "INSERT"))]
    assert {"UPDATE jobs", "UPDATE attempts"} <= {" ".join(sql.split()[:2]) for sql, _ in writes}
    assert [f"{sql}: {plan}" for sql, plan in writes if whole(plan)] == []
