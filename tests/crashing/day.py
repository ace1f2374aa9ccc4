"""The day of a workspace in protocols: what each begins with, what a person does, and where it comes to rest.

Each protocol begins from a copy of a stopped workspace, so that a kill in it costs no replay of the day.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests import history
from tests.crashing.tracer import Point, Seen
from tests.crashing.workshop import Workshop
from tests.support import wait_for


@dataclass(frozen=True, slots=True)
class Protocol:
    """A part of the day."""

    name: str
    act: Callable[[Workshop], object]
    """What a person does once the daemon is ready."""
    rest: Callable[[Workshop], bool]
    """Whether all that follows from it has been done."""
    before: Callable[[Workshop], object] = lambda _: None
    """What is done before the daemon starts."""
    ready: Callable[[Workshop], object] = lambda _: None
    """What is waited for before its calls count."""
    from_start: bool = False
    """Its calls count from its first one."""
    ends: bool = False
    """It ends the daemon, which is then started again."""
    after: Callable[[Workshop], object] = lambda _: None
    """What leads to the next protocol's beginning."""


def _gate(stage: str, decided: int) -> Callable[[Workshop], bool]:
    return lambda studio: studio.at_rest("job-1", "needs_approval", stage, decided)


def _answer(verb: str, **keys: str) -> Callable[[Workshop], None]:
    return lambda studio: studio.answer("job-1", verb, **keys)


def _ask(studio: Workshop) -> None:
    for name in ("one.txt", "two.txt"):
        studio.source("job-1", name, f"{name}\n")
    studio.ask("job-1", "walk", sources=["one.txt", "two.txt"])


def _taken(studio: Workshop) -> bool:
    left = [name for name in os.listdir(studio.root / "inbox") if name != "rejected"]
    return not left and studio.at_rest("job-1", "queued", None, 0)


def _edit(studio: Workshop) -> None:
    studio.write("job-1", "a.txt", "by hand\n")


def _edit_shown(studio: Workshop) -> bool:
    template = studio.run("job-1") / "approve.template.yaml"
    edited = "artifact_edited" in studio.types("job-1") and _gate("draft", 1)(studio)
    return edited and studio.state("job-1")["gate"]["digest"] in template.read_text()


def _long_stage(studio: Workshop) -> None:
    job_id = "job-2" if "job-2" not in studio.asked else "job-4"
    studio.ask(job_id, "straight", seconds=60)
    wait_for(lambda: f"start {job_id}" in studio.witness.read_text(), "the long stage")
    studio.wait(job_id, "running")


def _canceled(studio: Workshop) -> bool:
    """Whether it is, and its attempt has an end."""
    job_id = studio.last
    if not studio.at_rest(job_id, "canceled", None, 0) or (studio.run(job_id) / "cancel.yaml").exists():
        return False
    started = studio.types(job_id).count("stage_started")
    return started == sum(studio.types(job_id).count(end) for end in history.ENDS)


def _stop(studio: Workshop) -> None:
    assert studio.process is not None
    studio.process.send_signal(signal.SIGTERM)


def _stopped(studio: Workshop) -> bool:
    """Started again, however it ended, the daemon begins the stage once more, and it can be canceled."""
    if studio.began_again and studio.state(studio.last)["status"] == "running":
        studio.cancel()
    return _canceled(studio)


def _refused(studio: Workshop) -> bool:
    ledger = history.lines(studio.root / "jobs/state.jsonl")
    lies_there = (studio.root / "inbox/bad.yaml").exists()
    return not lies_there and any(event["type"] == "request_refused" for event in ledger)


def _fail_once(studio: Workshop) -> None:
    studio.ask("job-3", "last", failures=1)


def _approve_draft(studio: Workshop) -> None:
    studio.answer("job-1", "approve")
    wait_for(lambda: _gate("polish", 5)(studio), "the gate of polish")


