"""How the real daemon stops, is kept from starting, shares a lane, and ends what runs too long."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.crashed import APPROVE, Crashed, lead
from tests.history import STAGE, faults, lines
from tests.studio import QUICK, Studio
from tests.support import wait_for

HELD = """\
def work(context):
    if "deaf" in context.params["how"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "stray" in context.params["how"] and os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    note("ready", context)
    while os.path.exists(PLACE + ".hold"):
        time.sleep(0.01)
    if context.attempt <= context.params["failures"]:
        raise RuntimeError("as asked")
    (context.out_dir / f"{context.stage}.txt").write_text("made")
"""

PIPELINE = """\
name: held
params:
  how: {type: string, default: ""}
  failures: {type: integer, default: 0, minimum: 0, maximum: 9}
stages:
  - {name: first, run: "./held.py:run", retries: 1, outputs: [first.txt]}
  - {name: second, run: "./held.py:run", retries: 1}
"""


class Held(Crashed):
    """A studio whose stages last as long as a file is there."""

    def __init__(self, root: Path, policy: str = QUICK, witness: Path | None = None) -> None:
        super().__init__(root, policy)
        self.witness = witness or self.witness
        self.held = self.witness.with_suffix(".hold")
        place = str(self.witness.with_suffix(""))
        self.pipeline("held", PIPELINE, held="import signal\n" + STAGE.format(place=place) + HELD)

    def hold(self) -> None:
        self.held.touch()

    def let_go(self) -> None:
        self.held.unlink(missing_ok=True)

    def wait_seen(self, line: str) -> None:
        """Wait until a stage has left this line."""
        wait_for(lambda: self.witness.exists() and line in self.witness.read_text().splitlines(), line)

    def wait_taken(self, job_id: str) -> None:
        wait_for(lambda: self.state(job_id), f"{job_id} to be taken")

    def check(self) -> None:
        """Stop, and hold the files against each other; lines of our own are no part of it."""
        assert self.stop() == 0
        found = faults(self.root, self.asked)
        assert not found, found
        assert "overlap" not in self.witness.read_text()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    made = Held(tmp_path / "studio")
    yield made
    made.let_go()
    made.close()


@pytest.mark.fault(118)
def test_sigterm_lets_a_stage_end_and_starts_nothing_more(held: Held) -> None:
    """A stage that ends within the grace has completed; what follows waits for the next start."""
    held.root.joinpath("conf/operator.yaml").write_text(
        QUICK.replace("grace_seconds: 1", "grace_seconds: 60")
    )
    held.hold()
    process = held.start()
    held.ask("job-1", "held")
    held.wait_seen("ready job-1 first 1")
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: b"daemon_stopping" in held.log.read_bytes(), "the daemon to hear it")
    held.ask("job-2", "held")
    held.let_go()
    assert process.wait(60) == 0
    assert held.types("job-1")[-1] == "stage_completed"
    assert not held.state("job-2")
    assert (held.root / "inbox/job-2.yaml").exists()
    assert (held.run("job-1") / "first.txt").exists()
    held.start()
    held.wait("job-2", "completed")
    assert held.types("job-1").count("stage_started") == 2
    held.check()


@pytest.mark.fault(108, 109, 118)
@pytest.mark.parametrize("how", ["", "deaf", "deaf stray"])
def test_sigterm_ends_a_stage_after_its_graces(held: Held, how: str) -> None:
    """Grace, TERM, grace, KILL: interrupted, no retry used up, made again by the next start."""
    held.hold()
    held.start()
    held.ask("job-1", "held", how=how)
    held.wait_seen("ready job-1 first 1")
    assert held.stop() == 0
    held.let_go()
    state = held.state("job-1")
    assert (state["status"], state["reason"]) == ("queued", "interrupted")
    assert state["stages"][0]["retries_left"] == 1
    assert held.events("job-1")[-1]["payload"]["cause"] == "stop"
    held.start()
    assert held.wait("job-1", "completed")["stages"][0]["attempts"] == 2
    held.check()


@pytest.mark.fault(118)
def test_a_second_sigterm_skips_the_grace(held: Held) -> None:
    """Who asks twice does not wait."""
    held.root.joinpath("conf/operator.yaml").write_text(
        QUICK.replace("grace_seconds: 1", "grace_seconds: 3600")
    )
    held.hold()
    process = held.start()
    held.ask("job-1", "held")
    held.wait_seen("ready job-1 first 1")
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: b"daemon_stopping" in held.log.read_bytes(), "the daemon to hear it")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert held.state("job-1")["reason"] == "interrupted"


@pytest.mark.fault(101)
def test_one_daemon_a_workspace(studio: Studio) -> None:
    """The second ends at once with 75 and names the first."""
    process = studio.start()
    second = studio.spork("daemon", check=False)
    assert second.returncode == 75
    assert f"pid {process.pid}" in second.stderr
    assert process.poll() is None


def test_two_workspaces_share_a_lane(tmp_path: Path) -> None:
    """They take turns, stage by stage, and never overlap."""
    policy = QUICK + f"lane: {{path: {tmp_path / 'lane.lock'}}}\n"
    both = [Held(tmp_path / name, policy, tmp_path / "both.witness") for name in ("a", "b")]
    both[0].hold()
    try:
        for studio, name in zip(both, "ab", strict=True):
            studio.start()
            for number in range(3):
                studio.ask(f"{name}-{number}", "held")
        for studio, name in zip(both, "ab", strict=True):
            studio.wait_taken(f"{name}-2")
        both[0].let_go()
        for studio, name in zip(both, "ab", strict=True):
            for number in range(3):
                studio.wait(f"{name}-{number}", "completed")
        for studio in both:
            studio.check()
    finally:
        both[0].let_go()
        for studio in both:
            studio.close()
    begun = [
        line.split()[1][0] for line in both[0].witness.read_text().splitlines() if line.startswith("start")
    ]
    assert sorted(begun) == ["a"] * 6 + ["b"] * 6
    turns = sum(one != other for one, other in pairwise(begun))
    assert turns >= 6, f"they hardly took turns: {begun}"


@pytest.mark.fault(91, 102)
@pytest.mark.parametrize("name", ["daemon.lock", "spork.db"])
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_the_ground_is_pulled_away(studio: Studio, name: str, how: str) -> None:
    """A lock or database that is deleted or replaced under the daemon stops it loudly, with 73."""
    (studio.root / "conf/operator.yaml").write_text(QUICK + "watch: {rescan_seconds: 1}\n")
    process = studio.start()
    target = studio.root / "jobs" / name
    if how == "deleted":
        target.unlink()
    else:
        beside = target.with_name("other")
        beside.write_bytes(target.read_bytes())
        beside.rename(target)
    assert process.wait(30) == 73
    assert name in studio.log.read_text().splitlines()[-1]


def test_polling_does_everything_too(tmp_path: Path) -> None:
    """Without inotify a job is taken, shown, answered and finished all the same."""
    studio = Crashed(tmp_path / "studio", QUICK + "watch: {poll_seconds: 0.1}\n")
    try:
        studio.start("--poll")
        studio.source("job-1", "one.txt", "1\n")
        lead(studio, studio.ask("job-1", sources=["one.txt"]), APPROVE)
        studio.rest()
    finally:
        studio.close()


def test_drain_works_until_only_people_can_move_anything(tmp_path: Path) -> None:
    """Files that lie there are taken, also those that must settle; a job at a gate stays; exit code 0."""
    studio = Crashed(tmp_path / "studio", QUICK)
    studio.ask("job-1", "straight")
    studio.ask("job-2", "walk")
    studio.submit("settling", "straight")
    assert studio.spawn("--drain").wait(60) == 0, studio.log.read_text()
    assert studio.state("job-1")["status"] == "completed"
    assert studio.state("settling")["status"] == "completed"
    assert studio.state("job-2")["status"] == "needs_approval"
    studio.answer("job-2", "approve")
    assert studio.spawn("--drain").wait(60) == 0
    assert studio.state("job-2")["stage"] == "polish"


def test_drain_says_that_a_job_failed(held: Held) -> None:
    """Exit code 1 if a job failed meanwhile; not for one that had failed before."""
    held.ask("job-1", "held", failures=9)
    assert held.spawn("--drain").wait(60) == 1
    assert held.spawn("--drain").wait(60) == 0


@pytest.mark.fault(109)
def test_cancel_is_at_once_and_the_lane_is_free_when_all_is_gone(held: Held) -> None:
    """A canceled job is canceled now; its deaf stage and stray are ended before anything else starts."""
    held.hold()
    held.start()
    held.ask("job-1", "held", how="deaf stray")
    held.ask("job-2", "held")
    held.wait_seen("ready job-1 first 1")
    held.write("job-1", "cancel.yaml", "by: alice\n...\n")
    held.wait("job-1", "canceled")
    held.let_go()
    held.wait("job-2", "completed")
    assert held.types("job-1")[-2:] == ["job_canceled", "stage_canceled"]
    order = [(e["job_id"], e["type"]) for e in lines(held.root / "jobs/state.jsonl")]
    assert order.index(("job-1", "stage_canceled")) < order.index(("job-2", "stage_started"))
    held.check()


@pytest.mark.fault(109)
def test_an_attempt_that_takes_too_long_is_ended(held: Held) -> None:
    """Failed (timeout) once no retry is left; a resume makes it again."""
    policy = QUICK.replace("default: note", "default: note, stage_timeouts: {first: 0.015}")
    held.root.joinpath("conf/operator.yaml").write_text(policy)
    held.hold()
    held.start()
    held.ask("job-1", "held", how="stray")
    state = held.wait("job-1", "failed", "timeout")
    assert state["stages"][0]["attempts"] == 2
    assert "0.015" in state["error"]["message"]
    held.let_go()
    held.write("job-1", "resume.yaml", "...\n")
    held.wait("job-1", "completed")
    held.check()


def test_a_failure_is_tried_again_as_often_as_the_pipeline_says(held: Held) -> None:
    """One retry: the second failure fails the job; a person's resume gives a new budget."""
    held.start()
    held.ask("job-1", "held", failures=1)
    assert held.wait("job-1", "completed")["stages"][0]["attempts"] == 2
    held.ask("job-2", "held", failures=2)
    state = held.wait("job-2", "failed", "stage_failed")
    assert state["error"]["stage"] == "first"
    assert "as asked" in state["error"]["message"]
    held.write("job-2", "resume.yaml", "...\n")
    # Each of its two stages fails in its first two attempts.
    held.wait("job-2", "failed", "stage_failed", stage="second")
    held.write("job-2", "resume.yaml", "...\n")
    assert [s["attempts"] for s in held.wait("job-2", "completed")["stages"]] == [3, 3]
    held.check()


def test_the_fourth_crash_in_a_row_fails_the_job(held: Held) -> None:
    """Three crashes are forgiven, whatever the retries; a resume counts anew."""
    held.hold()
    held.start()
    held.ask("job-1", "held")
    for attempt in range(1, 5):
        held.wait_seen(f"ready job-1 first {attempt}")
        held.kill()
        held.start()
    state = held.wait("job-1", "failed", "interrupted")
    assert (state["stages"][0]["attempts"], state["stages"][0]["retries_left"]) == (4, 1)
    held.let_go()
    held.write("job-1", "resume.yaml", "...\n")
    held.wait("job-1", "completed")
    held.check()


def test_sigint_stops_like_sigterm(studio: Studio) -> None:
    """Ctrl-C in a terminal ends it in order."""
    process = studio.start()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
