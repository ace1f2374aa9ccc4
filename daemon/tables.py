"""How a change stands in the tables: jobs, events and decisions, and what an event changes beside them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from daemon import codec
from daemon.changes import Claim, DecisionFile, Overtaken
from daemon.model import PRIORITIES, Event, Job, StageStatus, Type


def add_events(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Add numbered events."""
    db.executemany(
        "INSERT INTO events (seq, ts, job_id, type, stage, attempt, status, message, payload)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        [_event_row(event) for event in events],
    )


def _event_row(event: Event) -> tuple[Any, ...]:
    payload = json.dumps(dict(event.payload), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (event.seq, event.ts, event.job_id, str(event.type), event.stage, event.attempt) + (
        event.status,
        event.message,
        payload,
    )


def add_job(db: sqlite3.Connection, job: Job, claim: Claim) -> None:
    """Add a job with the request that it was claimed from."""
    row = (*_job_row(job), claim.data, claim.sha256, claim.name, claim.identity, claim.pipeline, job.id)
    db.execute(
        "INSERT INTO jobs (queued_seq, priority, status, over, version, expires_at, slug, reason, stage, attempt,"
        " created_at, updated_at, state, request, request_sha256, request_name, request_identity, pipeline, id)"
        f" VALUES ({','.join('?' * len(row))})",
        row,
    )


def change_job(db: sqlite3.Connection, job: Job, before: Job | None) -> None:
    """Put the job in the place of what it was; Overtaken if that is not what stands there."""
    changed = db.execute(
        "UPDATE jobs SET queued_seq=?, priority=?, status=?, over=?, version=?, expires_at=?, slug=?, reason=?,"
        " stage=?, attempt=?, created_at=?, updated_at=?, state=? WHERE id=? AND version=?",
        (*_job_row(job), job.id, before.version if before else 0),
    )
    if changed.rowcount != 1:
        raise Overtaken(job.id)


def _job_row(job: Job) -> tuple[Any, ...]:
    """What the jobs table says of a job, in its columns' order, from queued_seq to state."""
    over = job.final and not job.open_attempt
    expires = job.gate.expires_at if job.gate else None
    return (
        job.queued_seq,
        PRIORITIES.index(job.priority),
        str(job.status),
        int(over),
        job.version,
        expires,
    ) + (
        job.slug,
        job.reason,
        job.stage,
        job.attempt,
        job.created_at,
        job.updated_at,
        codec.dump(job),
    )


def add_decision(db: sqlite3.Connection, job: Job, file: DecisionFile, at: str) -> None:
    """Add a decision file that was looked at, where the job was then."""
    db.execute(
        "INSERT INTO decisions (job_id, stage, attempt, name, verdict, by, owner, at, identity, sha256, bytes, why)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (job.id, job.stage, job.attempt, file.name, file.verdict, file.by, file.owner, at)
        + (file.identity, file.sha256, file.data, file.why),
    )


def index(db: sqlite3.Connection, job: Job, event: Event) -> None:
    """Keep the attempts and artifacts tables in step with the event."""
    key = (event.job_id, event.stage, event.attempt)
    match event.type:
        case Type.STAGE_STARTED:
            number = job.number(event.stage or "")
            limit = event.payload["limit_seconds"]
            db.execute(
                "INSERT INTO attempts (job_id, stage, attempt, number, status, started_at, limit_seconds, place,"
                " goal) VALUES (?,?,?,?,'running',?,?,'none','none')",
                (*key, number, event.ts, limit),
            )
        case Type.STAGE_COMPLETED:
            _end_attempt(db, event, StageStatus.COMPLETED)
            db.execute(
                "UPDATE attempts SET goal='history' WHERE job_id=? AND stage=? AND attempt<? AND goal='run'",
                key,
            )
            db.execute(
                "UPDATE attempts SET place='work', goal='run' WHERE job_id=? AND stage=? AND attempt=?",
                key,
            )
            _replace_artifacts(db, key, event.payload["artifacts"])
        case Type.ARTIFACT_EDITED | Type.GATE_REOPENED:
            _replace_artifacts(db, key, event.payload.get("artifacts", ()))
        case Type.STAGE_FAILED:
            _end_attempt(db, event, StageStatus.FAILED)
        case Type.STAGE_INTERRUPTED:
            _end_attempt(db, event, StageStatus.INTERRUPTED)
        case Type.STAGE_CANCELED:
            _end_attempt(db, event, StageStatus.CANCELED)
        case Type.JOB_REWOUND:
            db.executemany(
                "UPDATE attempts SET goal='history' WHERE job_id=? AND stage=? AND goal='run'",
                [(event.job_id, name) for name in event.payload["stages"]],
            )


def _end_attempt(db: sqlite3.Connection, event: Event, status: StageStatus) -> None:
    db.execute(
        "UPDATE attempts SET status=?, ended_at=?, seconds=? WHERE job_id=? AND stage=? AND attempt=?",
        (str(status), event.ts, event.payload.get("seconds"), event.job_id, event.stage, event.attempt),
    )


def _replace_artifacts(
    db: sqlite3.Connection, key: tuple[Any, ...], artifacts: Sequence[dict[str, Any]]
) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO artifacts (job_id, stage, attempt, path, kind, bytes, sha256, meta)"
        " VALUES (?,?,?,?,?,?,?,?)",
        [
            (
                *key,
                a["path"],
                a["kind"],
                a["bytes"],
                a["sha256"],
                json.dumps(dict(a["meta"]), ensure_ascii=False, allow_nan=False),
            )
            for a in artifacts
        ],
    )
