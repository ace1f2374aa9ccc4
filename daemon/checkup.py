"""Whether the database is damaged: asked at the start, and of a large one beside the work, which it would hold up.

To look at every page of a hundred thousand jobs takes seconds. Until the verdict is there the daemon believes what
it reads as it does at any later time: a row that SQLite cannot read stops it, a request is held against its sha256.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from daemon.database import open_reader
from daemon.errors import Halt

AT_ONCE_BYTES = 64 << 20
"""A database of this size is looked at in a tenth of a second: before anything is believed."""


class Checkup:
    """One look at a database. ``begin`` once; then ``judge`` in every turn, and ``end``."""

    def __init__(self, path: Path, at_once_bytes: int = AT_ONCE_BYTES) -> None:
        self._path, self._at_once = path, at_once_bytes
        self._db: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._verdict, self._looked = "ok", False
        self._bell = -1

    def begin(self) -> None:
        """Halt if the file is damaged; a large one is looked at from now on."""
        if self._path.stat().st_size <= self._at_once:
            self._db = open_reader(self._path)
            self._look(self._db)
            self.end()
            self.judge()
            return
        # A connection of its own, and SQLite lets go of the interpreter while it looks.
        self._db = open_reader(self._path, threads=True)
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._look_beside, args=(self._db,), daemon=True)
        self._thread.start()

    def judge(self) -> None:
        """Halt if what was looked at so far is damaged."""
        if self._looked:
            self.end()
        if self._verdict != "ok":
            raise Halt(f"{self._path}: damaged ({self._verdict}); stop the daemon and run: spork rebuild")

    def fileno(self) -> int:
        """Readable once the verdict is there; -1 where none is awaited."""
        return self._bell

    def end(self) -> None:
        """Look no further."""
        if self._thread is not None:
            if self._db is not None:
                self._db.interrupt()
            self._thread.join()
            self._thread, self._looked = None, False
            os.close(self._bell)
            self._bell = -1
        if self._db is not None:
            self._db.close()
            self._db = None

    def _look_beside(self, db: sqlite3.Connection) -> None:
        self._look(db)
        # Before the bell: whoever hears it need not wait for the thread to be gone as well.
        self._looked = True
        os.eventfd_write(self._bell, 1)

    def _look(self, db: sqlite3.Connection) -> None:
        try:
            self._verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            # Told to look no further is no damage.
            stopped = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
            self._verdict = "ok" if stopped else str(error)
