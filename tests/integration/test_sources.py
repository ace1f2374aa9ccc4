"""A request's sources: looked at until all are fit to be taken, and copied once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import QUICK, Studio
from tests.whole.unplugged import Unplugged

PIPELINE = """\
name: three
params: {sources: {type: files, max: 3}}
stages:
  - {name: a, run: "./work.py:run", outputs: [a.txt]}
"""
WAIT_SECONDS = 2
"""As QUICK says: sources_wait_seconds."""


class Daemon:
    """A daemon without processes, its clock in the test's hands."""

    def __init__(self, base: Path) -> None:
        self.studio = Studio(base / "studio", QUICK)
        self.studio.pipeline("three", PIPELINE, work="")
        self.unplugged = Unplugged(self.studio.root)
        self.sources = self.studio.root / "sources"
        self.inbox = self.studio.root / "inbox"

    def ask(self, *names: str) -> Path:
        """Drop the request j-1 for these sources."""
        self.studio.submit("j-1", "three", params={"sources": list(names)})
        return self.inbox / "j-1.yaml"

    def run_after(self, seconds: float) -> None:
        self.unplugged.clock.pass_time(seconds)
        self.unplugged.run()

    def taken(self) -> bool:
        return self.studio.run("j-1").is_dir()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.unplugged.close()


def test_nothing_is_copied_until_all_sources_are_there(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waits for one source costs no reading of the others, however large they are."""
    (daemon.sources / "big.bin").write_bytes(b"b" * 1000)
    read, copied = os.pread, list[int]()

    def counted(fd: int, size: int, offset: int) -> bytes:
        copied.append(size)
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    daemon.ask("big.bin", "late.txt")
    for _ in range(3):
        daemon.run_after(0.5)
    assert not daemon.taken() and not copied
    (daemon.sources / "late.txt").write_text("late")
    daemon.run_after(0.5)
    assert daemon.taken() and copied.count(1000) == 1


def test_a_request_that_was_withdrawn_waits_anew(daemon: Daemon) -> None:
    """Its time counts while it lies in the inbox: moved out and back, it has all of it again, and is refused then."""
    request = daemon.ask("late.txt")
    daemon.run_after(0)
    elsewhere = daemon.studio.root / "elsewhere.yaml"
    request.rename(elsewhere)
    daemon.run_after(WAIT_SECONDS + 1)
    elsewhere.rename(request)
    daemon.run_after(0)
    daemon.run_after(WAIT_SECONDS / 2)
    assert request.exists()
    daemon.run_after(WAIT_SECONDS / 2)
    assert not request.exists()
    assert "late.txt is missing after 2 s" in (daemon.inbox / "rejected/j-1.yaml.error.txt").read_text()


def test_another_request_under_the_same_name_waits_anew(daemon: Daemon) -> None:
    """Nobody looked between the two, so the name was never missing: what was waited for is told by the file."""
    daemon.ask("late.txt")
    daemon.run_after(0)
    daemon.unplugged.clock.pass_time(WAIT_SECONDS + 1)
    request = daemon.ask("other.txt", "late.txt")
    daemon.run_after(0)
    (daemon.sources / "other.txt").write_text("here")
    daemon.run_after(0.5)
    assert request.exists()
    (daemon.sources / "late.txt").write_text("late")
    daemon.run_after(0.5)
    assert daemon.taken()
