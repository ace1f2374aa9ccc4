"""A disk that refuses one thing while a request is taken: the job is whole once it has come round."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.inbox import STUCK_SECONDS, Inbox
from tests.crashed import disagreements
from tests.studio import QUICK, Studio
from tests.whole.unplugged import Unplugged

PIPELINE = """\
name: one
params: {sources: {type: files, max: 1}}
stages:
  - {name: a, run: "./work.py:run", outputs: [a.txt]}
"""


class Daemon:
    """A daemon without processes that is at work on one job; the next waits for it."""

    def __init__(self, base: Path) -> None:
        self.studio = Studio(base / "studio", QUICK)
        self.studio.pipeline("one", PIPELINE, work="")
        self.unplugged = Unplugged(self.studio.root)
        self.studio.submit("j-1", "one")
        self.unplugged.run()

    @property
    def inbox(self) -> Inbox:
        assert self.unplugged.opened is not None
        return self.unplugged.opened.parts.inbox

    def run_later(self) -> None:
        """What was refused is tried again."""
        self.unplugged.clock.pass_time(STUCK_SECONDS)
        self.unplugged.run()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.unplugged.close()


@pytest.mark.fault(84)
@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE])
def test_a_pipeline_that_cannot_be_read_now_refuses_no_request(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """That says nothing about the request: it waits, which is told, and is taken once the disk has come round."""
    kept = os.open

    def sick(path: Any, *more: Any, **named: Any) -> int:
        if str(path).endswith("pipelines/one.yaml"):
            raise OSError(code, os.strerror(code), path)
        return kept(path, *more, **named)

    daemon.studio.submit("j-2", "one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", sick)
        daemon.unplugged.run()
    assert os.strerror(code) in daemon.inbox.waiting["j-2.yaml"]
    assert not list((daemon.studio.root / "inbox/rejected").iterdir())
    daemon.run_later()
    assert not daemon.inbox.waiting and daemon.studio.state("j-2")["status"] == "queued"


@pytest.mark.fault(84, 86)
def test_a_job_whose_birth_the_disk_cut_short_has_each_event_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory was in its place, and the copy of its request could not be written: nothing is written twice."""
    kept = os.rename

    def sick(source: Any, target: Any, **named: Any) -> None:
        if str(target) == "j-2.yaml":
            raise OSError(errno.EIO, os.strerror(errno.EIO), target)
        kept(source, target, **named)

    daemon.studio.submit("j-2", "one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", sick)
        daemon.unplugged.run()
    assert daemon.studio.run("j-2").is_dir()
    daemon.run_later()
    assert daemon.studio.types("j-2") == ["job_queued"]
    assert (daemon.studio.root / "jobs/j-2.yaml").exists() and not (
        daemon.studio.root / "inbox/j-2.yaml"
    ).exists()
    assert not disagreements(daemon.studio.root)


@pytest.mark.fault(84)
def test_a_reason_that_cannot_be_left_now_holds_up_no_other_request(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is to be refused, and a folder for refusals that takes nothing: told later, others are taken."""
    rejected = daemon.studio.root / "inbox/rejected"

    def nowhere(*_: Any) -> Any:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "rejected")

    name = "a\x01.yaml"
    daemon.studio.drop(name, "intent: x\n...\n")
    daemon.studio.submit("j-2", "one")
    with monkeypatch.context() as patch:
        patch.setattr("daemon.inbox.opened_rejected", nowhere)
        daemon.unplugged.run()
        assert daemon.studio.run("j-2").is_dir()
        assert "tried again" in daemon.inbox.waiting[name]
    daemon.run_later()
    assert "control characters" in next(rejected.glob("*.error.txt")).read_text()
    assert name not in daemon.inbox.waiting


def test_a_request_that_cannot_be_removed_is_one_job_and_told_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody made it immutable: the log does not grow by a line every other second."""
    kept, said = os.unlink, list[str]()

    def immutable(path: Any, *more: Any, **named: Any) -> None:
        if path == "j-2.yaml":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)
        kept(path, *more, **named)

    monkeypatch.setattr("daemon.inbox.say", lambda _tag, event, *_, **facts: said.append(event))
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", immutable)
        daemon.studio.submit("j-2", "one")
        daemon.unplugged.run()
        for _ in range(3):
            daemon.run_later()
        assert said == ["cannot_look"]
    daemon.run_later()
    assert said == ["cannot_look", "request_repeated"]
    assert daemon.studio.types("j-2") == ["job_queued"]


