"""What the database keeps of people's files: requests and decisions, byte for byte, and what was said of each.

A file that lies there again, after a crash or because it could not be removed, is known by this, and nothing is
done twice. Only read here: it is written with the change that the file made, see `tables`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from daemon.changes import DecisionFile, Verdict
from daemon.model import Job


class Received:
    """The files that were taken, recorded or refused, as the open database at ``path`` knows them."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def request(self, job: Job) -> tuple[bytes, bytes]:
        """The request and the pipeline of a job, byte for byte. OSError EIO where they are not what was accepted."""
        request, pipeline, request_sha256 = self._db.execute(
            "SELECT request, pipeline, request_sha256 FROM jobs WHERE id=?", (job.id,)
        ).fetchone()
        # SQLite has no checksums: a flipped bit would make other work of it.
        for data, sha256 in ((request, request_sha256), (pipeline, job.pipeline_sha256)):
            if hashlib.sha256(data).hexdigest() != sha256:
                why = f"what was accepted as {job.id} reads otherwise; stop the daemon and run: spork rebuild"
                raise OSError(errno.EIO, why, str(self._path))
        return request, pipeline

    def request_sha256(self, job_id: str) -> str | None:
        row = self._db.execute("SELECT request_sha256 FROM jobs WHERE id=?", (job_id,)).fetchone()
        return row[0] if row else None

    def claimed_as(self, keys: Sequence[str]) -> tuple[str, str] | None:
        """Id and sha256 of the job that took this very file, known by any of these keys."""
        row = self._db.execute(
            f"SELECT id, request_sha256 FROM jobs WHERE request_identity IN ({_marks(keys)})"
            " ORDER BY queued_seq DESC",
            tuple(keys),
        ).fetchone()
        return (row[0], row[1]) if row else None

    def decision_seen(self, job_id: str, name: str, keys: Sequence[str], sha256: str) -> Verdict | None:
        """What was said about this very file under this name, known by any of these keys, if it was looked at.

        With another name it says something else: who renames approve.yaml to reject.yaml has decided anew. The
        bytes count too: where time stamps are coarse, other bytes may have the same identity.
        """
        rows = self._db.execute(
            "SELECT verdict, stage, attempt, why, identity FROM decisions WHERE job_id=? AND name=? AND sha256=?"
            " ORDER BY id DESC",
            (job_id, name, sha256),
        )
        for *verdict, identity in rows:
            # A refused answer stays refused in a copy of the workspace, where every file has another inode.
            if identity in keys or (verdict[0] == "refused" and _same_but_inode(identity, keys[0])):
                return Verdict(*verdict)
        return None

    def recorded(self, job_id: str) -> list[tuple[DecisionFile, str | None, int]]:
        """The decisions that counted, each with the stage and attempt where the job was."""
        rows = self._db.execute(
            "SELECT name, verdict, by, owner, identity, sha256, bytes, why, stage, attempt FROM decisions"
            " WHERE job_id=? AND verdict='recorded' ORDER BY id",
            (job_id,),
        )
        return [(DecisionFile(*row[:8]), row[8], row[9]) for row in rows]

    def refusals(self, events: int = 200) -> dict[str, str]:
        """Of the requests refused last, by name: the file's identity, or the message where it stayed."""
        rows = self._db.execute(
            "SELECT payload, message FROM events WHERE job_id IS NULL AND type = 'request_refused'"
            " ORDER BY seq DESC LIMIT ?",
            (events,),
        ).fetchall()
        told = ((json.loads(payload), message) for payload, message in reversed(rows))
        return {facts["name"]: facts.get("identity") or message for facts, message in told}


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _same_but_inode(kept: str, key: str) -> bool:
    """Whether two identities agree in size and time of writing, which tar may have cut to whole seconds."""
    _, size, written, _ = kept.split(":")[-4:]
    _, size_now, written_now, _ = key.split(":")
    cut = str(int(written) // 1_000_000_000 * 1_000_000_000)
    return size == size_now and written_now in (written, cut)
