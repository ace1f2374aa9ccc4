"""The checker of histories finds what it is there to find."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.history import faults

REQUEST = b"intent: x\nid: job-1\n"
DECISION = b"by: alice\n...\n"


class History:
    """The files of one job that was rejected once and then approved; each test spoils one of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = root / "runs/job-1"
        for folder in (
            "inbox/rejected",
            "jobs",
            "runs/.incoming",
            "runs/job-1/.work",
            "runs/job-1/decisions",
        ):
            (root / folder).mkdir(parents=True)
        sha = hashlib.sha256(DECISION).hexdigest()
        facts = [
            ("job_queued", "draft", 1, "queued", {}),
            ("stage_started", "draft", 1, "running", {}),
            ("stage_completed", "draft", 1, "queued", {}),
            ("gate_pause", "draft", 1, "needs_approval", {}),
            ("gate_rejected", "draft", 1, "paused", {"sha256": sha}),
            ("stage_retried", "draft", 1, "queued", {}),
            ("stage_started", "draft", 2, "running", {}),
            ("stage_completed", "draft", 2, "queued", {}),
            ("gate_pause", "draft", 2, "needs_approval", {}),
            ("gate_approved", "draft", 2, "queued", {"sha256": sha}),
            ("job_completed", None, None, "completed", {}),
        ]
        self.events: list[dict[str, Any]] = [
            {
                "seq": seq,
                "job_id": "job-1",
                "type": kind,
                "stage": stage,
                "attempt": attempt,
                "status": status,
                "payload": payload,
            }
            for seq, (kind, stage, attempt, status, payload) in enumerate(facts, 1)
        ]
        self.witness = [f"{word} job-1 draft {n}" for n in (1, 2) for word in ("start", "end")]
        self.state: dict[str, Any] = {
            "seq": 11,
            "status": "completed",
            "stages": [
                {
                    "name": "draft",
                    "status": "completed",
                    "attempts": 2,
                    "artifacts": [{"path": "a.txt", "sha256": hashlib.sha256(b"a").hexdigest()}],
                }
            ],
            "decided": [
                {"stage": "draft", "attempt": 1, "decision": "reject"},
                {"stage": "draft", "attempt": 2, "decision": "approve"},
            ],
        }
        (root / "jobs/job-1.yaml").write_bytes(REQUEST)
        (self.run / "a.txt").write_text("a")
        (self.run / "decisions/01-draft.1.reject.yaml").write_bytes(DECISION)
        (self.run / "decisions/01-draft.2.approve.yaml").write_bytes(DECISION)

    def found(self) -> str:
        """Write all down and check it."""
        text = "".join(json.dumps(event) + "\n" for event in self.events)
        for path in (self.root / "jobs/state.jsonl", self.run / "events.jsonl"):
            if not path.exists():
                path.write_text(text)
        (self.run / "state.json").write_text(json.dumps(self.state))
        witness = self.root.with_name("witness")
        witness.write_text("".join(f"{line}\n" for line in self.witness))
        return "\n".join(faults(self.root, {"job-1": REQUEST}, witness))

    def drop(self, seq: int) -> None:
        """As if that event had not been recorded, the rest renumbered."""
        del self.events[seq - 1]
        for number, event in enumerate(self.events, 1):
            event["seq"] = number
        self.state["seq"] = len(self.events)


def test_a_good_history_has_no_faults(tmp_path: Path) -> None:
    """Else every finding below would be worth nothing."""
    assert History(tmp_path / "w").found() == ""


def _cut(name: str) -> Callable[[History], object]:
    def spoil(history: History) -> None:
        lines = [json.dumps(event) for event in history.events]
        (history.root / name).write_text("\n".join([*lines[:5], *lines[4:]]) + "\n")

    return spoil


