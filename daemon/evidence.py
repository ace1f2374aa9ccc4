"""What the copies on disk still tell about the jobs of a workspace whose database is gone or damaged."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from daemon.beneath import reading
from daemon.catalog import Catalog
from daemon.codec import finite
from daemon.database import NewerSchema
from daemon.errors import Halt
from daemon.eventfile import LAST_SEQ, LONGEST, is_seq
from daemon.ledger import parts
from daemon.looking import is_folder
from daemon.model import Event
from daemon.spool import LIMIT_BYTES
from daemon.workspace import Workspace

_LAST_OF_RUN = 10**12
"""The last event that a run alone is believed: whoever may write there shall not use up all numbers."""
_TEXTS = ("sha256", "name", "by", "owner", "identity", "why", "request_sha256")


class Evidence:
    """The copies of one workspace, and its database as far as it can be believed.

    ``problems`` gathers what they cannot tell.
    """

    def __init__(self, workspace: Workspace, problems: list[str]) -> None:
        self._workspace, self._problems = workspace, problems
        self._old = _readable(workspace.db)
        self._sound = self._old is not None and self._old.quick_check() == "ok"
        kept = {key: self._old.meta(key) for key in ("token", "place")} if self._old is not None else {}
        self.marks = {key: value for key, value in kept.items() if value}
        """By which the next start knows processes that a killed daemon left, and whether this is a copy (`twin`)."""

    def close(self) -> None:
        if self._old is not None:
            self._old.close()

    def events(self) -> list[Event]:
        """Every event that is known, by seq, as two of ledger, run and database tell it, or as the first of these.

        Copies follow the commit, so the database may know the newest, even a damaged one. One that tells another
        history than the ledger is not this workspace's.
        """
        ledger = {e.seq: e for path in parts(self._workspace) for e in self._lines(path, LAST_SEQ)}
        runs = {
            e.seq: e
            for path in sorted(self._workspace.runs.glob("*/events.jsonl"))
            if is_folder(path.parent)
            for e in self._lines(path, _LAST_OF_RUN)
            if e.job_id == path.parent.name
        }
        known = {e.seq: e for e in _tail(self._old, 0)} if self._sound else {}
        if any(_fact(known[seq]) != _fact(e) for seq, e in ledger.items() if seq in known):
            self._problems.append("jobs/spork.db tells another history than the ledger; it was not believed")
            self.close()
            self._sound, self._old, known = False, None, {}
        if self._sound:
            # What a run alone tells of the time that a sound database covers is a stranger's.
            last = max(known, default=0)
            runs = {seq: e for seq, e in runs.items() if seq > last or seq in known or seq in ledger}
        else:
            known = _following(_tail(self._old, max({*ledger, *runs}, default=0)))
        # Where only a run and the database tell, the run's file is the one that anybody may have edited.
        told = [ledger, known, runs] if self._sound else [ledger, runs, known]
        return [_agreed([by[seq] for by in told if seq in by]) for seq in sorted({*ledger, *runs, *known})]

    def request(self, job_id: str) -> tuple[bytes | None, bytes | None]:
        """Request and pipeline as the old database kept them."""
        try:
            known = self._old.request(job_id) if self._old is not None else None
        except sqlite3.Error:
            known = None
        return known or (None, None)

    def decision(self, job_id: str, sha: str) -> bytes:
        """The bytes of a decision as it was given; none where they were not kept."""
        for path in sorted((self._workspace.run(job_id) / "decisions").glob("*.yaml")):
            data = whole(path, LIMIT_BYTES)
            if data is not None and hashlib.sha256(data).hexdigest() == sha:
                return data
        try:
            known = self._old.decision_bytes(job_id, sha) if self._old is not None else None
        except sqlite3.Error:
            known = None
        return known if known is not None and hashlib.sha256(known).hexdigest() == sha else b""

    def _lines(self, path: Path, last_seq: int) -> Iterator[Event]:
        file = _opened(path)
        if file is None:
            return
        odd: list[str] = []
        read = finite(odd.append)
        with file:
            for number in itertools.count(1):
                line = file.readline(LONGEST)
                if not line.endswith(b"\n"):
                    if len(line) == LONGEST:
                        self._problem(path, number, "longer than any event; left out, with what follows")
                    return
                odd.clear()
                try:
                    event = Event.of(json.loads(line, parse_float=read, parse_constant=read))
                    _check(event, line, last_seq)
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
                    self._problem(path, number, "not an event; left out")
                    continue
                if odd:
                    why = f"{odd[0][:40]} is not a number of JSON; null stands in its place"
                    self._problem(path, number, why)
                yield event

    def _problem(self, path: Path, number: int, what: str) -> None:
        self._problems.append(f"{path.relative_to(self._workspace.root)}:{number}: {what}")


def whole(path: Path, most: int = -1) -> bytes | None:
    """A regular file's bytes, ``most`` of them where strangers may write; None where there is none to be read."""
    file = _opened(path)
    if file is None:
        return None
    with file:
        try:
            return file.read(most)
        except OSError:
            return None


