"""Who dies when, and that there are never two stages at once."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.lane import Lane
from daemon.strays import end_strays
from tests.attempts import TOKEN, Place
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.runner.rest()
    end_strays(TOKEN)
    with suppress(OSError, ValueError):
        os.kill(int((tmp_path / "stray").read_text()), signal.SIGKILL)


def pid_in(path: Path) -> int:
    return wait_for(lambda: path.exists() and int(path.read_text() or 0), f"a process id in {path.name}")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def started(daemon: subprocess.Popen[str]) -> int:
    assert daemon.stdout is not None
    return int(daemon.stdout.readline())


def outcome(daemon: subprocess.Popen[str]) -> str:
    with daemon:
        assert daemon.stdout is not None
        return daemon.stdout.read().split()[-1]


def kill(daemon: subprocess.Popen[str]) -> None:
    with daemon:
        daemon.kill()


@pytest.mark.fault(103, 108)
@pytest.mark.parametrize(
    "mode", ["wait", "stray wait", "stray deaf wait", "stray bare wait", "stray closed bare wait"]
)
def test_daemon_killed_then_its_keeper_ends_all_before_the_lane_is_free(place: Place, mode: str) -> None:
    """A keeper whose daemon is killed ends stage and strays, even those that cleared their environment."""
    first = place.stand_in(mode, 1)
    started(first)
    stage = pid_in(place.base / "ready")
    kill(first)
    lane = Lane(place.base / "lane.lock")
    while not lane.try_take():
        select.select([lane], [], [], 0.001)
    assert gone(stage)
    if "stray" in mode:
        assert gone(pid_in(place.base / "stray"))
    lane.give_back()
    assert outcome(place.stand_in("quick", 2)) == "completed"
    assert place.notes() == ["start 1", "start 2", "end 2"]


@pytest.mark.fault(103, 108)
@pytest.mark.parametrize(
    "mode", ["wait", "stray wait", "stray deaf wait", "stray bare wait", "stray closed bare wait"]
)
def test_keeper_killed_then_the_daemon_ends_what_it_left_before_it_says_so(place: Place, mode: str) -> None:
    """A lost attempt is reported lost only when its last process is gone; the next one has a new keeper."""
    running = place.start(place.witness(mode))
    stage = pid_in(place.base / "ready")
    os.kill(running.keeper_pid, signal.SIGKILL)
    report = place.finish(running)
    assert report.outcome == "lost"
    assert gone(stage)
    if "stray" in mode:
        assert gone(pid_in(place.base / "stray"))
    assert place.run(place.witness("quick", 2)).outcome == "completed"
    assert place.notes() == ["start 1", "start 2", "end 2"]


@pytest.mark.fault(103, 108)
@pytest.mark.parametrize("mode", ["wait", "stray wait", "stray deaf wait"])
def test_both_killed_then_the_next_daemon_ends_what_is_marked(place: Place, mode: str) -> None:
    """Daemon and keeper die together: the next start finds the processes by their mark and ends them."""
    first = place.stand_in(mode, 1)
    keeper = started(first)
    stage = pid_in(place.base / "ready")
    os.kill(keeper, signal.SIGSTOP)
    kill(first)
    os.kill(keeper, signal.SIGKILL)
    assert outcome(place.stand_in("quick", 2)) == "completed"
    assert gone(stage)
    assert place.notes() == ["start 1", "start 2", "end 2"]


@pytest.mark.fault(103)
def test_both_killed_and_the_stage_itself_goes_with_them(place: Place) -> None:
    """Nobody has to come for the stage's own process: it dies with its keeper."""
    first = place.stand_in("deaf wait", 1)
    keeper = started(first)
    stage = pid_in(place.base / "ready")
    os.kill(keeper, signal.SIGSTOP)
    kill(first)
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: gone(stage), "the end of the stage")


@pytest.mark.fault(103)
def test_both_killed_and_a_stray_without_a_mark_keeps_the_lane(place: Place) -> None:
    """What cannot be found is not run beside: the lane stays taken until that process is gone."""
    first = place.stand_in("stray bare wait", 1)
    keeper = started(first)
    stray = pid_in(place.base / "stray")
    pid_in(place.base / "ready")
    wait_for(lambda: b"time.sleep" in Path(f"/proc/{stray}/cmdline").read_bytes(), "the stray's exec")
    os.kill(keeper, signal.SIGSTOP)
    kill(first)
    os.kill(keeper, signal.SIGKILL)
    end_strays(TOKEN)
    lane = Lane(place.base / "lane.lock")
    assert not lane.try_take()
    os.kill(stray, signal.SIGKILL)
    wait_for(lane.try_take, "the lane after the stray")
    lane.give_back()


def test_a_stopped_keeper_can_be_abandoned(place: Place) -> None:
    """A keeper that obeys no order is killed by the daemon, and its stage with it."""
    running = place.start(place.witness("stray deaf wait"))
    stage = pid_in(place.base / "ready")
    os.kill(running.keeper_pid, signal.SIGSTOP)
    running.kill()
    assert running.report() is None
    running.abandon()
    assert place.finish(running).outcome == "lost"
    assert gone(stage)


@pytest.mark.fault(107)
def test_strays_of_another_workspace_are_left_alone(place: Place) -> None:
    """Only this workspace's own mark is acted on, not one that begins like it."""
    environ = {**os.environ, "SPORK_KEEPER": f"{TOKEN}2:job-1:s:1"}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environ) as other:
        wait_for(lambda: b"input" in Path(f"/proc/{other.pid}/cmdline").read_bytes(), "the other process")
        assert end_strays(TOKEN) == 0
        assert other.poll() is None
        other.kill()


@pytest.mark.fault(103)
def test_the_daemon_killed_at_any_moment_never_overlaps(place: Place) -> None:
    """Twelve daemons killed at staggered moments, the next following at once: no two stages at once."""
    for attempt in range(1, 13):
        daemon = place.stand_in("stray wait" if attempt % 2 else "stray deaf wait", attempt)
        # Some die before their stage begins, some after; which is which is not the point.
        time.sleep(0.08 * (attempt % 4) + 0.1)
        kill(daemon)
        (place.base / "stray").unlink(missing_ok=True)
    (place.base / "stray").unlink(missing_ok=True)
    assert outcome(place.stand_in("quick", 13)) == "completed"
    notes = place.notes()
    assert not [note for note in notes if note.startswith("overlap")]
    assert notes[-2:] == ["start 13", "end 13"]
