"""Mixed work on a workspace, and what its owner was told of it and when; for the power cuts."""

import json
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crashed import Crashed
from tests.studio import ROOT, Studio
from tests.support import wait_for

ENDED = ("completed", "canceled", "failed")
EVENTS = {
    "approve": {"gate_approved"},
    "reject": {"gate_rejected"},
    "cancel": {"job_canceled"},
    "resume": {"job_resumed"},
}


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was acknowledged when the log was so long."""

    mark: int
    kind: str
    job_id: str = ""
    stage: str | None = None
    attempt: int = 0
    seq: int = 0


class Load:
    """Mixed work on a workspace, and what its owner was told, with the length of the log when they were told."""

    def __init__(self, studio: Crashed, log: Path, requests: Path, seed: int) -> None:
        self.studio, self._log, self._requests = studio, log, requests
        self._random = random.Random(seed)
        self.told: list[Told] = []
        self._commands: list[tuple[subprocess.Popen[bytes], Told]] = []
        self._lying: dict[Path, Told] = {}
        self._answered: set[tuple[str, str | None, int, str]] = set()
        self._asked = 0

    def run(self, jobs: int, until: Callable[[], bool] = lambda: False) -> None:
        """Until so many jobs were asked for and are over, or until something else is the case."""
        requests_left = [jobs]

        def turn() -> bool:
            self._collect()
            if until():
                return True
            if requests_left[0] and self._open() < 4 and self._random.random() < 0.3:
                requests_left[0] -= 1
                self._ask()
            for job_id in runs(self.studio):
                self._answer(job_id)
            return not requests_left[0] and not self._commands and not self._lying and self._open() == 0

        wait_for(turn, "the end of the load", 60 + 10 * jobs)

    def end(self) -> None:
        """What is not acknowledged by now never will be."""
        for process, _ in self._commands:
            process.kill()
            process.wait()
        self._commands.clear()
        self._lying.clear()

    def _open(self) -> int:
        """Jobs that are not over, and requests on their way in; not those that a power cut took for good."""
        jobs = sum(state_of(self.studio, job_id).get("status") not in ENDED for job_id in runs(self.studio))
        lying = sum(1 for _ in (self.studio.root / "inbox").glob("*.yaml"))
        return jobs + lying + sum(told.kind == "request" for _, told in self._commands)

    def _mark(self) -> int:
        return self._log.stat().st_size

    def _collect(self) -> None:
        """Note what was acknowledged since the last time."""
        for path in [path for path in self._lying if not path.exists()]:
            self._note(self._lying.pop(path))
        still = []
        for process, told in self._commands:
            code = process.poll()
            if code is None:
                still.append((process, told))
            elif code == 0:
                self._note(told)
            else:
                self._answered.discard((told.job_id, told.stage, told.attempt, told.kind))
        self._commands = still
        self._note(Told(0, "seq", seq=last_seq(self.studio.root)))

    def _note(self, told: Told) -> None:
        self.told.append(Told(self._mark(), told.kind, told.job_id, told.stage, told.attempt, told.seq))

    def _ask(self) -> None:
        self._asked += 1
        job_id = f"job-{self._asked}"
        kind = self._random.choice(["walk", "walk", "last", "straight"])
        params: dict[str, Any] = {"seconds": self._random.choice([0, 0, 0.05])}
        told = Told(0, "request", job_id)
        facts = {"intent": f"the intent of {job_id}", "pipeline": kind, "params": params}
        if self._random.random() < 0.7:
            facts["id"] = job_id
        if self._random.random() < 0.5:
            sources = self._random.random() < 0.5
            if sources:
                (self._requests / "one.txt").write_text(f"{job_id}\n")
                params["sources"] = ["one.txt"]
            path = self._requests / f"{job_id}.yaml"
            path.write_bytes(as_yaml(facts))
            self._command(told, "submit", str(path))
        else:
            path = self.studio.drop(f"{job_id}.yaml", as_yaml(facts).decode())
            self._lying[path] = told
        self.studio.asked[job_id] = as_yaml(facts)

    def _answer(self, job_id: str) -> None:
        state = state_of(self.studio, job_id)
        status = state.get("status")
        if status not in ("needs_approval", "paused") or self._random.random() < 0.5:
            return
        key = (job_id, state["stage"], state["attempt"])
        verb = self._verb(state)
        if any((*key, v) in self._answered for v in EVENTS if (v == "resume") == (verb == "resume")):
            return
        self._answered.add((*key, verb))
        told = Told(0, verb, *key)
        if self._random.random() < 0.5:
            more = ["--then", self._random.choice(["retry", "pause"])] if verb == "reject" else []
            self._command(told, verb, job_id, *more)
        elif verb in ("approve", "reject"):
            keys = {"then": self._random.choice(["retry", "pause"])} if verb == "reject" else {}
            self.studio.answer(job_id, verb, **keys)
            self._lying[self.studio.run(job_id) / f"{verb}.yaml"] = told
        else:
            self.studio.write(job_id, f"{verb}.yaml", "by: alice\n...\n")
            self._lying[self.studio.run(job_id) / f"{verb}.yaml"] = told

    def _verb(self, state: dict[str, Any]) -> str:
        if state["status"] == "paused":
            return "resume"
        if state["attempt"] < 3 and self._random.random() < 0.3:
            return "reject"
        return "cancel" if self._random.random() < 0.1 else "approve"

    def _command(self, told: Told, *arguments: str) -> None:
        process = subprocess.Popen(
            self.studio.command(*arguments),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=self._requests,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._commands.append((process, told))


def runs(studio: Crashed) -> list[str]:
    """The ids of the jobs that have a directory."""
    return [path.name for path in (studio.root / "runs").iterdir() if not path.name.startswith(".")]


def state_of(studio: Studio, job_id: str) -> dict[str, Any]:
    """state.json; nothing where a power cut has emptied it or cut it short: it is a copy, and made again."""
    try:
        return studio.state(job_id)
    except ValueError:
        return {}


def taken(studio: Crashed, asked: dict[str, bytes]) -> dict[str, str]:
    """Id and request of each job. The requests are told apart by their bytes: some name no id."""
    names = {data: name for name, data in asked.items()}
    return {
        path.stem: names.get(path.read_bytes(), f"jobs/{path.name} is no request that was made")
        for path in (studio.root / "jobs").glob("*.yaml")
    }


def as_yaml(facts: dict[str, Any]) -> bytes:
    return ("".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items()) + "...\n").encode()


def last_seq(root: Path) -> int:
    from daemon.store import Store

    store = Store(root / "jobs/spork.db", read_only=True)
    try:
        return store.last_seq()
    finally:
        store.close()
