"""A request's sources: looked at until all are fit to be taken, and copied once."""

from __future__ import annotations

import errno
import os
import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.carrier import AT_ONCE_BYTES
from daemon.inbox import STUCK_SECONDS
from tests.studio import QUICK, Studio
from tests.support import PATIENCE, wait_for
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

    def run_until(self, condition: Callable[[], bool], what: str) -> None:
        """Half a second by the clock at a time; the copying goes by its own."""

        def there() -> bool:
            self.run_after(0.5)
            return condition()

        wait_for(there, what)

    @property
    def incoming(self) -> list[str]:
        return os.listdir(self.studio.root / "runs/.incoming")

    def hear(self) -> None:
        """Wait for the bell of what copies, then do what that leads to."""
        assert self.unplugged.opened is not None
        poll = select.poll()
        poll.register(self.unplugged.opened.parts.carrier.fileno(), select.POLLIN)
        assert poll.poll(PATIENCE * 1000)
        self.unplugged.run()

    @property
    def waiting(self) -> dict[str, str]:
        """Each request that lies in the inbox, and what it waits for."""
        assert self.unplugged.opened is not None
        return self.unplugged.opened.parts.inbox.waiting

    def taken(self) -> bool:
        return self.studio.run("j-1").is_dir()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.unplugged.close()


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A large copy stands still after its first read, until this is called; for good then."""
    read, going = os.pread, threading.Event()

    def held(fd: int, size: int, offset: int) -> bytes:
        data = read(fd, size, offset)
        if offset >= 1 << 20:
            assert threading.current_thread() is not threading.main_thread(), (
                "a large source is read in the loop"
            )
            assert going.wait(PATIENCE)
        return data

    monkeypatch.setattr(os, "pread", held)
    yield going.set
    going.set()


def large(path: Path, byte: bytes = b"b") -> Path:
    """Write more than is copied at once."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(byte * (AT_ONCE_BYTES + 1))
    return path


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


def test_a_large_source_holds_up_nobody(daemon: Daemon, go_on: Callable[[], None]) -> None:
    """While it is copied its request waits, which is told, and others are taken; then it is a job like any other."""
    own = large(daemon.inbox / "j-1/big.bin")
    request = daemon.ask("big.bin")
    daemon.run_after(0)
    assert daemon.waiting == {"j-1.yaml": "its sources are being copied"}
    daemon.studio.submit("j-2", "three")
    daemon.run_after(0)
    assert daemon.studio.run("j-2").is_dir() and not daemon.taken()
    go_on()
    daemon.hear()
    copy = daemon.studio.run("j-1") / "sources/big.bin"
    assert copy.read_bytes() == b"b" * (AT_ONCE_BYTES + 1)
    assert daemon.studio.types("j-1") == ["job_queued"]
    assert not request.exists() and not own.parent.exists() and not daemon.incoming


def test_the_room_of_a_large_source_is_given_back_beside_the_loop(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once taken it goes from the inbox; its last name and its last descriptor do not go in the loop."""
    own = large(daemon.inbox / "j-1/big.bin").stat()
    remove, close, closed = os.unlink, os.close, list[threading.Thread]()

    def is_own(fd: int) -> bool:
        status = os.fstat(fd)
        return (status.st_dev, status.st_ino, status.st_nlink) == (own.st_dev, own.st_ino, 0)

    def closes(fd: int) -> None:
        if is_own(fd):
            closed.append(threading.current_thread())
        close(fd)

    def removes(path: Any, *more: Any, **named: Any) -> None:
        if path == "big.bin" and not closed:
            held = [os.stat(f"/proc/self/fd/{fd}").st_ino for fd in open_files()]
            assert own.st_ino in held
        remove(path, *more, **named)

    monkeypatch.setattr(os, "close", closes)
    monkeypatch.setattr(os, "unlink", removes)
    daemon.ask("big.bin")
    daemon.run_until(daemon.taken, "the request to be taken")
    wait_for(lambda: closed, "the source to be closed")
    assert threading.main_thread() not in closed and not (daemon.inbox / "j-1").exists()


def open_files() -> list[str]:
    """The numbers of this process's descriptors."""
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]


