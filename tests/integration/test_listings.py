"""What a look everywhere finds by one stat a directory, on real folders; and what it does with it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.inotify import remove_watch
from daemon.leisure import BUSY_SECONDS, FEW, FEW_SECONDS, Leisure
from daemon.listings import Listings
from daemon.setup import init
from daemon.watcher import Hints, Watcher
from daemon.watchlist import INBOX, Watchlist
from daemon.workspace import Workspace
from tests.support import wait_for

NOTHING = Hints({}, everything=False, notes=())


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two run directories."""
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    return tmp_path / "runs"


def rested(listings: Listings) -> Listings:
    """Noted as they are, once no further change can hide behind the times of the last."""
    wait_for(lambda: not listings.touched(), "the directories to rest")
    return listings


def noted(runs: Path) -> Listings:
    listings = Listings(runs)
    for name in ("a", "b"):
        listings.note(name)
    return rested(listings)


def test_what_comes_goes_or_is_replaced_is_told_once(runs: Path) -> None:
    """A name that comes, is renamed or goes; the others are as they were."""
    listings = noted(runs)
    (runs / "a/approve.yaml").write_text("...\n")
    assert listings.touched() == ["a"]
    rested(listings)
    (runs / "b/x").write_text("")
    (runs / "a/approve.yaml").rename(runs / "a/reject.yaml")
    assert listings.touched() == ["a", "b"]
    rested(listings)
    (runs / "a/reject.yaml").unlink()
    assert listings.touched() == ["a"]


@pytest.mark.parametrize("how", ["removed", "renamed", "link"])
def test_another_directory_in_its_place_is_told(runs: Path, how: str) -> None:
    """Whatever it is, and whether or not the kernel gives the same inode again."""
    listings = noted(runs)
    if how == "renamed":
        (runs / "a").rename(runs / "old")
    else:
        shutil.rmtree(runs / "a")
    if how == "link":
        (runs / "a").symlink_to(runs / "b")
    else:
        (runs / "a").mkdir()
    assert listings.touched() == ["a"]


def test_what_cannot_be_seen_is_told_every_time(runs: Path) -> None:
    """A directory that is gone, until it is there again."""
    listings = noted(runs)
    (runs / "a").rmdir()
    assert listings.touched() == ["a"]
    assert listings.touched() == ["a"]
    listings.drop("a")
    assert listings.touched() == []