def _opened(path: Path) -> BinaryIO | None:
    """A regular file to be read; None where there is none or it cannot be opened."""
    try:
        file = BufferedReader(
            reading(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        )
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def _check(event: Event, line: bytes, last_seq: int) -> None:
    """ValueError, TypeError or KeyError where it is not of the shape of an event: the database would not take it."""
    texts = (event.job_id, event.stage, event.status)
    facts = event.payload
    if not (
        is_seq(event.seq)
        and event.seq <= last_seq
        and isinstance(event.ts, str)
        and isinstance(event.message, str)
        and isinstance(facts, dict)
        and all(text is None or isinstance(text, str) for text in texts)
        and (event.attempt is None or is_seq(event.attempt) or event.attempt == 0)
        and all(isinstance(facts.get(key) or "", str) for key in _TEXTS)
        and all(_is_number(facts.get(key)) for key in ("seconds", "limit_seconds"))
        and all(_is_artifact(one) for one in facts.get("artifacts", ()))
    ):
        raise ValueError
    # Only so can a lone surrogate be told in JSON, and no file and no database takes one.
    if b"\\ud" in line.lower():
        json.dumps(facts, ensure_ascii=False).encode()
        "".join((event.ts, event.message, *(text or "" for text in texts))).encode()


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) <= LAST_SEQ)


def _is_artifact(value: dict[str, object]) -> bool:
    texts = (value["path"], value["kind"], value["sha256"])
    size = value["bytes"]
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(size, int)
        and 0 <= size <= LAST_SEQ
        and isinstance(value.get("meta", {}), dict)
    )


def _readable(path: Path) -> Catalog | None:
    """The old database, as far as it opens."""
    if not path.exists():
        return None
    try:
        catalog = Catalog(path)
        catalog.meta("token")
    except NewerSchema:
        # Sound, and it knows what this release does not.
        raise
    except (Halt, sqlite3.Error):
        return None
    return catalog


def _fact(event: Event) -> tuple[str, str | None, str]:
    """What tells an event from another one of the same number."""
    return event.ts, event.job_id, str(event.type)


def _agreed(told: list[Event]) -> Event:
    """What two of them say, else what the first one says."""
    return told[-1] if len(told) == 3 and told[1] == told[2] else told[0]


def _following(newest: list[Event]) -> dict[int, Event]:
    """Of a damaged database's newest events those that follow without a gap: beyond one may be anything."""
    first = newest[0].seq if newest else 0
    return {e.seq: e for number, e in enumerate(newest, first) if e.seq == number}


def _tail(old: Catalog | None, last: int) -> list[Event]:
    """The events after that one, in order, as far as they can be read."""
    found: list[Event] = []
    if old is not None:
        try:
            found.extend(old.events(after=last))
        except (Halt, sqlite3.Error):
            # Damaged from here on; what was read before is good.
            pass
    return found