DAY = (
    Protocol(
        "first start",
        lambda _: None,
        lambda s: s.at_rest("job-0", "completed", None, 0),
        before=lambda s: s.ask("job-0", "straight"),
        from_start=True,
    ),
    Protocol("intake", _ask, _taken, before=Workshop.hold_lane),
    Protocol("attempt and gate", Workshop.release_lane, _gate("draft", 0), before=Workshop.hold_lane),
    Protocol("reject, made again", _answer("reject", notes="more", then="retry"), _gate("draft", 1)),
    Protocol("edit at the gate", _edit, _edit_shown),
    Protocol("approve", _answer("approve"), _gate("polish", 2)),
    Protocol(
        "reject from an earlier stage", _answer("reject", then="retry", from_="draft"), _gate("draft", 3)
    ),
    Protocol("pause", _answer("reject", notes="wait"), lambda s: s.at_rest("job-1", "paused", None, 4)),
    Protocol(
        "resume",
        lambda s: s.write("job-1", "resume.yaml", "by: alice\n...\n"),
        _gate("draft", 4),
        after=_approve_draft,
    ),
    Protocol("finish", _answer("approve"), lambda s: s.at_rest("job-1", "completed", None, 6)),
    Protocol("cancel", Workshop.cancel, _canceled, ready=_long_stage),
    Protocol("failure and retry", _fail_once, lambda s: s.at_rest("job-3", "needs_approval", "draft", 0)),
    Protocol(
        "refusal",
        lambda s: s.drop("bad.yaml", "intent: nothing\nno_such_key: 1\n...\n"),
        _refused,
    ),
    Protocol("stop", _stop, _stopped, ready=_long_stage, ends=True),
)


class Day:
    """One workspace in one place, brought back to the beginning of a protocol again and again."""

    def __init__(self, base: Path) -> None:
        """Live the day once, without a kill, and keep each protocol's beginning."""
        self._base, self._live = base, base / "live"
        self._asked: dict[str, dict[str, bytes]] = {}
        self.calls: dict[str, list[tuple[str, str, int]]] = {}
        """Of each protocol without a kill: role, call, bytes."""
        self._live.mkdir(parents=True)
        self._studio = studio = Workshop(self._live / "studio")
        for protocol in DAY:
            self._asked[protocol.name] = dict(studio.asked)
            shutil.copytree(self._live, self._kept(protocol), symlinks=True)
            studio.trace_next(None)
            self._begin(protocol)
            self._see_to_rest(protocol, [])
            protocol.after(studio)
            self._end(protocol)
            self.calls[protocol.name] = studio.watch_end()[0].calls
            assert not studio.faults()
            studio.log.write_bytes(b"")

    def _kept(self, protocol: Protocol) -> Path:
        return self._base / protocol.name.replace(" ", "-")

    def run(self, protocol: Protocol, *points: Point | None) -> tuple[list[Seen], list[str]]:
        """Live a protocol, with a daemon killed at each point in turn; what was seen, and what was wrong.

        At the place of a point, None has the calls counted and written down.
        """
        shutil.rmtree(self._live)
        shutil.copytree(self._kept(protocol), self._live, symlinks=True)
        studio = self._studio
        studio.asked = dict(self._asked[protocol.name])
        due = list(points)
        try:
            studio.trace_next(due.pop(0))
            self._begin(protocol)
            self._see_to_rest(protocol, due)
            self._end(protocol)
            faults = studio.faults()
        except (AssertionError, OSError, ValueError) as error:
            faults = [f"{error!r}\n{studio.log.read_text()[-3000:]}"]
        finally:
            studio.release_lane()
            if studio.alive:
                studio.kill()
            seen = studio.watch_end()
        return seen, faults

    def _begin(self, protocol: Protocol) -> None:
        studio = self._studio
        studio.begin()
        protocol.before(studio)
        if protocol.from_start:
            studio.spawn()
            studio.arm()
        else:
            studio.start()
            protocol.ready(studio)
            studio.arm()
        protocol.act(studio)

    def _see_to_rest(self, protocol: Protocol, due: list[Point | None]) -> None:
        """Until all is done, starting anew what was killed, under a tracer as long as points are due."""
        studio = self._studio

        def over() -> bool:
            assert studio.process is not None
            code = studio.process.poll()
            if code is None:
                # A copy may be looked at in the middle of a write.
                with suppress(FileNotFoundError, ValueError):
                    return protocol.rest(studio) and studio.quiet()
                return False
            killed = code == -signal.SIGKILL
            told = protocol.ends or studio.may_end
            assert killed or (told and code == 0), f"the daemon ended with {code}"
            if due:
                studio.recover(due.pop(0))
            else:
                studio.start()
            return False

        wait_for(over, f"the rest after {protocol.name}", 60)
        studio.arm(on=False)

    def _end(self, protocol: Protocol) -> None:
        code = self._studio.stop()
        if code == -signal.SIGKILL:
            # It had more to do than it seemed, and its point was there.
            self._studio.start()
            self._see_to_rest(protocol, [])
            code = self._studio.stop()
        assert code == 0, f"the daemon stopped with {code}"
        self._studio.release_lane()