def test_a_change_right_after_the_note_is_told_although_the_times_are_the_same(runs: Path) -> None:
    """Where time stamps are coarse a second change leaves those of the first: what is fresh counts as touched."""
    listings = noted(runs)
    (runs / "a/one").touch()
    times = (runs / "a").stat()
    listings.note("a")
    (runs / "a/two").touch()
    os.utime(runs / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert listings.touched() == ["a"]


def test_by_and_by_means_a_few_at_a_time_in_order() -> None:
    """Each once, in the order in which they came; what was looked at meanwhile is not looked at again."""
    leisure = Leisure()
    assert leisure.due(0.0, busy=False) == []
    names = [f"j{number}" for number in range(2 * FEW + 1)]
    for name in (*names, *names):
        leisure.add(name)
    leisure.drop(names[1])
    first = leisure.due(10.0, busy=False)
    assert first == [names[0], *names[2 : FEW + 1]]
    assert leisure.due(10.0 + FEW_SECONDS / 2, busy=False) == []
    for name in first:
        leisure.drop(name)
    assert leisure.next == 10.0 + FEW_SECONDS
    last = leisure.due(10.0 + FEW_SECONDS, busy=False)
    assert last == names[FEW + 1 :]
    for name in last:
        leisure.drop(name)
    assert leisure.next is None


def test_by_and_by_waits_for_what_else_is_to_be_done_but_not_for_ever() -> None:
    """Beside an inbox that is never empty a few in a second; the moment there is nothing else, as ever."""
    leisure = Leisure()
    for number in range(2 * FEW):
        leisure.add(f"j{number}")
    began = 1000.0
    assert len(leisure.due(began, busy=True)) == FEW
    assert leisure.due(began + FEW_SECONDS, busy=True) == []
    assert leisure.due(began + BUSY_SECONDS / 2, busy=True) == []
    assert len(leisure.due(began + BUSY_SECONDS / 2, busy=False)) == FEW
    assert leisure.due(began + BUSY_SECONDS, busy=True) == []
    assert len(leisure.due(began + 1.5 * BUSY_SECONDS, busy=True)) == FEW


# -- what the watchlist makes of it


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init(tmp_path / "studio")
    return Workspace(tmp_path / "studio")


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher("inotify")
    yield watcher
    watcher.close()


def watched(workspace: Workspace, watcher: Watcher, count: int) -> Watchlist:
    """A watchlist with so many jobs that a start found, each looked at once."""
    names = [f"j{number:03d}" for number in range(count)]
    for name in names:
        workspace.run(name).mkdir()
    watcher.watch(INBOX, str(workspace.root))
    jobs = Watchlist(workspace, watcher)
    jobs.adopt_all(names)
    seen: list[str] = []
    while jobs.next_look is not None:
        boot = jobs.next_look
        due = jobs.take_due(NOTHING, (), boot, everything=False)
        due += jobs.take_leisurely(boot, busy=False)
        for job_id in due:
            jobs.looks(job_id)
        seen += due
    assert seen == names
    return jobs


def test_of_a_job_that_waits_the_name_is_kept_once(workspace: Workspace, watcher: Watcher) -> None:
    """Ten thousand may wait; each look at a gate brings the name anew, from the database."""
    jobs = watched(workspace, watcher, 2)
    watcher.hear_removals(b"j000".decode(), on=True)
    jobs.looks(b"j000".decode())
    kept = [*watcher._below, *watcher._more, *watcher._watches, *watcher._keys.values(), *jobs._listings]
    assert kept.count("j000") == 5
    assert len({id(name) for name in kept if name == "j000"}) == 1


def make_deaf(watcher: Watcher) -> None:
    """Take the watches away behind its back; it does not hear of that either."""
    assert watcher._fd is not None
    for watch in watcher._watches.values():
        remove_watch(watcher._fd, watch)
    os.read(watcher._fd, 1 << 16)


def test_a_deaf_bell_and_an_answer(workspace: Workspace, watcher: Watcher) -> None:
    """The look everywhere alone finds the answer, at once, among many that nobody touched."""
    jobs = watched(workspace, watcher, 3 * FEW)
    make_deaf(watcher)
    (workspace.run("j050") / "approve.yaml").write_text("...\n")
    boot = time.monotonic() + 1e6
    assert "j050" in jobs.take_due(NOTHING, (), boot, everything=True)


def test_after_something_was_missed_every_directory_is_listed(workspace: Workspace, watcher: Watcher) -> None:
    """An overflow: the answers are looked at now, although the last such look was just now."""
    jobs = watched(workspace, watcher, 3)
    boot = time.monotonic() + 1e6
    jobs.take_due(NOTHING, (), boot, everything=True)
    (workspace.run("j001") / "cancel.yaml").write_text("...\n")
    missed = Hints({}, everything=True, notes=())
    assert jobs.take_due(missed, (), boot, everything=True) == ["j001"]


def test_a_directory_made_anew_is_heard_again(workspace: Workspace, watcher: Watcher) -> None:
    """The look everywhere hangs the bell into the directory that is there now, without a word of the bell."""
    jobs = watched(workspace, watcher, 2)
    make_deaf(watcher)
    workspace.run("j000").rename(workspace.runs / "old")
    workspace.run("j000").mkdir()
    jobs.take_due(NOTHING, (), time.monotonic() + 1e6, everything=True)
    watcher.drain()
    (workspace.run("j000") / "approve.yaml").write_text("...\n")
    assert "approve.yaml" in watcher.drain().rang["j000"]
