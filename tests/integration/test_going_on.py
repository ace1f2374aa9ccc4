"""A stage that ends and the next one's start: one commit, unless something else comes first."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon import publication
from daemon.changes import Change
from daemon.documents import whole_file
from daemon.errors import Invalid
from daemon.lane import Lane
from daemon.looking import is_folder
from daemon.loop import Loop
from daemon.model import Type
from daemon.orders import LOST
from tests.studio import QUICK, Studio
from tests.whole.unplugged import Unplugged

PIPELINE = """\
name: three
stages:
  - {name: a, run: "./work.py:run", outputs: [a.txt]}
  - {name: b, run: "./work.py:run", outputs: [b.txt]}
  - {name: c, run: "./work.py:run", gate: true, outputs: [c.txt]}
  - {name: d, run: "./work.py:run", outputs: [d.txt]}
"""


class Daemon:
    """A daemon without processes, whose commits are written down, as the types of each one's events."""

    def __init__(self, base: Path) -> None:
        self.studio = Studio(base / "studio", QUICK)
        self.studio.pipeline("three", PIPELINE, work="")
        self.unplugged = Unplugged(self.studio.root)
        self.commits: list[list[Type]] = []
        self.studio.submit("j-1", "three")
        self.unplugged.run()
        assert self.unplugged.opened is not None
        store = self.unplugged.opened.parts.recorder.store
        record = store.record

        def noted(*changes: Change) -> object:
            self.commits.append([event.type for change in changes for event in change.events])
            return record(*changes)

        store.record = noted  # type: ignore[method-assign,assignment]

    @property
    def at(self) -> tuple[str, str]:
        acting = self.unplugged.acting
        assert acting is not None
        return acting.key[:2]

    def end_stage(self) -> None:
        """The stage has left its file, and ended."""
        acting = self.unplugged.acting
        assert acting is not None
        (acting.order.out_dir / f"{acting.order.stage}.txt").write_text("1\n")
        acting.succeed()
        self.unplugged.run()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    made.unplugged.close()


TOGETHER = [Type.STAGE_COMPLETED, Type.STAGE_STARTED]


def test_the_next_stage_begins_with_the_end_of_the_one_before(daemon: Daemon) -> None:
    """What a job's stage left is in its place when the next one runs, and the lane was not given away between."""
    daemon.end_stage()
    assert daemon.commits == [TOGETHER] and daemon.at == ("j-1", "b")
    assert (daemon.studio.run("j-1") / "a.txt").exists()
    daemon.end_stage()
    daemon.end_stage()
    assert daemon.commits == [TOGETHER, TOGETHER, [Type.STAGE_COMPLETED, Type.GATE_PAUSE]]


@pytest.mark.parametrize("alone", [True, False])
def test_what_an_answer_leads_to_begins_with_it(daemon: Daemon, alone: bool) -> None:
    """The answer is kept and taken away all the same; what is more urgent comes first."""
    for _ in range(3):
        daemon.end_stage()
    daemon.commits.clear()
    if not alone:
        _urgent(daemon)
    daemon.studio.answer("j-1", "approve")
    daemon.unplugged.run()
    assert daemon.commits[0] == ([Type.GATE_APPROVED, Type.STAGE_STARTED] if alone else [Type.GATE_APPROVED])
    assert daemon.at == (("j-1", "d") if alone else ("j-2", "a"))
    run = daemon.studio.run("j-1")
    assert not (run / "approve.yaml").exists()
    assert [path.name for path in (run / "decisions").iterdir()] == ["03-c.1.approve.yaml"]


def test_a_second_answer_beside_the_first_is_looked_at_after_the_start(daemon: Daemon) -> None:
    """Whatever lies beside an answer is told, and nothing comes between it and what it led to."""
    for _ in range(3):
        daemon.end_stage()
    daemon.studio.write("j-1", "resume.yaml", "by: bob\n...\n")
    daemon.studio.answer("j-1", "approve")
    daemon.unplugged.run()
    assert daemon.at == ("j-1", "d")
    assert (daemon.studio.run("j-1") / "resume.yaml.error.txt").exists()


def _urgent(daemon: Daemon) -> None:
    daemon.studio.drop("j-2.yaml", "intent: x\nid: j-2\npipeline: three\npriority: urgent\n...\n")


def _canceled(daemon: Daemon) -> None:
    daemon.studio.write("j-1", "cancel.yaml", "by: alice\n...\n")


def _stopped(daemon: Daemon) -> None:
    assert daemon.unplugged.opened is not None
    daemon.unplugged.opened.loop.stop(at_once=False)


@pytest.mark.parametrize("first", [_urgent, _canceled, _stopped])
def test_what_comes_first_is_seen_to_first(daemon: Daemon, first: Callable[[Daemon], None]) -> None:
    """An urgent request, a cancellation, a stop: whatever is there when a stage ends comes before the next one."""
    first(daemon)
    daemon.end_stage()
    assert daemon.commits[0] == [Type.STAGE_COMPLETED]
    if first is _urgent:
        assert daemon.at == ("j-2", "a")
    else:
        assert daemon.unplugged.acting is None


