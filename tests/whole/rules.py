"""The whole machine under rules: what people, stages, clocks and crashes do to it, in any order (Hypothesis).

After each rule the daemon (tests/whole/unplugged.py) works until it rests; then every event must be explained by
tests/whole/oracle.py, nothing may be due, and the files must be what the oracle says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from daemon.orders import LOST
from tests.whole.mortal import Point
from tests.whole.nouns import Given
from tests.whole.world import NAMES, VERBS, World

JOB = st.integers(0, 7)
BINDING = st.sampled_from(
    ["template", "template", "place", "unbound", "stale", "other attempt", "other gate"]
)
THEN = st.sampled_from(
    [{}, {"then": "pause"}, {"then": "retry"}, {"then": "retry", "redo": {"a": "b"}}, {"then": "stop"}]
    + [
        {"from": "draft", "redo": {"a": "c", "d": "e"}},
        {"from": "draft"},
        {"from": "side"},
        {"from": "publish"},
        {"from": "nowhere"},
    ]
)
NONSENSE = [
    {"then": "perhaps"},
    {"what": 1},
    {"attempt": 0},
    {"digest": "sha256:x"},
    {"from": "draft", "then": "stop"},
]
HOW = st.sampled_from(["renamed", "renamed", "git", "copied"])
POINTS = st.one_of(
    st.builds(Point, st.just("any"), st.integers(1, 120)),
    st.builds(Point, st.sampled_from(["rename", "unlink", "write", "open", "fsync"]), st.integers(1, 12)),
    st.builds(Point, st.sampled_from(["rename", "unlink", "mkdir"]), st.integers(1, 6), st.just("after")),
    st.builds(Point, st.just("write"), st.integers(1, 8), st.just("inside")),
    st.builds(
        Point,
        st.sampled_from(
            "commit stage_started stage_completed gate_approved gate_rejected job_canceled job_queued job_resumed"
            " gate_expired stage_interrupted artifact_edited gate_reopened".split()
        ),
        st.integers(1, 2),
        st.sampled_from(["before", "inside", "after"]),
    ),
)


class Rules(World):
    """What can happen, in any order."""

    # -- people

    @precondition(lambda self: len(self.oracle.jobs) < 6)
    @rule(
        number=st.sampled_from([None, 1, 2, 3]),
        intent=st.sampled_from("aab"),
        priority=st.sampled_from(["low", "normal", "normal", "high"]),
        how=st.sampled_from(["renamed", "git", "copied", "half"]),
    )
    def submit(self, number: int | None, intent: str, priority: str, how: str) -> None:
        """A request, also one whose id was used, with the same bytes or with others."""
        path = self.request(number, intent, priority, how)
        self.go()
        assert how != "half" or path.exists(), f"{path.name} was taken half written"

    @precondition(lambda self: self.held)
    @rule()
    def close_a_request(self) -> None:
        self.finish_writing()
        self.go()

    @precondition(lambda self: self.oracle.jobs)
    @rule(
        number=JOB,
        verb=st.sampled_from(["approve", "approve", "reject"]),
        binding=BINDING,
        how=HOW,
        then=THEN,
    )
    def answer(self, number: int, verb: str, binding: str, how: str, then: Mapping[str, Any]) -> None:
        job = self.job(number)
        self.give(job, verb, {**self.bound(job, binding), **(then if verb == "reject" else {})}, how)
        self.go()

    @precondition(lambda self: self.gated())
    @rule(number=JOB, how=HOW)
    def approve(self, number: int, how: str) -> None:
        jobs = self.gated()
        job = jobs[number % len(jobs)]
        self.give(job, "approve", self.bound(job, "template"), how)
        self.go()

    @precondition(lambda self: self.gated())
    @rule(number=JOB, how=HOW, then=THEN)
    def reject(self, number: int, how: str, then: Mapping[str, Any]) -> None:
        jobs = self.gated()
        job = jobs[number % len(jobs)]
        self.give(job, "reject", {**self.bound(job, "template"), **then}, how)
        self.go()

    @precondition(lambda self: self.oracle.jobs)
    @rule(number=JOB, verbs=st.permutations(VERBS), count=st.integers(2, 4), binding=BINDING, then=THEN)
    def answer_at_once(
        self, number: int, verbs: list[str], count: int, binding: str, then: Mapping[str, Any]
    ) -> None:
        """Several decisions lie there when the daemon looks."""
        job = self.job(number)
        for verb in verbs[:count]:
            self.give(
                job, verb, {**self.bound(job, binding), **(then if verb == "reject" else {})}, "renamed"
            )
        self.go()

    @precondition(lambda self: self.oracle.jobs)
    @rule(number=JOB, verb=st.sampled_from(VERBS), more=st.sampled_from(NONSENSE))
    def talk_nonsense(self, number: int, verb: str, more: Mapping[str, Any]) -> None:
        self.give(self.job(number), verb, more, "renamed", sense=False)
        self.go()

    @precondition(lambda self: any(job.given for job in self.oracle.jobs.values()))
    @rule(number=JOB, which=st.integers(0, 30), how=st.sampled_from(["renamed", "git"]))
    def replay(self, number: int, which: int, how: str) -> None:
        """An old decision comes back, byte for byte, as git would bring it; also one of another job."""
        old = [
            given for job in self.oracle.jobs.values() for given in job.given if given.text.endswith("...\n")
        ]
        if old:
            given = old[which % len(old)]
            again = Given("", given.text, verb=given.verb, keys=given.keys, sense=given.sense)
            self.lay(self.job(number), again, how)
        self.go()

    @precondition(lambda self: self.of("paused", "failed"))
    @rule(number=JOB, back=st.sampled_from([None, None, *NAMES]), binding=BINDING, how=HOW)
    def resume(self, number: int, back: str | None, binding: str, how: str) -> None:
        jobs = self.of("paused", "failed")
        job = jobs[number % len(jobs)]
        self.give(job, "resume", {**self.bound(job, binding), **({"from": back} if back else {})}, how)
        self.go()

    @precondition(lambda self: self.oracle.jobs)
    @rule(number=JOB, binding=st.sampled_from(["unbound", "unbound", "place", "other attempt"]))
    def cancel(self, number: int, binding: str) -> None:
        job = self.job(number)
        self.give(job, "cancel", self.bound(job, binding), "renamed")
        self.go()

    @precondition(lambda self: any(job.disk for job in self.oracle.jobs.values()))
    @rule(number=JOB, which=JOB, what=st.sampled_from(["by hand\n", "by hand\n", "otherwise\n", "", None]))
    def edit(self, number: int, which: int, what: str | None) -> None:
        """A person changes or removes a published file."""
        jobs = [job for job in self.oracle.jobs.values() if job.disk]
        job = jobs[number % len(jobs)]
        path = sorted(job.disk)[which % len(job.disk)]
        target = self.root / "runs" / job.id / path
        if what is None:
            target.unlink()
            del job.disk[path]
        else:
            target.write_text(what)
            job.disk[path] = what.encode()
        self.go()

    @rule(number=JOB)
    def put_back(self, number: int) -> None:
        """A file that was removed is there again, as the stage had made it."""
        for job in self.oracle.jobs.values():
            for path, stage in job.owner.items():
                if path not in job.disk and not job.final:
                    job.disk[path] = self.oracle.made[(job.id, stage, job.attempts[stage])][path]
                    (self.root / "runs" / job.id / path).write_bytes(job.disk[path])
        self.go()

    # -- stages

    @precondition(lambda self: self.acting())
    @rule(outcome=st.sampled_from(["ok", "ok", "ok", "ok", "bad", "missing", "lost"]))
    def stage_ends(self, outcome: str) -> None:
        acting = self.acting()
        assert acting is not None
        job_id, stage, attempt = acting.key
        made = {f"{stage}.txt": f"{job_id} {stage} {attempt} {outcome}\n".encode()}
        if attempt % 2 or outcome != "ok":
            made[f"more/{stage}.txt"] = f"{outcome} in odd attempts\n".encode()
        if outcome == "missing":
            made[f"{stage}.txt"] = b""
        (acting.order.out_dir / "more").mkdir()
        for path, data in made.items():
            (acting.order.out_dir / path).write_bytes(data)
        if len(made) == 1:
            (acting.order.out_dir / "more").rmdir()
        if outcome == "lost":
            acting.fail(LOST)
        elif outcome == "bad":
            acting.fail()
        else:
            acting.succeed()
        self.oracle.outcome[acting.key] = "bad" if outcome == "missing" else outcome
        self.oracle.made[acting.key] = made
        self.go()

    @precondition(lambda self: self.acting())
    @rule()
    def stage_turns_stubborn(self) -> None:
        acting = self.acting()
        assert acting is not None
        acting.stubborn = True

    # -- time, crashes, and what lies about

    @rule(seconds=st.sampled_from([0.5, 2.1, 2.1, 11.0, 61.0, 1900.0, 3700.0]))
    def pass_time(self, seconds: float) -> None:
        self.daemon.clock.pass_time(seconds)
        self.go()
        if seconds > 60:
            self.daemon.clock.pass_time(6.0)
            self.go()

    @rule(years=st.sampled_from([10, -10]))
    def wall_clock_jumps(self, years: int) -> None:
        self.daemon.clock.now += timedelta(days=365 * years)
        self.go()

    @precondition(lambda self: not self.daemon.fate.points)
    @rule(points=st.lists(POINTS, min_size=1, max_size=3))
    def doom(self, points: list[Point]) -> None:
        """From now on the process dies at these points, one after the other."""
        self.daemon.fate.points.extend(points)

    @precondition(lambda self: not self.down)
    @rule(stay_down=st.booleans())
    def kill(self, stay_down: bool) -> None:
        self.daemon.dead()
        World.kills += 1
        self.oracle.cuts.add("crash")
        self.down = stay_down
        self.go()

    @precondition(lambda self: not self.down)
    @rule(stay_down=st.booleans())
    def stop(self, stay_down: bool) -> None:
        before = self.daemon.fate.kills
        self.daemon.stop()
        self.oracle.cuts.add("stop")
        if self.daemon.fate.kills > before:
            self.oracle.cuts.add("crash")
        else:
            self.hear()
        self.down = stay_down
        self.go()

    @precondition(lambda self: self.down)
    @rule()
    def start(self) -> None:
        self.down = False
        self.go()

    @rule(cut=st.lists(st.floats(0, 1), max_size=4))
    def reboot(self, cut: list[float]) -> None:
        self.lose_power(cut)
        self.go()

    @precondition(lambda self: any(not job.final for job in self.oracle.jobs.values()))
    @rule(number=JOB, name=st.sampled_from(["state.json", "events.jsonl"]), remove=st.booleans())
    def meddle(self, number: int, name: str, remove: bool) -> None:
        """A copy is removed or emptied: it is made again with the job's next event."""
        jobs = [job for job in self.oracle.jobs.values() if not job.final]
        job = jobs[number % len(jobs)]
        path = self.root / "runs" / job.id / name
        if path.exists():
            path.unlink() if remove else os.truncate(path, 0)
            self.meddled.add(job.id)
        self.go()
