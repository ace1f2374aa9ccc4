"""The database as commands read it while the daemon works: read-only, without the rules and what they import.

Its questions are answered from indexes, so that an answer costs the same with a hundred thousand jobs.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daemon.database import open_reader

if TYPE_CHECKING:
    from daemon.model import Event, Job

_SUMMARY = "id, slug, status, reason, stage, attempt, priority, created_at, updated_at, expires_at"

_SEQ = "CASE WHEN json_valid(state) THEN json_extract(state, '$.seq') END"
"""NULL where SQLite does not take the state for JSON: one job's, and to be asked otherwise."""


class Summary(NamedTuple):
    """One job in a line."""

    id: str
    slug: str
    status: str
    reason: str
    stage: str | None
    attempt: int
    priority: int
    created_at: str
    updated_at: str
    expires_at: str | None


class Looked(NamedTuple):
    """A decision file that was looked at."""

    name: str
    verdict: str
    stage: str | None
    attempt: int | None
    by: str
    at: str
    why: str
    sha256: str
    identity: str


class Catalog:
    """The open database of one workspace. Raises Halt where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_reader(path)

    def close(self) -> None:
        self._db.close()

    def open_jobs(self, limit: int) -> list[Summary]:
        """The jobs that can still change, oldest first."""
        return self._summaries("WHERE over = 0 ORDER BY queued_seq LIMIT ?", limit)

    def waiting_jobs(self, limit: int) -> list[Summary]:
        """The jobs that only a person moves, the one that waits longest first."""
        return self._summaries(
            "WHERE status IN ('needs_approval', 'paused', 'failed') ORDER BY updated_at LIMIT ?", limit
        )

    def finished_jobs(self, limit: int) -> list[Summary]:
        """The jobs that were over last, latest first."""
        each = [
            job
            for status in ("completed", "canceled")
            for job in self._summaries(f"WHERE status = '{status}' ORDER BY updated_at DESC LIMIT ?", limit)
        ]
        return sorted(each, key=lambda job: job.updated_at, reverse=True)[:limit]

    def over_before(self, moment: str) -> list[str]:
        """The ids of the jobs that were over before then and owe their directory nothing."""
        rows = self._db.execute(
            "SELECT id FROM jobs WHERE status IN ('completed', 'canceled') AND updated_at < ? AND over = 1"
            " AND NOT EXISTS (SELECT 1 FROM attempts WHERE job_id = jobs.id AND place <> goal) ORDER BY id",
            (moment,),
        )
        return [row[0] for row in rows]

    def has_any(self, statuses: Sequence[str]) -> bool:
        """Whether there is a job in one of these statuses; asked so, an index has it at once however many there are."""
        marks = ", ".join("?" * len(statuses))
        found = self._db.execute(f"SELECT 1 FROM jobs WHERE status IN ({marks}) LIMIT 1", tuple(statuses))
        return found.fetchone() is not None

    def in_queue(self, job_id: str) -> tuple[str, str | None] | None:
        """The name a queued job's request had, and the job that is just before it; None if it is not queued."""
        mine = self._db.execute(
            "SELECT request_name, priority, queued_seq FROM jobs WHERE id = ? AND status = 'queued'",
            (job_id,),
        ).fetchone()
        if mine is None:
            return None
        name, priority, seq = mine
        # One question with OR would read the whole queue.
        for where, values in (
            ("priority = ? AND queued_seq < ? ORDER BY queued_seq DESC", (priority, seq)),
            ("priority > ? ORDER BY priority, queued_seq DESC", (priority,)),
        ):
            found = self._db.execute(
                f"SELECT id FROM jobs INDEXED BY jobs_queue WHERE status = 'queued' AND {where} LIMIT 1",
                values,
            ).fetchone()
            if found is not None:
                return name, found[0]
        return name, None

    def running(self) -> str | None:
        """The job whose attempt is open: one that was canceled has the lane until its processes are gone."""
        row = self._db.execute("SELECT job_id FROM attempts WHERE status = 'running' LIMIT 1").fetchone()
        return row[0] if row else None

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each status."""
        return dict(self._db.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall())

    def job(self, job_id: str) -> Job | None:
        from daemon import codec  # the nouns cost as much to import as a list of jobs does in all

        row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return codec.load(row[0], job_id) if row else None

    def ids_like(self, text: str, limit: int = 6) -> list[str]:
        """The ids that begin with the text, else those of the jobs with this slug."""
        rows = self._db.execute(
            "SELECT id FROM jobs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (text, f"{text}\U0010ffff", limit),
        ).fetchall()
        rows = (
            rows or self._db.execute("SELECT id FROM jobs WHERE slug = ? LIMIT ?", (text, limit)).fetchall()
        )
        return [row[0] for row in rows]

    def recent_ids(self, limit: int = 200) -> list[str]:
        """Ids for a hint: what somebody may have meant."""
        return [row[0] for row in self._db.execute("SELECT id FROM jobs ORDER BY id DESC LIMIT ?", (limit,))]

    def unfinished(self) -> list[str]:
        """The jobs that can still change or whose files are not where they belong, oldest first."""
        rows = self._db.execute(
            # With OR, SQLite would read all jobs.
            "SELECT id, queued_seq FROM jobs WHERE over = 0"
            " UNION SELECT id, queued_seq FROM jobs WHERE id IN (SELECT job_id FROM attempts WHERE place <> goal)"
            " ORDER BY queued_seq"
        )
        return [row[0] for row in rows]

    def standing(self, job_id: str) -> tuple[bool, int] | None:
        """Whether the job can change no more, and the event its state is of; None if there is none of that id."""
        row = self._db.execute(f"SELECT over, {_SEQ}, state FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            return None
        from daemon import codec

        over, seq, state = row
        return bool(over), codec.load(state, job_id).seq if seq is None else int(seq)

    def over_ids(self) -> set[str]:
        """The jobs that can change no more. All of them, but from two indexes alone: rows are large."""
        final = self._db.execute("SELECT id FROM jobs WHERE status IN ('completed', 'canceled')")
        still_open = self._db.execute("SELECT id FROM jobs WHERE over = 0")
        return {row[0] for row in final} - {row[0] for row in still_open}

    def last_events(self) -> Iterator[tuple[str, int, str, str]]:
        """Of each job that can still change: its id, and number, time and type of its last event, if that is sound:
        who asks for the event itself is told what is damaged.
        """
        yield from self._db.execute(
            "SELECT jobs.id, events.seq, events.ts, events.type FROM jobs CROSS JOIN events"
            " ON events.seq = (SELECT max(seq) FROM events WHERE job_id = jobs.id) WHERE over = 0"
            " AND CASE WHEN json_valid(payload) THEN json_type(payload) = 'object' END"
        )

    def torn(self) -> str | None:
        """A job that can still change and whose state is not that of its last event: they are one commit."""
        from daemon import codec

        rows = self._db.execute(
            "SELECT id, state, (SELECT max(seq) FROM events WHERE job_id = jobs.id) AS last FROM jobs"
            f" WHERE over = 0 AND {_SEQ} IS NOT last"
        )
        return next((job_id for job_id, state, last in rows if codec.load(state, job_id).seq != last), None)

    def ids(self) -> list[str]:
        """All jobs, oldest first."""
        return [row[0] for row in self._db.execute("SELECT id FROM jobs ORDER BY queued_seq")]

    def last_seq(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def events(self, job_id: str | None = None, after: int = 0) -> Iterator[Event]:
        """Events with a greater seq, in order; of one job, or of the workspace."""
        from daemon import codec

        where, values = ("job_id = ? AND seq > ?", (job_id, after)) if job_id else ("seq > ?", (after,))
        query = f"SELECT {codec.EVENT_COLUMNS} FROM events WHERE {where} ORDER BY seq"
        yield from map(codec.event, self._db.execute(query, values))

    def claimed(self, file: str) -> tuple[str, str, str] | None:
        """Id, time and name of the request that this very file became; ``file`` as `file_key` gives it."""
        return self._db.execute(  # type: ignore[no-any-return]
            "SELECT id, created_at, request_name FROM jobs"
            " WHERE request_identity >= ? AND request_identity < ? ORDER BY queued_seq DESC",
            (file, f"{file};"),
        ).fetchone()

    def claimed_as_name(self, name: str, limit: int = 3) -> list[tuple[str, str]]:
        """Id and time of the jobs that came from a file of this name, latest first. Reads every job."""
        return self._db.execute(
            "SELECT id, created_at FROM jobs WHERE request_name = ? ORDER BY queued_seq DESC LIMIT ?",
            (name, limit),
        ).fetchall()

    def request(self, job_id: str) -> tuple[bytes, bytes] | None:
        """The request and the pipeline of a job, byte for byte."""
        row = self._db.execute("SELECT request, pipeline FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return (row[0], row[1]) if row else None

    def request_sha256(self, job_id: str) -> str | None:
        row = self._db.execute("SELECT request_sha256 FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return row[0] if row else None

    def decisions(self, job_id: str) -> list[Looked]:
        """The decision files of a job that were looked at, in order."""
        rows = self._db.execute(
            "SELECT name, verdict, stage, attempt, by, at, why, sha256, identity FROM decisions"
            " WHERE job_id = ? ORDER BY id",
            (job_id,),
        )
        return [Looked(*row) for row in rows]

    def decision_bytes(self, job_id: str, sha256: str) -> bytes | None:
        """A decision file as it was given."""
        row = self._db.execute(
            "SELECT bytes FROM decisions WHERE job_id = ? AND sha256 = ?", (job_id, sha256)
        ).fetchone()
        return row[0] if row else None

    def looked_at(self, job_id: str, file: str) -> Looked | None:
        """What became of this very decision file; ``file`` as `file_key` gives it."""
        found = [d for d in self.decisions(job_id) if key_of(d.identity) == file]
        return found[-1] if found else None

    def quick_check(self) -> str:
        """``ok``, or what is damaged."""
        try:
            return str(self._db.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)

    def integrity_check(self) -> str:
        """As `quick_check`, and whether the indexes say what the tables say; takes its time."""
        try:
            return str(self._db.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)

    def backup(self, target: Path) -> None:
        """A consistent copy, taken while the daemon works."""
        copy = sqlite3.connect(target, isolation_level=None)
        try:
            self._db.backup(copy)
        finally:
            copy.close()

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _summaries(self, where: str, limit: int) -> list[Summary]:
        return [Summary(*row) for row in self._db.execute(f"SELECT {_SUMMARY} FROM jobs {where}", (limit,))]


def key_of(identity: str) -> str:
    """A recorded identity, of this release or the one before, as `file_key` gives it."""
    return ":".join(identity.split(":")[-4:-1]) + ":"


def file_key(status: os.stat_result) -> str:
    """What stays the same of a file that is renamed or unlinked: the database's identity without its last part."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:"
