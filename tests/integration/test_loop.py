"""The loop in this process, on a real workspace: what it must not sleep over, and what time does to gates."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from ctypes import CDLL
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from daemon.clock import Clock
from daemon.leisure import FEW_SECONDS
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


def test_gates_that_can_wait_are_looked_at_after_the_inbox(tmp_path: Path) -> None:
    """The look by and by is for a turn without other work, and comes in the next one that is."""
    studio = Studio(tmp_path / "studio")
    clock = Clocks()
    opened = open_workspace(Workspace(studio.root), clock=clock)
    try:
        leisure = opened.loop.jobs._leisure

        def looked() -> bool:
            opened.loop.turn()
            return leisure.next is None

        # A name that nothing else asks about.
        leisure.add("over")
        wait_for(looked, "the look before")
        leisure.add("over")
        clock.pass_time(2 * FEW_SECONDS)
        studio.submit("h")
        opened.loop.turn()
        assert opened.parts.recorder.store.job("h") is not None
        assert leisure.next is not None
        wait_for(looked, "the look")
        # Its attempt is over before the workspace is let go.
        at_gate(opened, clock, "h")
    finally:
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


def resident() -> int:
    """Bytes that this process has in memory."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Rss:"))


@pytest.mark.skipif(not hasattr(CDLL(None), "malloc_trim"), reason="needs glibc")
def test_a_minute_after_work_its_memory_is_given_back(tmp_path: Path) -> None:
    """What is free between things that are kept goes back to the system, and only then."""
    clock = Clocks()
    opened = open_workspace(Workspace(Studio(tmp_path / "studio").root), clock=clock)
    try:
        while opened.loop.turn() == 0.0:
            pass
        kept = [bytearray(b"x" * 40_000) for _ in range(2000)]
        del kept[::2]
        used, half = resident(), 20_000_000
        opened.loop.turn()
        assert resident() > used - half
        clock.pass_time(61)
        opened.loop.turn()
        assert resident() < used - half
        assert len(kept) == 1000
    finally:
        opened.close()


SHOWN = ("REVIEW.md", "gate.json", "approve.template.yaml", "reject.template.yaml", "state.json")


def started_again(studio: Studio, clock: Clocks) -> None:
    """A start, its looks at all gates, and a stop."""
    opened = open_workspace(Workspace(studio.root), clock=clock)
    try:
        opened.loop.turn()
        while opened.loop.jobs.next_look is not None:
            clock.pass_time(0.2)
            opened.loop.turn()
    finally:
        opened.close()


@pytest.mark.parametrize("boot", [False, True])
def test_a_start_makes_anew_only_what_is_not_as_it_should_be(tmp_path: Path, *, boot: bool) -> None:
    """What a gate shows is left as it lies, with ten thousand of them; and made again where any of it was damaged,
    after another boot a template and the job's copies as well.
    """
    studio = Studio(tmp_path / "studio")
    studio.submit("g")
    clock = Clocks()
    opened = open_workspace(Workspace(studio.root), clock=clock)
    at_gate(opened, clock, "g")
    run = studio.run("g")

    def shown() -> bool:
        clock.pass_time(0.1)
        opened.loop.turn()
        return bool(studio.state("g")["status"] == "needs_approval")

    wait_for(shown, "the copies")
    opened.close()
    database = studio.root / "jobs/spork.db"

    def start() -> None:
        if boot:
            with closing(sqlite3.connect(database)) as db:
                db.execute("UPDATE meta SET value = 'another' WHERE key = 'boot'")
                db.commit()
        started_again(studio, clock)

    start()
    before = {name: ((run / name).stat().st_ino, (run / name).read_bytes()) for name in SHOWN}
    start()
    assert {name: ((run / name).stat().st_ino, (run / name).read_bytes()) for name in SHOWN} == before
    damaged = [("REVIEW.md", b""), ("REVIEW.md", None), ("gate.json", b"{}"), ("gate.json", b"[" * 100_000)]
    if boot:
        damaged += [("approve.template.yaml", b""), ("reject.template.yaml", None), ("state.json", b"\0")]
    for name, data in damaged:
        (run / name).unlink()
        if data is not None:
            (run / name).write_bytes(data)
        start()
        assert (run / name).read_bytes() == before[name][1]
