"""The database made anew from its copies: ledger, events of the runs, accepted requests, pipelines.

A job's state is the fold of its events by the rules' own function, so folding them again gives the same
state. The daemon's lock is held throughout; the old database is kept aside.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from daemon.changes import Change, Claim, DecisionFile, Owed
from daemon.checkup import Checkup
from daemon.errors import CannotWrite, Illegal, NotPossible
from daemon.evidence import Evidence, whole
from daemon.files import fsync_folder, write_copy
from daemon.lane import DaemonLock
from daemon.ledger import closed
from daemon.looking import is_folder
from daemon.machine import decide
from daemon.model import Event, Job, Type
from daemon.projection import Projection, lines
from daemon.spool import LIMIT_BYTES
from daemon.store import Store
from daemon.workspace import Workspace

BATCH = 500
_ANSWERS = {
    Type.GATE_APPROVED: "approve.yaml",
    Type.GATE_REJECTED: "reject.yaml",
    Type.GATE_REOPENED: "resume.yaml",
    Type.JOB_RESUMED: "resume.yaml",
    Type.JOB_CANCELED: "cancel.yaml",
}


@dataclass(slots=True)
class Rebuilt:
    """What came of it. ``problems`` names what the copies could not tell."""

    jobs: int = 0
    events: int = 0
    kept: Path | None = None
    problems: list[str] = field(default_factory=list)


def rebuild(workspace: Workspace) -> Rebuilt:
    """Fold the copies into a new database. Raises TryAgain (a daemon runs), NotPossible, CannotWrite."""
    lock = DaemonLock(workspace.daemon_lock)
    lock.acquire()
    try:
        return _Rebuild(workspace).run()
    except OSError as error:
        raise CannotWrite(
            f"{error.filename or workspace.jobs}: {error.strerror}; the old database stands"
        ) from error
    finally:
        lock.release()


class _Rebuild:
    """One rebuilding, from reading the copies to the exchange of the files."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._result = Rebuilt()
        self._evidence = Evidence(workspace, self._result.problems)
        self._jobs: dict[str, Job] = {}
        self._lost: set[str] = set()

    def run(self) -> Rebuilt:
        events = self._evidence.events()
        if not events:
            raise NotPossible(
                "neither the ledger jobs/state*.jsonl nor runs/*/events.jsonl holds an event: nothing to rebuild from"
            )
        target = self._workspace.jobs / "spork.db.new"
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        store = Store(target)
        try:
            for key, value in self._evidence.marks.items():
                store.set_meta(key, value)
            kept = self._fold(store, events)
            self._settle(store)
            Checkup(target, at_once_bytes=sys.maxsize).begin()
        finally:
            store.close()
            self._evidence.close()
        _write_ledger(self._workspace, kept)
        self._result.kept = _exchange(self._workspace.db, target)
        self._copy(kept)
        self._result.jobs, self._result.events = len(self._jobs), len(kept)
        return self._result

    def _copy(self, kept: list[Event]) -> None:
        """Make the copies in the run directories say the same, but for a job that was not understood to its end."""
        events: dict[str, list[Event]] = {}
        for event in kept:
            events.setdefault(event.job_id or "", []).append(event)
        projection = Projection(self._workspace)
        for job_id, job in self._jobs.items():
            try:
                if job_id not in self._lost:
                    projection.remake(job, events[job_id])
            except OSError as error:
                self._result.problems.append(f"runs/{job_id}: its copies cannot be written: {error.strerror}")

    # -- folding

    def _fold(self, store: Store, events: list[Event]) -> list[Event]:
        """Record the events under their own numbers; gives those that the rules took."""
        kept: list[Event] = []
        batch: list[Change] = []
        first = 0
        for event in events:
            if len(batch) == BATCH or (batch and event.seq != first + len(batch)):
                _record(store, first, batch)
                batch = []
            change = self._change(event)
            if change is None:
                continue
            if not batch:
                first = event.seq
            elif event.seq != first + len(batch):
                _record(store, first, batch)
                batch, first = [], event.seq
            batch.append(change)
            kept.append(event)
        _record(store, first, batch)
        return kept

    def _change(self, event: Event) -> Change | None:
        if event.job_id is None:
            return Change(None, [event])
        if event.job_id in self._lost:
            return None
        before = self._jobs.get(event.job_id)
        try:
            self._jobs[event.job_id] = decide(before, event)
        except (Illegal, KeyError, TypeError, ValueError, StopIteration) as error:
            self._lost.add(event.job_id)
            self._result.problems.append(
                f"{event.job_id}: event {event.seq} ({event.type}) does not follow from those before it"
                f" ({error}); kept as it was until then"
            )
            return None
        claim = self._claim(event) if before is None else None
        return Change(before, [event], claim=claim, decision=self._decision(event) if before else None)

    def _claim(self, event: Event) -> Claim:
        """The request and pipeline as they were accepted."""
        job_id = event.job_id or ""
        known = self._evidence.request(job_id)
        request = whole(self._workspace.request(job_id)) or known[0]
        pipeline = self._pipeline(event, known[1])
        if request is None:
            self._result.problems.append(
                f"{job_id}: jobs/{job_id}.yaml is missing; its request is lost, its state is not."
                f" Put the file back from a backup and rebuild again, or leave it: this is said once"
            )
        sha = event.payload.get("request_sha256") or hashlib.sha256(request or b"").hexdigest()
        # No request is empty: an earlier rebuild has told that this one is lost.
        if request and hashlib.sha256(request).hexdigest() != sha:
            self._result.problems.append(f"{job_id}: jobs/{job_id}.yaml is not what was accepted")
        name = event.message.rpartition("inbox/")[2]
        return Claim(name, str(event.payload.get("identity", "")), request or b"", sha, pipeline or b"")

    def _pipeline(self, event: Event, known: bytes | None) -> bytes:
        """The pipeline that was accepted, known by its sha256: in the run directory anybody may have edited it."""
        job_id = event.job_id or ""
        for data in (known, whole(self._workspace.run(job_id) / "pipeline.yaml", LIMIT_BYTES)):
            if data is not None and hashlib.sha256(data).hexdigest() == event.payload["pipeline_sha256"]:
                return data
        if is_folder(self._workspace.run(job_id)):
            self._result.problems.append(
                f"{job_id}: the pipeline that it was accepted with is lost; a stage that were to start fails the job"
            )
        return b""

    def _decision(self, event: Event) -> DecisionFile | None:
        """The decision file behind an event."""
        sha = event.payload.get("sha256")
        if not sha or event.job_id is None:
            return None
        name = _answer(event)
        if not name:
            return None
        return DecisionFile(
            name,
            "refused" if event.type is Type.DECISION_REFUSED else "recorded",
            str(event.payload.get("by", "")),
            event.payload.get("owner"),
            str(event.payload.get("identity", "")),
            sha,
            self._evidence.decision(event.job_id, sha),
            str(event.payload.get("why", "")),
        )

    # -- what is on disk already

    def _settle(self, store: Store) -> None:
        """Note which attempts' files are where they belong; for the rest the daemon pays the debt."""
        for job_id in store.owing_jobs():
            run = self._workspace.run(job_id)
            owed = store.owed(job_id)
            published = {a.path for debt in owed if debt.goal == "run" for a in debt.artifacts}
            for debt in owed:
                if _is_settled(run, debt, published):
                    store.moved(job_id, debt)
        # Moves are noted with a commit; this one holds nothing else.
        store.record()


