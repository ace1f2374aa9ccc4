"""The least that does the job: a stage's cost where only durability and its own process are promised.

inotify, SQLite (WAL, FULL) with two commits a stage, a fork of this warm process for each of nine stages
that do nothing but leave one file, an approval file. No logs, limits, lane, validation, digests or recovery.
Run as ``python -m bench.reference DIR``; a request is a file renamed into ``DIR/inbox``, its text the number
of the stage after which ``approve.yaml`` is waited for, or 0.
"""

from __future__ import annotations

import ctypes
import os
import select
import sqlite3
import struct
import sys
import time
from collections import deque
from pathlib import Path

STAGES = 9
_MOVED_TO = 0x80
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Reference:
    """One folder's work. A job is ``[stages done, stage after which to wait]``."""

    def __init__(self, root: Path) -> None:
        self.inbox, self.runs = root / "inbox", root / "runs"
        for folder in (self.inbox, self.runs):
            folder.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(root / "reference.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, stage INTEGER, status TEXT)")
        self.bell: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watched = {self.watch(self.inbox): ""}
        self.jobs: dict[str, list[int]] = {}
        self.queue: deque[str] = deque()

    def watch(self, folder: Path) -> int:
        number: int = _libc.inotify_add_watch(self.bell, os.fsencode(folder), _MOVED_TO)
        return number

    def serve(self) -> None:
        """Work until killed."""
        poll = select.poll()
        poll.register(self.bell, select.POLLIN)
        while True:
            poll.poll(0 if self.queue else None)
            self.take(list(self.heard()))
            if self.queue:
                self.run_stage(self.queue[0])

    def heard(self) -> list[tuple[str, str]]:
        """The job (none: the inbox) and the name of every file that was renamed into a folder."""
        found = []
        try:
            data = os.read(self.bell, 1 << 18)
        except BlockingIOError:
            return []
        at = 0
        while at < len(data):
            watch, _, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            found.append((self.watched[watch], os.fsdecode(data[at - length : at].rstrip(b"\0"))))
        return found

    def take(self, heard: list[tuple[str, str]]) -> None:
        """Claim what lies in the inbox in one commit, and act on approvals."""
        names = [name for job, name in heard if not job]
        if names:
            self.db.execute("BEGIN IMMEDIATE")
            for name in names:
                job = name.removesuffix(".yaml")
                self.jobs[job] = [0, int((self.inbox / name).read_text())]
                self.db.execute("INSERT INTO jobs VALUES (?, 0, 'queued')", (job,))
            self.db.execute("COMMIT")
            for name in names:
                job = name.removesuffix(".yaml")
                (self.runs / job).mkdir()
                if self.jobs[job][1]:
                    self.watched[self.watch(self.runs / job)] = job
                (self.inbox / name).unlink()
                self.queue.append(job)
        for job, name in heard:
            if job and name == "approve.yaml":
                self.commit(job, "queued")
                self.queue.append(job)

    def run_stage(self, job: str) -> None:
        """One stage in a process of its own, between two commits."""
        self.commit(job, "running")
        done, gate = self.jobs[job]
        pid = os.fork()
        if pid == 0:
            try:
                self.be_stage(job, done + 1)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        done = self.jobs[job][0] = done + 1
        waits, over = done == gate, done == STAGES
        self.commit(job, "waiting" if waits else "completed" if over else "queued")
        if waits or over:
            self.queue.popleft()

    def be_stage(self, job: str, number: int) -> None:
        began = time.monotonic_ns()
        (self.runs / job / f"s{number}.txt").write_text(f"{began}\n")

    def commit(self, job: str, status: str) -> None:
        stage = self.jobs[job][0]
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("UPDATE jobs SET stage=?, status=? WHERE id=?", (stage, status, job))
        self.db.execute("COMMIT")


if __name__ == "__main__":
    reference = Reference(Path(sys.argv[1]))
    print("ready", flush=True)
    reference.serve()