def _refuse(history: History) -> None:
    """A refusal, recorded again after a crash, of a file that was kept again."""
    for number in (12, 13):
        facts = {"name": "bad.yaml", "identity": "1:2:3:4:5"}
        event = {**history.events[0], "seq": number, "job_id": None, "type": "request_refused"}
        history.events.append({**event, "stage": None, "payload": facts})
        (history.root / f"inbox/rejected/bad.{number}.yaml").write_text("bad")


SPOILED: dict[str, tuple[Callable[[History], object], str]] = {
    "event twice in the ledger": (_cut("jobs/state.jsonl"), "every event must stand there once"),
    "event twice in the run": (_cut("runs/job-1/events.jsonl"), "events.jsonl is not"),
    "accepted twice": (lambda h: h.events.insert(0, {**h.events[0]}), "accepted 2 times"),
    "never accepted": (lambda h: h.drop(1), "accepted 0 times"),
    "request changed": (lambda h: (h.root / "jobs/job-1.yaml").write_text("other"), "is not the request"),
    "request not taken away": (lambda h: (h.root / "inbox/x.yaml").write_text("x"), "still there"),
    "stranger": (lambda h: (h.root / "runs/job-2").mkdir(), "a run that nobody asked for"),
    "completed stage again": (lambda h: h.drop(6), "started again after it had completed"),
    "started while another was open": (lambda h: h.drop(3), "was open"),
    "gate passed by": (lambda h: h.drop(5), "started while the gate"),
    "decision without gate": (lambda h: h.drop(9), "but None waited"),
    "attempt skipped": (lambda h: h.events[6].update(attempt=3), "is its start number 2"),
    "attempt left open": (lambda h: h.events.__delitem__(slice(7, None)), "is still open"),
    "state behind": (lambda h: h.state.update(seq=10), "but the last event is"),
    "attempts miscounted": (lambda h: h.state["stages"][0].update(attempts=1), "but started were"),
    "decision lost from the state": (lambda h: h.state["decided"].pop(), "but recorded were"),
    "file gone": (lambda h: (h.run / "a.txt").unlink(), "is not there"),
    "file changed": (lambda h: (h.run / "a.txt").write_text("b"), "does not have the sha256"),
    "decision lost": (lambda h: (h.run / "decisions/01-draft.2.approve.yaml").unlink(), "decisions/ holds"),
    "decision left": (lambda h: (h.run / "approve.yaml").write_bytes(DECISION), "approve.yaml still lies"),
    "work left": (lambda h: (h.run / ".work/01-draft.1").mkdir(), "left over"),
    "half-written file": (lambda h: (h.run / "decisions/.spork-1-a").touch(), "left over"),
    "claim left": (lambda h: (h.root / "runs/.incoming/job-1").mkdir(), "left over"),
    "overlap": (lambda h: h.witness.append("overlap job-1 draft 2"), "overlap: job-1 draft 2"),
    "stage that was not recorded": (lambda h: h.witness.append("start job-1 draft 3"), "was not recorded"),
    "attempt that ran twice": (lambda h: h.witness.append("start job-1 draft 2"), "started 2 times"),
    "completed without its end": (lambda h: h.witness.pop(), "ended 0 times"),
    "refused twice": (_refuse, "refused 2 times"),
    "refused and kept twice": (_refuse, "kept 2 times"),
    "end after the next began": (
        lambda h: h.witness.insert(3, h.witness.pop(1)),
        "ended after job-1 draft 2 had started",
    ),
}


def test_an_end_may_stand_where_numbers_are_missing(tmp_path: Path) -> None:
    """A restored backup: the run was copied in mid-attempt, another's later. Only the missing line is a fault."""
    history = History(tmp_path / "w")
    history.events = [event for event in history.events if event["seq"] != 3]
    found = history.found()
    assert "every event must stand there once" in found
    assert "was open" not in found
    assert "('job-1', 'draft', 1) is still open" in found


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_history_is_found(tmp_path: Path, how: str) -> None:
    """Each fault that a crash could leave is named."""
    history = History(tmp_path / "w")
    spoil, told = SPOILED[how]
    spoil(history)
    assert told in history.found()
