"""The loop in this process, on a real workspace: what it must not sleep over, and what time does to gates."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from daemon.clock import Clock
from daemon.opening import Opened, open_workspace
from daemon.workspace import Workspace
from tests.studio import QUICK, Studio
from tests.support import wait_for


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """An open workspace that has had its first turns and rests."""
    studio = Studio(tmp_path / "studio")
    made = open_workspace(Workspace(studio.root))
    while made.loop.turn() == 0.0:
        pass
    yield made
    made.close()


def test_what_rings_while_a_file_is_looked_at_is_not_slept_over(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking whether a file arrived whole reads the bell; what else had rung is still heard, without a rescan."""
    inbox = opened.parts.workspace.inbox

    def look(arrived_whole: object, *_: object) -> None:
        assert callable(arrived_whole)
        (inbox / "later.yaml").write_text("intent: came while another was looked at\n")
        arrived_whole("other.yaml")

    (inbox / "other.yaml").write_text("intent: x\n")
    monkeypatch.setattr(opened.loop._inbox, "look", look)
    opened.loop._inbox.taken_ids = []
    assert opened.loop.turn() == 0.0


class Clocks(Clock):
    """Both clocks in a test's hands."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.uptime = 1000.0

    def wall(self) -> datetime:
        return self.now

    def boot(self) -> float:
        return self.uptime

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.uptime += seconds


def at_gate(opened: Opened, clock: Clocks, job_id: str) -> None:
    """Turn until the job waits; the stages are real."""

    def waits() -> bool:
        clock.pass_time(0.01)
        opened.loop.turn()
        job = opened.parts.recorder.store.job(job_id)
        return job is not None and job.status == "needs_approval"

    wait_for(waits, "the gate")


def test_a_jump_of_the_wall_clock_expires_nothing(tmp_path: Path) -> None:
    """A gate's age is counted by the boot clock: ten years forth or back change nothing, an hour that passes does."""
    studio = Studio(tmp_path / "studio", QUICK + "gates: {draft: {required: true, timeout_minutes: 60}}\n")
    studio.submit("g")
    clock = Clocks()
    opened = open_workspace(Workspace(studio.root), clock=clock)
    try:
        at_gate(opened, clock, "g")
        for years in (10, -20):
            clock.now += timedelta(days=365 * years)
            opened.loop.turn()
            assert studio.state("g")["status"] == "needs_approval"
        clock.uptime += 3601
        opened.loop.turn()
        assert (studio.state("g")["status"], studio.state("g")["reason"]) == ("paused", "expired")
    finally:
        opened.close()


def test_across_a_restart_the_wall_clock_counts(tmp_path: Path) -> None:
    """The gate's time passes while the daemon is down."""
    studio = Studio(tmp_path / "studio", QUICK + "gates: {draft: {required: true, timeout_minutes: 60}}\n")
    studio.submit("g")
    clock = Clocks()
    opened = open_workspace(Workspace(studio.root), clock=clock)
    at_gate(opened, clock, "g")
    opened.close()
    clock.pass_time(1800)
    opened = open_workspace(Workspace(studio.root), clock=clock)
    opened.loop.turn()
    assert studio.state("g")["status"] == "needs_approval"
    opened.close()
    clock.now += timedelta(hours=1)
    opened = open_workspace(Workspace(studio.root), clock=clock)
    opened.loop.turn()
    assert studio.state("g")["reason"] == "expired"
    opened.close()


def reachable(root: object) -> Iterator[object]:
    """Every object that this one holds, but for code."""
    seen, found = {id(root)}, [root]
    while found:
        one = found.pop()
        yield one
        for inner in gc.get_referents(one):
            if id(inner) not in seen and not isinstance(inner, (ModuleType, FunctionType, type)):
                seen.add(id(inner))
                found.append(inner)


def test_a_job_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """Of a hundred thousand jobs a daemon keeps none in memory, but for the last few that were recorded."""
    studio = Studio(tmp_path / "studio")
    studio.submit("over-1")
    clock = Clocks()
    opened = open_workspace(Workspace(studio.root), clock=clock)
    try:
        at_gate(opened, clock, "over-1")
        studio.write("over-1", "cancel.yaml", "by: alice\n...\n")
        wait_for(
            lambda: opened.loop.turn() > 0.0 and studio.state("over-1")["status"] == "canceled", "the end"
        )
        # Another takes its place as the last that was claimed, ran and was recorded.
        studio.submit("other")
        at_gate(opened, clock, "other")
        opened.parts.recorder.store._known.clear()
        kept = [one for one in reachable(opened) if isinstance(one, str) and "over-1" in one]
        assert not kept
    finally:
        opened.close()
