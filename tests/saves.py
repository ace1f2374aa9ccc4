"""What a save on a live daemon must come to: the text that was meant, recorded once; nothing before it was whole."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.studio import GATED, Studio
from tests.support import wait_for

REFUSED = "bye: old\n"
"""A decision that does not count, until it is edited."""
CUT = "# spork decision template\n"
"""The beginning of one, which waits for its end."""

SOURCED = """\
name: sourced
params: {docs: {type: files, max: 3}}
stages:
  - {name: quote, command: [sh, -euc, 'cat "$SPORK_SOURCES"/* > quoted.txt'], outputs: [quoted.txt]}
"""
PLAIN = """\
name: plain
stages:
  - {name: only, command: [sh, -euc, 'echo > done.txt'], outputs: [done.txt]}
"""
STATES = {"approve": ("completed", None), "reject": ("canceled", "rejected")}


@dataclass
class Tally:
    """What was seen in all."""

    operations: int = 0
    decisions: int = 0
    waits: int = 0
    early: int = 0

    def tell(self, record: Any) -> None:
        """Hand the numbers to pytest's ``record_property``, for the summary."""
        for name, number in vars(self).items():
            record(name, number)


@dataclass
class Shop:
    """A live daemon with jobs at gates, each for one save."""

    studio: Studio
    tally: Tally = field(default_factory=Tally)
    numbers: Any = field(default_factory=itertools.count)

    def open(self) -> None:
        self.studio.pipeline("gated", GATED)
        self.studio.pipeline("sourced", SOURCED)
        self.studio.pipeline("plain", PLAIN)
        self.studio.start()

    def at_gate(self) -> str:
        """A new job that waits at its gate."""
        job = self.studio.submit(f"g-{next(self.numbers)}", "gated", priority="high")
        self.studio.wait(job, "needs_approval")
        return job

    def refused(self, job: str, verb: str) -> None:
        """Put a decision there that does not count, and wait for its reason."""
        self.studio.write(job, f"{verb}.yaml", REFUSED)
        wait_for((self.studio.run(job) / f"{verb}.yaml.error.txt").exists, "the refusal of the old file")

    def decided(self, job: str, verb: str, text: str, refusals: int = 0) -> None:
        """Wait until the text was recorded as the job's decision, and see that nothing else was looked at."""
        self.tally.operations += 1
        self.studio.wait(job, *STATES[verb])
        kept = (self.studio.run(job) / f"decisions/01-draft.1.{verb}.yaml").read_text()
        types = self.studio.types(job)
        early = types.count("decision_refused") - refusals + (_lines(kept) != _lines(text))
        self.tally.early += early
        self.tally.decisions += not early
        assert _lines(kept) == _lines(text)
        assert types.count("decision_refused") == refusals, "a save was looked at before it was whole"
        assert types.count("gate_approved") + types.count("gate_rejected") == 1

    def still_waits(self, job: str, refusals: int = 0) -> None:
        """Nothing was decided and nothing was refused."""
        early = (self.studio.state(job)["status"] != "needs_approval") + (
            self.studio.types(job).count("decision_refused") - refusals
        )
        self.tally.early += early
        self.tally.waits += not early
        assert not early, self.studio.events(job)

    def request(self) -> tuple[str, Path]:
        """An id for a request and the file it is to come in."""
        number = next(self.numbers)
        return f"r-{number}", self.studio.root / f"inbox/request-{number}.yaml"

    def sourced(self, path: Path) -> None:
        """A request that waits for a file that nobody brings."""
        facts = {"intent": "waits", "pipeline": "sourced", "params": {"docs": ["never.txt"]}}
        self.studio.drop(path.name, json.dumps(facts) + "\n")

    def accepted(self, job: str, path: Path, text: str) -> None:
        """Wait until the text became the job, once, and see that nothing of it was refused."""
        self.tally.operations += 1
        accepted = self.studio.root / f"jobs/{job}.yaml"
        rejected = self.studio.root / "inbox/rejected"
        wait_for(
            lambda: accepted.exists() or list(rejected.glob(f"{path.stem}*")), f"{path.name} to be taken"
        )
        refused = list(rejected.glob(f"{path.stem}*"))
        right = not refused and _lines(accepted.read_text()) == _lines(text)
        self.tally.early += not right
        self.tally.decisions += right
        assert not refused
        assert _lines(accepted.read_text()) == _lines(text)
        wait_for(lambda: not path.exists(), f"{path.name} to be removed")


def _lines(text: str) -> list[str]:
    """Without the blank ones, which editors add at the end."""
    return [line for line in text.splitlines() if line.strip()]


def decision(verb: str, *, lines: int = 0, marked: bool = False) -> str:
    """A decision whose every line ends a valid one, padded with comments."""
    text = (
        "by: alice\n" + ("then: stop\n" if verb == "reject" else "stage: draft\n") + "notes: as discussed\n"
    )
    text += "".join(f"# line {number} of many, which say nothing\n" for number in range(lines))
    return text + ("...\n" if marked else "")


def request(job: str, *, lines: int = 0, marked: bool = False) -> str:
    """A request, padded with comments; what comes before its last key would be another job."""
    text = "intent: a note\npipeline: plain\n"
    text += "".join(f"# line {number} of many, which say nothing\n" for number in range(lines))
    return text + f"id: {job}\n" + ("...\n" if marked else "")