def _answer(event: Event) -> str:
    """The name of the file that the event records; empty where none is behind it, or another event records that."""
    if event.type is Type.DECISION_REFUSED:
        return str(event.payload.get("name", ""))
    if event.type is Type.JOB_CANCELED and event.payload.get("reason") == "rejected":
        # Its bytes are those of the rejection before it.
        return ""
    return _ANSWERS.get(event.type, "")


def _is_settled(run: Path, debt: Owed, published: set[str]) -> bool:
    if not run.is_dir():
        return True
    paths = [a.path for a in debt.artifacts]
    if any(os.path.lexists(run / ".work" / debt.label / path) for path in paths):
        return False
    if debt.goal == "history":
        # Still in the way in the run directory, under a name that no later attempt has published.
        return not any(path not in published and os.path.lexists(run / path) for path in paths)
    return True


def _record(store: Store, first: int, batch: list[Change]) -> None:
    if batch:
        store.number_from(first)
        store.record(*batch)


def _write_ledger(workspace: Workspace, events: list[Event]) -> None:
    """Each file of the ledger as the database now knows it, where it is not the same already."""
    after = 0
    for upto, path in [*closed(workspace), (None, workspace.ledger)]:
        part = [e for e in events if e.seq > after and (upto is None or e.seq <= upto)]
        after = after if upto is None else upto
        data = lines(part)
        if (whole(path) or b"") != data:
            if path.exists():
                os.link(path, path.with_name(f"{path.name}.before-{_stamp()}"))
            write_copy(path, data, mode=0o640)


def _exchange(db: Path, new: Path) -> Path | None:
    """Put the new database in the old one's place; gives where the old one is kept."""
    kept = None
    if db.exists():
        kept = db.with_name(f"{db.name}.before-{_stamp()}")
        for suffix in ("", "-wal"):
            if os.path.exists(f"{db}{suffix}"):
                os.link(f"{db}{suffix}", f"{kept}{suffix}")
    # The old log must be gone before the new file takes the name: SQLite would read it into the new database.
    # A crash in between leaves the old database as of its last checkpoint; rebuild again.
    for suffix in ("-wal", "-shm"):
        Path(f"{db}{suffix}").unlink(missing_ok=True)
    # SQLite synced it when it was closed.
    os.rename(new, db)
    fsync_folder(db.parent)
    return kept


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
