"""Many jobs of the past, made by the daemon's own rules and database without running a stage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from daemon import rulings
from daemon.changes import Change, Claim
from daemon.clock import rfc3339
from daemon.incoming import opened_nursery
from daemon.model import Artifact, Event, Job, Type
from daemon.projection import Projection
from daemon.publication import gate_digest
from daemon.rulings import GateTerms
from daemon.store import Store
from daemon.workspace import Workspace

_BATCH = 500
_TEXT = b"1\n"


def fill(root: Path, *, waiting: int, finished: int, first: int = 0) -> None:
    """Add jobs of the pipeline ``one`` with their run directories; no daemon may have the workspace.

    ``first``: their ids are numbered from there.
    """
    workspace = Workspace(root)
    store = Store(workspace.db)
    projection = Projection(workspace)
    for prefix, count, gated in (("old", finished, False), ("asked", waiting, True)):
        for start in range(first, first + count, _BATCH):
            stop = min(start + _BATCH, first + count)
            names = [f"{prefix}-{number:06d}" for number in range(start, stop)]
            _make(workspace, store, projection, names, gated=gated)
    store.close()


def _make(
    workspace: Workspace, store: Store, projection: Projection, names: list[str], *, gated: bool
) -> None:
    pipeline = (workspace.pipelines / "one.yaml").read_bytes()
    now = rfc3339(datetime.now(UTC))
    artifact = Artifact("s1.txt", "text", len(_TEXT), hashlib.sha256(_TEXT).hexdigest(), {})
    digest = gate_digest([(artifact.path, artifact.sha256)])
    terms = GateTerms(None, auto_approve=False, on_timeout="pause", expires_at=None) if gated else None
    jobs: list[Job] = []
    events: list[Event] = []

    def record(changes: Iterator[Change]) -> None:
        nonlocal jobs
        done = store.record(*changes)
        jobs = [one.job for one in done if one.job is not None]
        events.extend(event for one in done for event in one.events)

    record(Change(None, [_queued(name, pipeline, now)], claim=_claim(name, pipeline)) for name in names)
    record(Change(job, rulings.start(job, now, limit_seconds=3600.0)) for job in jobs)
    record(
        Change(job, rulings.completed(job, now, artifacts=[artifact], seconds=0.0, gate=terms, digest=digest))
        for job in jobs
    )
    own: dict[str | None, list[Event]] = {}
    for event in events:
        own.setdefault(event.job_id, []).append(event)
    with opened_nursery(workspace) as nursery:
        for job in jobs:
            files = {"pipeline.yaml": pipeline, "s1.txt": _TEXT} | projection.born(job, own[job.id])
            nursery.make(job.id, _request(job.id), files)
            for debt in store.owed(job.id):
                store.moved(job.id, debt)
    projection.enter(events)
    # The moves are noted with the next commit.
    store.record()


def _request(name: str) -> bytes:
    return f"intent: measured\nid: {name}\npipeline: one\n...\n".encode()


def _claim(name: str, pipeline: bytes) -> Claim:
    data = _request(name)
    return Claim(f"{name}.yaml", f"bench:{name}", data, hashlib.sha256(data).hexdigest(), pipeline)


def _queued(name: str, pipeline: bytes, now: str) -> Event:
    facts = {
        "id": name,
        "slug": "measured",
        "intent": "measured",
        "pipeline": "one",
        "pipeline_sha256": hashlib.sha256(pipeline).hexdigest(),
        "priority": "normal",
        "labels": {},
        "params": {},
        "gates": {},
        "stage_timeouts": {},
        "stages": [{"name": "s1", "needs": [], "retries": 0, "gate": True}],
        "request_sha256": hashlib.sha256(_request(name)).hexdigest(),
    }
    return Event(Type.JOB_QUEUED, now, name, message="made by the benchmark", payload=facts)
