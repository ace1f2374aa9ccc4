"""A database that is looked at beside the work: damage stops the daemon all the same, and nothing else does."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from bench.fill import fill
from bench.subjects import Daemon
from daemon.checkup import Checkup
from daemon.errors import Halt
from daemon.store import Store

PAGE = 4096


@pytest.fixture
def db(tmp_path: Path) -> Path:
    root = Daemon(tmp_path / "workspace").root
    fill(root, waiting=0, finished=40)
    return root / "jobs/spork.db"


def damage(path: Path) -> None:
    """Overwrite a page in the middle, as a bad disk does; not the first, without which nothing opens."""
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek(pages // 2 * PAGE)
        file.write(b"\xff" * PAGE)


@pytest.mark.fault(94)
def test_damage_is_told_before_anything_or_once_it_is_found(db: Path) -> None:
    """At once where the database is small; else at the first turn after the bell that the verdict rings."""
    damage(db)
    with pytest.raises(Halt, match="damaged"):
        Checkup(db).begin()
    beside = Checkup(db, at_once_bytes=0)
    beside.begin()
    poll = select.poll()
    poll.register(beside.fileno(), select.POLLIN)
    assert poll.poll(60_000)
    with pytest.raises(Halt, match="damaged"):
        beside.judge()
    assert beside.fileno() == -1


def test_a_sound_one_goes_on_and_leaves_nothing_behind(db: Path) -> None:
    """Work is recorded while it is looked at; then thread, connection and bell are gone."""
    beside = Checkup(db, at_once_bytes=0)
    beside.begin()
    store = Store(db)
    store.set_meta("boot", "another")
    store.close()
    poll = select.poll()
    poll.register(beside.fileno(), select.POLLIN)
    assert poll.poll(60_000)
    beside.judge()
    assert beside.fileno() == -1


def test_a_look_that_is_cut_off_is_no_damage(db: Path) -> None:
    """A daemon that stops does not wait for it, and does not call its database damaged."""
    beside = Checkup(db, at_once_bytes=0)
    beside.begin()
    beside.end()
    beside.judge()