def test_who_waits_for_the_lane_has_it_next(daemon: Daemon) -> None:
    """Workspaces that share a lane take turns after each stage."""
    assert daemon.unplugged.opened is not None
    other = Lane(daemon.unplugged.opened.parts.lane.path)
    assert not other.try_take()
    daemon.end_stage()
    assert daemon.commits == [[Type.STAGE_COMPLETED]] and daemon.unplugged.acting is None
    assert other.try_take()
    other.give_back()


def test_who_has_no_room_keeps_neither_the_turn_nor_the_bell_of_the_lane(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another workspace, with room of its own, goes on stage by stage, and none of its stages wakes this daemon."""
    assert daemon.unplugged.opened is not None
    loop, lane = daemon.unplugged.opened.loop, daemon.unplugged.opened.parts.lane
    other = Lane(lane.path)
    assert not other.try_take()
    daemon.end_stage()
    assert other.try_take()
    loop.turn()
    assert lane.fileno() in loop.descriptors
    monkeypatch.setattr("daemon.ground.shortage", lambda *_: "no room")
    loop.turn()
    other.give_back()
    assert other.try_take()
    assert lane.fileno() == -1
    other.give_back()
    monkeypatch.undo()
    daemon.unplugged.run()
    assert daemon.at == ("j-1", "b")


def test_what_was_moved_is_not_swept_before_that_is_durable(daemon: Daemon) -> None:
    """An attempt's folder stays until a power cut cannot take the moves out of it back: at the next pause."""
    assert daemon.unplugged.opened is not None
    other = Lane(daemon.unplugged.opened.parts.lane.path)
    assert not other.try_take()
    daemon.end_stage()
    assert other.try_take()
    other.give_back()
    daemon.unplugged.run()
    work = daemon.studio.run("j-1") / ".work"
    assert daemon.at == ("j-1", "b") and (work / "01-a.1").is_dir()
    daemon.end_stage()
    daemon.end_stage()
    assert daemon.studio.state("j-1")["status"] == "needs_approval" and not list(work.iterdir())


def test_files_that_cannot_be_published_put_the_next_stage_off(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was recorded as started, and is recorded as put off: no try is used up, and no stage reads half."""

    with monkeypatch.context() as sick:
        sick.setattr(publication, "move_beneath", _refused)
        daemon.end_stage()
    assert daemon.commits[:2] == [TOGETHER, [Type.STAGE_INTERRUPTED]]
    assert daemon.unplugged.acting is None
    assert daemon.studio.state("j-1")["stages"][1]["retries_left"] == 0
    daemon.unplugged.clock.pass_time(5.0)
    daemon.unplugged.run()
    assert daemon.at == ("j-1", "b") and (daemon.studio.run("j-1") / "a.txt").exists()


def _completed_but_for_its_files(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stages are over, and the disk refuses to move what the last one left."""
    for _ in range(3):
        daemon.end_stage()
    daemon.studio.answer("j-1", "approve")
    daemon.unplugged.run()
    assert daemon.at == ("j-1", "d")
    with monkeypatch.context() as sick:
        sick.setattr(publication, "move_beneath", _refused)
        daemon.end_stage()
    assert daemon.commits[-1] == [Type.STAGE_COMPLETED, Type.JOB_COMPLETED]
    assert not (daemon.studio.run("j-1") / "d.txt").exists()


def _refused(*_: object) -> None:
    raise OSError(errno.EIO, "a sick disk")


@pytest.mark.parametrize("restart", [True, False])
def test_a_job_that_is_over_gets_its_last_files(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    """What the disk refused to move is moved by the next start or the next catching up; nothing sweeps it away."""
    _completed_but_for_its_files(daemon, monkeypatch)
    if restart:
        daemon.unplugged.stop()
    else:
        daemon.unplugged.clock.pass_time(60.0)
    daemon.unplugged.run()
    run = daemon.studio.run("j-1")
    assert (run / "d.txt").read_text() == "1\n"
    assert not list((run / ".work").iterdir())


def test_a_start_that_comes_to_nothing_makes_no_other_job_wait(daemon: Daemon) -> None:
    """The stage would read a link: the job fails, and the next in the queue is started without a wait."""
    assert daemon.unplugged.opened is not None
    loop = daemon.unplugged.opened.loop
    _urgent(daemon)
    daemon.studio.drop("j-3.yaml", "intent: x\nid: j-3\npipeline: three\n...\n")
    while not loop._recorder.store.job("j-3"):
        daemon.unplugged.clock.pass_time(1.0)
        loop.turn()
    (daemon.studio.run("j-2") / "sources").symlink_to("nowhere")
    acting = daemon.unplugged.acting
    assert acting is not None and daemon.at == ("j-1", "a")
    acting.fail()
    assert loop.turn() == 0.0
    assert daemon.unplugged.acting is None
    assert daemon.studio.state("j-2")["status"] == "failed"
    assert loop.turn() > 0.0
    assert daemon.at == ("j-3", "a")


def _put(daemon: Daemon, job_id: str, priority: str = "urgent") -> Loop:
    """Another job beside the one that runs."""
    assert daemon.unplugged.opened is not None
    loop = daemon.unplugged.opened.loop
    text = f"intent: x\nid: {job_id}\npipeline: three\npriority: {priority}\n...\n"
    daemon.studio.drop(f"{job_id}.yaml", text)
    while not loop._recorder.store.job(job_id):
        daemon.unplugged.clock.pass_time(1.0)
        loop.turn()
    return loop


def test_a_job_that_cannot_start_costs_no_turns_beside_one_that_runs(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next try is due when the lane is free: until then the daemon sleeps, however long that takes."""
    loop = _put(daemon, "j-2")
    first = daemon.unplugged.acting
    assert first is not None and daemon.at == ("j-1", "a")
    with monkeypatch.context() as sick:
        sick.setattr("daemon.runs.is_folder", lambda path: path.name != "j-2" and is_folder(path))
        sick.setattr("daemon.runs.make_run", _refused)
        first.fail(LOST)
        loop.turn()
        second = daemon.unplugged.acting
        assert second is not None and second is not first and daemon.at == ("j-1", "a")
        daemon.unplugged.clock.pass_time(2.0)
        loop.turn()
        assert loop.turn() > 0.0
    second.fail(LOST)
    loop.turn()
    assert daemon.at == ("j-2", "a")


@pytest.mark.parametrize("code", [errno.EIO, errno.EBUSY])
def test_an_approved_file_that_cannot_be_read_holds_up_its_own_job_alone(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A bad sector, or somebody who writes on and on: the next in the queue is started, and that job later."""
    for _ in range(3):
        daemon.end_stage()
    loop = _put(daemon, "j-2")
    assert daemon.at == ("j-2", "a")

    def refused(*_: object) -> None:
        raise OSError(code, "cannot be read")

    daemon.studio.answer("j-1", "approve")
    daemon.unplugged.run()
    with monkeypatch.context() as sick:
        sick.setattr("hashlib.file_digest", refused)
        sick.setattr("daemon.digests.look", refused)
        _put(daemon, "j-3", "normal")
        running = daemon.unplugged.acting
        assert running is not None
        running.fail()
        loop.turn()
        assert daemon.at == ("j-3", "a")
        running = daemon.unplugged.acting
        assert running is not None
    running.fail()
    loop.turn()
    assert daemon.at == ("j-1", "d")


@pytest.mark.parametrize("why", ["pipeline", "room"])
def test_a_start_that_cannot_be_recorded_gives_the_lane_back(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Its pipeline is damaged, or there is no room: another workspace that shares the lane need not wait for that."""
    loop = _put(daemon, "j-2")
    store, first = loop._recorder.store, daemon.unplugged.acting
    assert first is not None

    def invalid(*_: object) -> None:
        raise Invalid(whole_file("runs/j-2/pipeline.yaml", "is damaged"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room to record")

    first.fail()
    with monkeypatch.context() as sick:
        if why == "pipeline":
            sick.setattr(loop._attempts._ordering, "limit_seconds", invalid)
        else:
            record = store.record
            starts = Type.STAGE_STARTED
            sick.setattr(
                store,
                "record",
                lambda *c: full() if any(e.type is starts for x in c for e in x.events) else record(*c),
            )
        loop.turn()
        assert daemon.unplugged.acting is None
        other = Lane(loop._lane.path)
        assert other.try_take()
        other.give_back()


def test_a_job_canceled_before_its_start_could_be_taken_back_is_over(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was no room for its attempt, nor to record that: what is recorded once there is fits a canceled job."""
    assert daemon.unplugged.opened is not None
    loop, running = daemon.unplugged.opened.loop, daemon.unplugged.acting
    store = loop._recorder.store
    record = store.record
    assert running is not None

    def full(*changes: Change) -> object:
        events = [event for change in changes for event in change.events]
        if any(e.type is Type.STAGE_INTERRUPTED and e.attempt == 2 for e in events):
            raise OSError(errno.ENOSPC, "no room to record")
        return record(*changes)

    with monkeypatch.context() as sick:
        sick.setattr(store, "record", full)
        sick.setattr(loop._attempts._runner, "start", _refused)
        running.fail(LOST)
        loop.turn()
        _canceled(daemon)
        daemon.unplugged.clock.pass_time(2.0)
        loop.turn()
    daemon.unplugged.run()
    job = store.job("j-1")
    assert job is not None and job.status == "canceled" and not job.open_attempt
