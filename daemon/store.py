"""The database as the daemon holds it open: an event and the state it makes are one transaction.

One writer. Every change of a job is a compare-and-set on its version; what the rules refuse or another
writer overtook leaves the database as it was.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from daemon import codec
from daemon.changes import Change, Owed, Recorded
from daemon.database import begin, open_reader, open_writer
from daemon.errors import Halt
from daemon.machine import decide
from daemon.model import Artifact, Event, Job
from daemon.received import Received
from daemon.tables import add_decision, add_events, add_job, change_job, index

REMEMBERED = 128
"""Jobs kept in memory as they were last recorded: the head of the queue and who moved lately."""


class Store:
    """The open database. ``read_only`` is for commands that look while the daemon works."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._db = open_reader(path) if read_only else open_writer(path)
        self.received = Received(self._db, path)
        self._inode = os.stat(path).st_ino
        self._next_seq = self.last_seq() + 1
        self._moved: list[tuple[str, str, str, int]] = []
        self._known: dict[str, Job] = {}

    @property
    def token(self) -> str:
        """What names this workspace to its processes, for ever."""
        return self.meta("token") or ""

    def close(self) -> None:
        """Note what has been moved since the last commit, and let go."""
        with contextlib.suppress(Halt, OSError, sqlite3.Error):
            self.note_moves()
        self._db.close()

    def forget_pages(self) -> None:
        """Let go of the pages kept in memory; they are read again when they are asked for."""
        self._db.execute("PRAGMA shrink_memory")

    def prove(self) -> None:
        """Halt unless the file is in its place and answers a read."""
        self.check_place()
        try:
            self.meta("token")
        except sqlite3.Error as error:
            raise Halt(f"{self.path}: cannot be read: {error}; see: spork doctor, spork rebuild") from error

    def check_place(self) -> None:
        """Halt if the file was deleted or replaced: SQLite would go on writing into nowhere."""
        try:
            same = os.stat(self.path).st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise Halt(
                f"{self.path}: deleted or replaced under the daemon; put it back or run: spork rebuild"
            )

    # -- writing

    def number_from(self, seq: int) -> None:
        """Give the next event this number: for rebuilding, where events keep those they had."""
        self._next_seq = seq

    def record(self, *changes: Change) -> list[Recorded]:
        """Commit all changes or none; Overtaken or Illegal if one does not fit, OSError ENOSPC where there is no
        room, Halt if the disk fails otherwise.
        """
        self.check_place()
        db, seq = self._db, self._next_seq
        try:
            begin(db)
            self._settle_moves()
            recorded = []
            for change in changes:
                done = self._apply(change, seq)
                seq += len(done.events)
                recorded.append(done)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            failed = self._failed(error)
            if isinstance(failed, Halt):
                # The daemon ends: what was moved is found moved by the next one, and closing need not wait again.
                self._moved.clear()
            raise failed from error
        except BaseException:
            self._roll_back()
            raise
        self._next_seq = seq
        self._moved.clear()
        for done in recorded:
            if done.job is not None:
                self._remember(done.job)
        return recorded

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _failed(self, error: sqlite3.Error) -> Exception:
        """A full disk may have room again, and what was written so far is written anew. After any other failure,
        above all of a sync, nothing that this connection believes can be relied on.
        """
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return OSError(errno.ENOSPC, "no room to record", str(self.path))
        return Halt(f"{self.path}: cannot record: {error}")

    def _apply(self, change: Change, seq: int) -> Recorded:
        job, events = change.job, []
        for event in change.events:
            numbered = replace(event, seq=seq)
            if event.job_id is not None:
                job = decide(job, numbered)
                numbered = replace(numbered, status=str(job.status))
                index(self._db, job, numbered)
            events.append(numbered)
            seq += 1
        add_events(self._db, events)
        if change.claim is not None and job is not None:
            add_job(self._db, job, change.claim)
        elif job is not None and job is not change.job:
            change_job(self._db, job, change.job)
        if change.decision is not None and change.job is not None:
            add_decision(
                self._db,
                change.job,
                change.decision,
                change.events[0].ts if change.events else (job.updated_at if job else ""),
            )
        return Recorded(job, tuple(events))

    def moved(self, job_id: str, owed: Owed) -> None:
        """The attempt's files are where they belong. Noted with the next commit: doing it again is harmless."""
        self._moved.append((owed.goal, job_id, owed.stage, owed.attempt))

    def note_moves(self) -> None:
        """Note what has been moved in a commit of its own, where no other may come soon. Raises as `record`."""
        if self._moved:
            self.record()

    def _settle_moves(self) -> None:
        self._db.executemany(
            "UPDATE attempts SET place=? WHERE job_id=? AND stage=? AND attempt=?", self._moved
        )

    def set_meta(self, key: str, value: str) -> None:
        """Note a fact about the workspace, in a transaction of its own. Halt, or OSError for want of room."""
        try:
            begin(self._db)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._failed(error) from error

    # -- reading

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return row[0] if row else None

    def last_seq(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def job(self, job_id: str) -> Job | None:
        row = self._db.execute("SELECT version FROM jobs WHERE id=?", (job_id,)).fetchone()
        return self._at_version(job_id, row[0]) if row else None

    def _at_version(self, job_id: str, version: int) -> Job:
        """The job from memory if it was last recorded here, else from its row, which costs the most."""
        known = self._known.get(job_id)
        if known is None or known.version != version:
            (text,) = self._db.execute("SELECT state FROM jobs WHERE id=?", (job_id,)).fetchone()
            known = codec.load(text, job_id)
            self._remember(known)
        return known

    def _remember(self, job: Job) -> None:
        self._known.pop(job.id, None)
        self._known[job.id] = job
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def queued(self, only: Collection[str] | None = None, limit: int = 8) -> list[Job]:
        """The next in the queue, first by priority, then age; of these ids only, if given."""
        # Named, or SQLite prefers jobs_status, and sorts all that are queued for each start.
        rows = self._db.execute(
            "SELECT id, version FROM jobs INDEXED BY jobs_queue WHERE status = 'queued'"
            " ORDER BY priority DESC, queued_seq LIMIT ?",
            (limit if only is None else -1,),
        ).fetchall()
        return [
            self._at_version(job_id, version) for job_id, version in rows if only is None or job_id in only
        ]

    def open_ids(self) -> list[str]:
        """The jobs that can still change, oldest first."""
        return [row[0] for row in self._db.execute("SELECT id FROM jobs WHERE over = 0 ORDER BY queued_seq")]

    def ids(self) -> list[str]:
        """All jobs, oldest first."""
        return [row[0] for row in self._db.execute("SELECT id FROM jobs ORDER BY queued_seq")]

    def open_attempts(self) -> list[str]:
        """The ids of the jobs whose attempt has not ended."""
        return [row[0] for row in self._db.execute("SELECT job_id FROM attempts WHERE status = 'running'")]

    def gates_with_time(self) -> list[tuple[str, str]]:
        """Job id and expiry of each open gate that expires."""
        return list(
            self._db.execute(
                "SELECT id, expires_at FROM jobs WHERE status = 'needs_approval' AND expires_at IS NOT NULL"
            )
        )

    def owing_jobs(self) -> list[str]:
        return [
            row[0] for row in self._db.execute("SELECT DISTINCT job_id FROM attempts WHERE place <> goal")
        ]

    def owed(self, job_id: str, done: Collection[tuple[str, int, str]] = ()) -> list[Owed]:
        """What the job's attempts still owe its directory but for those keys, in the order to do it in."""
        rows = self._db.execute(
            "SELECT stage, attempt, number, place, goal FROM attempts WHERE job_id=? AND place <> goal"
            " ORDER BY number, attempt",
            (job_id,),
        ).fetchall()
        settled = {(stage, attempt): goal for goal, job, stage, attempt in self._moved if job == job_id}
        return [
            Owed(stage, attempt, number, place, goal, self.artifacts(job_id, stage, attempt))
            for stage, attempt, number, place, goal in rows
            if settled.get((stage, attempt)) != goal and (stage, attempt, goal) not in done
        ]

    def artifacts(self, job_id: str, stage: str, attempt: int) -> tuple[Artifact, ...]:
        rows = self._db.execute(
            "SELECT path, kind, bytes, sha256, meta FROM artifacts WHERE job_id=? AND stage=? AND attempt=?",
            (job_id, stage, attempt),
        )
        return tuple(
            Artifact(path, kind, size, sha, json.loads(meta)) for path, kind, size, sha, meta in rows
        )

    def events(self, job_id: str | None = None, after: int = 0) -> Iterator[Event]:
        """Events with a greater seq, in order; of one job, or of the workspace."""
        where, args = ("job_id=? AND seq>?", (job_id, after)) if job_id else ("seq>?", (after,))
        query = f"SELECT {codec.EVENT_COLUMNS} FROM events WHERE {where} ORDER BY seq"
        yield from map(codec.event, self._db.execute(query, args))

    def touched_lately(self, after: int) -> set[str]:
        """The jobs of the events after that one."""
        rows = self._db.execute(
            "SELECT DISTINCT job_id FROM events WHERE job_id IS NOT NULL AND seq > ?",
            (after,),
        )
        return {row[0] for row in rows}

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each status."""
        return dict(self._db.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall())
