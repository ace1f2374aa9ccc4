"""Opening the database: one writer, any number of readers, one version of the schema."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from daemon.errors import Halt

SCHEMA_VERSION = 1
BUSY_SECONDS = 10.0
"""How long SQLite waits for another process's transaction before it says that it is busy."""
_TRIES = 3


class NewerSchema(Halt):
    """The database was made by a newer release; upgrade to that."""


def open_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection; a new file gets the schema. Raises Halt."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        path.chmod(0o640)
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, cached_statements=256)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            _create(db)
        # What a killed daemon had written and not synced reads as committed. It is synced before it is believed.
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        raise Halt(f"{path}: cannot be opened: {error}; see: spork doctor, spork rebuild") from error
    _check_version(db, path)
    return db


def open_reader(path: Path, *, threads: bool = False) -> sqlite3.Connection:
    """A connection that only looks, while the daemon works or does not. Raises Halt.

    ``threads``: it is used, and told to stop, by another thread than this one.
    """
    # A reader that may not write the folder cannot make the -shm file; without a -wal nobody is writing.
    immutable = not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK)
    quoted = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{quoted}?mode=ro" + ("&immutable=1" if immutable else "")
    try:
        db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=not threads)
        _check_version(db, path)
    except sqlite3.Error as error:
        raise Halt(f"{path}: cannot be read: {error}; see: spork doctor, spork rebuild") from error
    return db


def _tell_busy(note: str) -> None:
    import logging  # readers need neither

    from daemon.logs import say

    say("orchestrator", "database_busy", logging.WARNING, note=note)


def begin(db: sqlite3.Connection) -> None:
    """Begin a transaction that writes. Another process's is waited for and told; sqlite3.Error if it never ends.

    Altogether for less than systemd's watchdog has patience.
    """
    for left in reversed(range(_TRIES)):
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:
                raise
            note = (
                "another process holds a transaction open; waiting for it (fuser -v jobs/spork.db names it)"
            )
            _tell_busy(note)
        else:
            return


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    # Far beyond any release it is damage: a rebuild may not be refused for it.
    if SCHEMA_VERSION < found < SCHEMA_VERSION + 1000:
        raise NewerSchema(
            f"{path}: schema version {found}, this spork knows {SCHEMA_VERSION}: made by a newer spork; upgrade spork"
        )
    if found != SCHEMA_VERSION:
        raise Halt(f"{path}: schema version {found}, this spork knows {SCHEMA_VERSION}: not a spork database")


def _create(db: sqlite3.Connection) -> None:
    import uuid  # readers need neither
    from importlib.resources import files

    schema = files("daemon").joinpath("sql/schema.sql").read_text(encoding="utf-8")
    db.executescript(
        f"BEGIN IMMEDIATE;\n{schema}\n"
        f"INSERT INTO meta VALUES ('token', '{uuid.uuid4().hex}');\n"
        f"PRAGMA user_version={SCHEMA_VERSION};\nCOMMIT;"
    )