def test_refused_requests_that_cannot_be_removed_hide_no_other(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as one look takes: the next one goes past them, and the daemon sleeps."""
    kept = os.unlink

    def immutable(path: Any, *more: Any, **named: Any) -> None:
        if str(path).startswith("bad"):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), path)
        kept(path, *more, **named)

    monkeypatch.setattr(os, "unlink", immutable)
    monkeypatch.setattr("daemon.inbox.BATCH", 2)
    for number in range(2):
        daemon.studio.drop(f"bad{number}.yaml", "intnet: x\n...\n")
    daemon.studio.submit("j-2", "one")
    assert daemon.unplugged.opened is not None
    waits = [daemon.unplugged.opened.loop.turn() for _ in range(4)]
    assert daemon.studio.run("j-2").is_dir() and waits[-1] > 0


@pytest.mark.fault(84)
@pytest.mark.parametrize("call", ["unlink", "rmdir"])
def test_sources_that_the_disk_does_not_let_go_are_taken_away_later(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """They were brought into the run: the request's own folder does not stay in the inbox for ever."""
    folder = daemon.studio.root / "inbox/j-2"
    folder.mkdir()
    (folder / "one.txt").write_text("1\n")
    kept = getattr(os, call)

    def sick(path: Any, *more: Any, **named: Any) -> Any:
        taken = daemon.studio.run("j-2").exists()
        if taken and str(path).split("/")[-1] == {"unlink": "one.txt", "rmdir": "j-2"}[call]:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return kept(path, *more, **named)

    daemon.studio.submit("j-2", "one", params={"sources": ["one.txt"]})
    with monkeypatch.context() as patch:
        patch.setattr(os, call, sick)
        daemon.unplugged.run()
    assert daemon.studio.run("j-2").is_dir() and folder.is_dir()
    daemon.run_later()
    assert [path.name for path in folder.parent.iterdir()] == ["rejected"]
    assert (daemon.studio.run("j-2") / "sources/one.txt").read_text() == "1\n"
    assert daemon.studio.types("j-2") == ["job_queued"]


@pytest.mark.fault(85, 86)
def test_what_the_disk_took_half_of_is_never_seen(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first copy of state.json broke off where nobody looks; the directory appears later, without that half."""
    folder = daemon.studio.root / "inbox/j-2"
    folder.mkdir()
    (folder / "one.txt").write_text("1\n")
    write, rename = os.write, os.rename
    left: list[int] = [1]
    appeared: list[bool] = []

    def full(fd: int, data: Any) -> int:
        if left and b'"id": "j-2"' in bytes(data) and b'"waits_for"' in bytes(data):
            left.clear()
            write(fd, data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    def watched(source: Any, target: Any, **named: Any) -> None:
        rename(source, target, **named)
        if str(target) == "j-2":
            appeared.append((daemon.studio.run("j-2") / "state.json").exists())

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "rename", watched)
    daemon.studio.submit("j-2", "one", params={"sources": ["one.txt"]})
    daemon.unplugged.run()
    daemon.run_later()
    assert not left and appeared == [False]
    assert daemon.studio.state("j-2")["status"] == "queued"
    assert not disagreements(daemon.studio.root)


@pytest.mark.fault(89)
def test_a_daemon_that_cannot_see_now_what_to_prune_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For want of descriptors at that moment: old runs go an hour later."""
    studio = Studio(tmp_path / "studio", QUICK + "retention: {runs_days: 1}\n")
    studio.pipeline("one", PIPELINE, work="")
    unplugged = Unplugged(studio.root)
    try:
        unplugged.run()
        unplugged.clock.pass_time(3600.0)

        def refused(*_: Any, **__: Any) -> Any:
            raise sqlite3.OperationalError("unable to open database file")

        with monkeypatch.context() as full:
            full.setattr(sqlite3, "connect", refused)
            unplugged.run()
    finally:
        unplugged.close()