@pytest.fixture
def left_lying(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A large source of j-1 in its own folder, which is a job: the disk kept it from going, and the daemon ended."""
    own = large(daemon.inbox / "j-1/big.bin")
    remove = os.unlink

    def sick(path: Any, *more: Any, **named: Any) -> None:
        if path == "big.bin":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        remove(path, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", sick)
        daemon.ask("big.bin")
        daemon.run_until(daemon.taken, "the request to be taken")
        daemon.unplugged.stop()
    assert own.exists() and (daemon.inbox / "j-1.yaml").exists()
    return own


COMPARED = {"j-1.yaml": "what was copied of its sources is being compared"}


@pytest.mark.parametrize("changed", ["not", "before", "meanwhile"])
def test_large_sources_that_were_left_lying_hold_up_nobody(
    left_lying: Path, daemon: Daemon, request: pytest.FixtureRequest, changed: str
) -> None:
    """While they are compared with what the run has, others are taken; what somebody has changed since stays."""
    go_on = request.getfixturevalue("go_on")
    if changed == "before":
        left_lying.write_bytes(b"b" * AT_ONCE_BYTES + b"c")
    daemon.run_after(0)
    assert daemon.waiting == COMPARED
    daemon.studio.submit("j-2", "three")
    daemon.run_after(0)
    assert daemon.studio.run("j-2").is_dir() and daemon.waiting == COMPARED
    if changed == "meanwhile":
        left_lying.write_bytes(b"b" * AT_ONCE_BYTES + b"c")
    go_on()
    daemon.run_until(lambda: not (daemon.inbox / "j-1.yaml").exists(), "the request to go")
    assert left_lying.exists() == (changed != "not")
    assert not daemon.waiting and daemon.studio.types("j-1").count("job_queued") == 1


def test_large_sources_of_many_requests_come_one_after_the_other(
    daemon: Daemon, go_on: Callable[[], None]
) -> None:
    """Each is taken in its turn, and a small request before any of them."""
    large(daemon.sources / "big.bin")
    daemon.ask("big.bin")
    for other in ("j-2", "j-3"):
        daemon.studio.submit(other, "three", params={"sources": ["big.bin"]})
    daemon.run_after(0)
    assert sorted(daemon.waiting.values()) == [
        "another request's sources are being seen to, its own come after them",
        "another request's sources are being seen to, its own come after them",
        "its sources are being copied",
    ]
    go_on()
    others = [daemon.studio.run(other) for other in ("j-2", "j-3")]
    daemon.run_until(lambda: all(run.is_dir() for run in others), "all to be taken")
    assert daemon.taken() and not daemon.incoming


def test_a_policy_that_is_read_again_lets_a_copy_go_on(daemon: Daemon, go_on: Callable[[], None]) -> None:
    """The copy that was begun is the one that is taken."""
    large(daemon.sources / "big.bin")
    daemon.ask("big.bin")
    daemon.run_after(0)
    assert daemon.unplugged.opened is not None
    daemon.unplugged.opened.reload()
    daemon.run_after(1)
    go_on()
    daemon.hear()
    assert daemon.taken() and not daemon.incoming


def withdraw(daemon: Daemon) -> None:
    (daemon.inbox / "j-1.yaml").unlink()


def ask_for_less(daemon: Daemon) -> None:
    (daemon.sources / "small.txt").write_text("small")
    daemon.ask("small.txt")


def write_on(daemon: Daemon) -> None:
    with (daemon.sources / "big.bin").open("ab") as file:
        file.write(b"more")


def take_away(daemon: Daemon) -> None:
    (daemon.sources / "big.bin").unlink()


@pytest.mark.parametrize("what", [withdraw, ask_for_less, write_on, take_away])
def test_a_copy_that_nobody_wants_any_more_is_thrown_away(
    daemon: Daemon, go_on: Callable[[], None], what: Callable[[Daemon], None]
) -> None:
    """The request was withdrawn or changed, or a source was, while it was copied: only what is asked for now counts."""
    large(daemon.sources / "big.bin")
    daemon.ask("big.bin")
    daemon.run_after(0)
    what(daemon)
    daemon.run_after(0)
    assert daemon.taken() == (what is ask_for_less)
    go_on()
    daemon.hear()
    if what is write_on:
        daemon.run_until(daemon.taken, "the whole source to be taken")
        copy = daemon.studio.run("j-1") / "sources/big.bin"
        assert copy.read_bytes() == b"b" * (AT_ONCE_BYTES + 1) + b"more"
    wait_for(lambda: not daemon.incoming, "the copy to be thrown away")
    assert daemon.taken() == (what in (ask_for_less, write_on))


def test_a_source_that_always_changes_is_refused_in_the_end(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of no moment is never taken; nor is one tried for ever."""
    source = large(daemon.sources / "big.bin")
    read = os.pread

    def touched(fd: int, size: int, offset: int) -> bytes:
        os.utime(source)
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", touched)
    daemon.ask("big.bin")
    note = daemon.inbox / "rejected/j-1.yaml.error.txt"
    daemon.run_until(note.exists, "the request to be refused")
    assert "big.bin changed while it was copied after 2 s" in note.read_text()
    assert not daemon.taken() and not daemon.incoming


def test_a_disk_that_refuses_a_large_copy_is_asked_again(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no fault of the request: it waits, which is told, and no part of the copy stays."""
    large(daemon.sources / "big.bin")
    sync = os.fsync

    def sick(fd: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    daemon.ask("big.bin")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sick)
        daemon.run_after(0)
        daemon.hear()
        assert (
            daemon.waiting == {"j-1.yaml": f"{os.strerror(errno.EIO)}; tried again"} and not daemon.incoming
        )
    daemon.run_until(daemon.taken, "the request to be taken")
    assert not daemon.incoming


def test_a_new_name_that_the_disk_refuses_a_large_copy_is_asked_for_again(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was copied, and could not be put where the run directory is made: it is copied again."""
    large(daemon.sources / "big.bin")
    rename, refused = os.rename, list[str]()

    def sick(source: Any, target: Any, **named: Any) -> None:
        if target == "j-1" and not refused:
            refused.append(source)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target, **named)

    monkeypatch.setattr(os, "rename", sick)
    daemon.ask("big.bin")
    daemon.run_until(daemon.taken, "the request to be taken")
    assert refused and not daemon.incoming
    assert (daemon.studio.run("j-1") / "sources/big.bin").stat().st_size == AT_ONCE_BYTES + 1


def test_no_copy_is_begun_while_an_earlier_one_of_the_request_is_being_removed(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have the same folder: a file that went under its copying had the request refused for good."""
    large(daemon.sources / "big.bin")
    rename, unlink, refused, going = os.rename, os.unlink, list[str](), threading.Event()

    def sick(source: Any, target: Any, **named: Any) -> None:
        if target == "j-1" and not refused:
            refused.append(source)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target, **named)

    def held(path: Any, **named: Any) -> None:
        if refused and threading.current_thread() is not threading.main_thread():
            assert going.wait(PATIENCE)
        unlink(path, **named)

    monkeypatch.setattr(os, "rename", sick)
    monkeypatch.setattr(os, "unlink", held)
    daemon.run_after(0)
    before = set(threading.enumerate())
    daemon.ask("big.bin")
    try:
        daemon.run_until(lambda: bool(refused), "the copy to be refused its name")
        for _ in range(3):
            daemon.run_after(STUCK_SECONDS + 0.5)
        assert len(set(threading.enumerate()) - before) == 1
        assert daemon.waiting == {"j-1.yaml": "its sources are being copied"}
    finally:
        going.set()
    daemon.run_until(daemon.taken, "the request to be taken")
    assert not daemon.incoming
