"""The database itself: all or nothing, and only from the version that was decided on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import answers, rulings
from daemon.answers import Decision
from daemon.changes import Change, Claim, Overtaken
from daemon.errors import Halt, Illegal
from daemon.model import Event, Job, Type
from daemon.store import Store

NOW = "2026-01-01T00:00:00Z"
FACTS = {
    "id": "j-1", "slug": "s", "intent": "i", "pipeline": "p", "pipeline_sha256": "0", "priority": "normal",
    "labels": {}, "params": {}, "gates": {}, "stage_timeouts": {},
    "stages": [{"name": "draft", "needs": [], "retries": 0, "gate": False}],
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database on disk."""
    opened = Store(tmp_path / "spork.db")
    yield opened
    opened.close()


def queued(store: Store) -> Job:
    event = Event(Type.JOB_QUEUED, NOW, "j-1", None, None, "", FACTS)
    job = store.record(Change(None, [event], claim=Claim("j-1.yaml", "key", b"", "0", b"")))[0].job
    assert job is not None
    return job


def canceled(job: Job) -> Change:
    events = answers.answer(
        job, Decision("cancel", "alice", "0"), NOW, None, refuse_unbound=False, terms=None
    )
    return Change(job, events)


def test_a_change_decided_on_an_older_version_is_overtaken(store: Store) -> None:
    """Who decided on what a job was, and not on what it is, changes nothing."""
    old = queued(store)
    store.record(Change(old, rulings.start(old, NOW, limit_seconds=60)))
    before = list(store.events())
    with pytest.raises(Overtaken):
        store.record(canceled(old))
    assert list(store.events()) == before
    assert store.job("j-1") != old


def test_all_changes_of_a_commit_or_none(store: Store) -> None:
    """One that the rules refuse takes those before it back, and the numbers go on without a gap."""
    job = queued(store)
    started = Change(job, rulings.start(job, NOW, limit_seconds=60))
    with pytest.raises(Illegal):
        store.record(started, Change(job, [Event(Type.JOB_QUEUED, NOW, "j-1", None, None, "", FACTS)]))
    assert store.job("j-1") == job
    store.record(started)
    assert [event.seq for event in store.events()] == [1, 2, 3]


@pytest.mark.fault(98)
def test_a_database_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """Its schema has a number that no release of ours has, beyond any that a newer one could have."""
    path = tmp_path / "spork.db"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=20260101")
    before = path.read_bytes()
    with pytest.raises(Halt, match=r"schema version 20260101, .*not a spork database"):
        Store(path)
    assert path.read_bytes() == before
