"""The lane and the daemon lock, with real locks in real processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.anchor import anchor_of
from daemon.errors import CannotWrite, Halt, TryAgain
from daemon.lane import DaemonLock, Lane
from tests.support import wait_for

HOLDER = """
import sys
from pathlib import Path
from daemon.lane import DaemonLock, Lane
lock = (Lane if sys.argv[1] == "lane" else DaemonLock)(Path(sys.argv[2]))
lock.try_take() if sys.argv[1] == "lane" else lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "the.lock"


@pytest.fixture
def holder(path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    kind = request.node.get_closest_marker("parametrize").args[1][0]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def rung(lane: Lane) -> bool:
    return bool(select.select([lane], [], [], 30)[0])


def test_taken_once_given_back_and_never_deleted(path: Path) -> None:
    """One holder at a time; the file stays, with the modes of the contract."""
    one, other = Lane(path), Lane(path)
    assert one.try_take()
    assert one.try_take()
    assert not other.try_take()
    one.give_back()
    assert not one.held
    assert other.try_take()
    other.give_back()
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_held_as_long_as_anybody_who_was_handed_it(path: Path) -> None:
    """Giving back does not free a lane that a keeper still has."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    handed = os.dup(one.fd)
    one.give_back()
    assert not other.try_take()
    assert not one.try_take()
    os.close(handed)
    assert other.try_take()
    other.give_back()
    one.stop_waiting()


def test_who_waits_is_rung_and_comes_next(path: Path) -> None:
    """Workspaces that share a lane take turns: who gives it back does not get it again before who waits."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    assert not other.try_take()
    for _ in range(3):
        one.give_back()
        assert not one.try_take()
        assert rung(other)
        assert other.try_take()
        assert not one.try_take()
        one, other = other, one
    one.give_back()
    assert other.try_take()
    other.give_back()


def test_who_stops_waiting_is_in_nobodys_way(path: Path) -> None:
    """A turn that is given up does not keep the others out."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    assert not other.try_take()
    other.stop_waiting()
    one.give_back()
    assert one.try_take()
    one.give_back()


def test_a_holder_knows_whether_somebody_waits(path: Path) -> None:
    """Who would keep the lane for one more stage asks first, without giving it up."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    seen = [one.wanted]
    assert not other.try_take()
    seen.append(one.wanted)
    other.stop_waiting()
    assert [*seen, one.wanted] == [False, True, False]
    one.give_back()


@pytest.mark.parametrize("kind", ["lane"])
def test_a_killed_holder_rings_too(path: Path, kind: str, holder: subprocess.Popen[str]) -> None:
    """The lock dies with its holder, and who waits hears of it."""
    lane = Lane(path)
    assert not lane.try_take()
    holder.kill()
    assert rung(lane)
    wait_for(lane.try_take, "the lane of a killed process")
    lane.give_back()


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_a_deleted_or_replaced_file_halts_its_holder(path: Path, action: str) -> None:
    """A second lane could be taken beside ours: the holder stops rather than guess."""
    lane = Lane(path)
    lane.try_take()
    lane.check()
    path.unlink()
    if action == "replace":
        path.touch()
    with pytest.raises(Halt, match=r"the\.lock"):
        lane.check()
    lane.give_back()


@pytest.mark.fault(102)
def test_a_waiter_never_takes_a_file_that_was_replaced(path: Path) -> None:
    """Who waited on a file that is gone halts instead of holding a lane that nobody else sees."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    assert not other.try_take()
    path.unlink()
    path.touch()
    one.give_back()
    with pytest.raises(Halt):
        other.try_take()
    other.give_back()


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    """The path and the reason."""
    with pytest.raises(CannotWrite, match="nowhere"):
        Lane(tmp_path / "nowhere" / "lane.lock").try_take()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A lock file is a file of ours, not a door to another one."""
    (tmp_path / "lane.lock").symlink_to(tmp_path / "other")
    with pytest.raises(CannotWrite):
        Lane(tmp_path / "lane.lock").try_take()


@pytest.mark.fault(101)
@pytest.mark.parametrize("kind", ["daemon"])
def test_a_second_daemon_is_told_who_is_there(path: Path, kind: str, holder: subprocess.Popen[str]) -> None:
    """The message names the pid and since when; after a kill the lock is free."""
    lock = DaemonLock(path)
    with pytest.raises(TryAgain, match=rf"pid {holder.pid}, since \d{{4}}-"):
        lock.acquire()
    holder.kill()
    holder.wait()
    lock.acquire()
    assert f'"pid": {os.getpid()}' in path.read_text()
    lock.check()
    lock.release()


@pytest.mark.parametrize("action", ["delete", "replace"])
def test_a_daemon_whose_lock_file_went_halts(path: Path, action: str) -> None:
    """Deleted or replaced: another daemon could start beside this one."""
    lock = DaemonLock(path)
    lock.acquire()
    path.unlink()
    if action == "replace":
        path.write_text("{}")
    with pytest.raises(Halt):
        lock.check()
    lock.release()


@pytest.mark.fault(104)
def test_a_child_of_the_daemon_does_not_hold_its_lock(path: Path) -> None:
    """What the daemon started and left behind does not keep its successor out."""
    lock = DaemonLock(path)
    lock.acquire()
    with subprocess.Popen(["sleep", "600"]) as child:
        lock.release()
        DaemonLock(path).acquire()
        child.kill()


def replaced(path: Path, action: str) -> None:
    """What happens to lock files: somebody tidies up, or puts a copy of the folder in place."""
    path.unlink()
    if action == "replace":
        path.touch()


@pytest.mark.fault(102)
@pytest.mark.parametrize("action", ["delete", "replace"])
def test_a_lane_whose_file_went_is_not_free(path: Path, action: str) -> None:
    """Who comes after the name was deleted or replaced locks the same file as its holder, and waits for it."""
    one, other = Lane(path), Lane(path)
    one.try_take()
    replaced(path, action)
    assert not other.try_take()
    # The name stands for the file again: its holder has nothing to stop for.
    one.check()
    one.give_back()
    assert other.try_take()
    assert not one.try_take()
    other.give_back()
    one.stop_waiting()


@pytest.mark.fault(102)
@pytest.mark.parametrize("action", ["delete", "replace"])
@pytest.mark.parametrize("kind", ["daemon"])
def test_no_second_daemon_where_the_lock_file_went(
    path: Path, kind: str, action: str, holder: subprocess.Popen[str]
) -> None:
    """Deleting the lock file lets nobody in; the message still names who is there."""
    replaced(path, action)
    with pytest.raises(TryAgain, match=f"pid {holder.pid}"):
        DaemonLock(path).acquire()
    holder.kill()
    holder.wait()
    lock = DaemonLock(path)
    lock.acquire()
    lock.release()


@pytest.mark.fault(102)
def test_a_copy_of_the_folder_brings_lock_files_that_work(path: Path) -> None:
    """A restored backup has two files where there were two names of one: nobody holds them, so it is mended."""
    for name in (path, anchor_of(path)):
        name.touch()
    one, other = Lane(path), Lane(path)
    assert one.try_take()
    assert os.path.samefile(path, anchor_of(path))
    assert not other.try_take()
    one.give_back()
    other.stop_waiting()


def test_without_hard_links_a_lock_is_the_file_of_that_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems have none; a lock works there, and a deleted file is noticed by the timer alone."""
    monkeypatch.setattr(os, "link", refuse)
    one, other = Lane(path), Lane(path)
    assert one.try_take()
    assert not other.try_take()
    one.give_back()
    other.stop_waiting()


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "no hard links here")


@pytest.mark.fault(106)
def test_where_the_lane_cannot_be_locked_it_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose locks do not work is no lane: the path and the system's own words."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("daemon.anchor.fcntl.flock", no_locks)
    with pytest.raises(CannotWrite, match=r"the\.lock: .*No locks available"):
        Lane(path).try_take()


@pytest.mark.fault(82)
def test_the_lock_of_a_killed_daemon_is_waited_for(tmp_path: Path) -> None:
    """A child that it was forking has it open until its exec; the next daemon starts all the same."""
    path = tmp_path / "daemon.lock"
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    path.write_text(json.dumps({"pid": gone.pid, "since": "2026-01-01T00:00:00Z"}))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        child = threading.Timer(0.2, fcntl.flock, (held, fcntl.LOCK_UN))
        child.start()
        lock = DaemonLock(path)
        lock.acquire()
        child.join()
        lock.release()
