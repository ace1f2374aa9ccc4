"""What is made again after a rejection, and for whom: the daemon in this process, stages in a test's hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashed import disagreements
from tests.studio import QUICK, Studio
from tests.whole.unplugged import Unplugged

PIPELINE = """\
name: three
stages:
  - {name: a, command: [never, run], gate: true, outputs: [a.txt]}
  - {name: m, command: [never, run], needs: [a], outputs: [m.txt]}
  - {name: b, command: [never, run], needs: [a, m], gate: true, outputs: [b.txt]}
"""


class Desk:
    """One job, s, of three stages; a test ends their attempts and answers at the gates of the first and the last."""

    def __init__(self, root: Path) -> None:
        self.studio = Studio(root, QUICK)
        self.studio.pipeline("three", PIPELINE)
        self.studio.submit("s", "three")
        self.daemon = Unplugged(root)
        self.daemon.run()

    def ends(self, stage: str, *, well: bool = True) -> tuple[str, dict[str, str]]:
        """The attempt that is open, of this stage, comes to its end; gives the feedback and the redo it was given."""
        acting = self.daemon.acting
        assert acting is not None and acting.order.stage == stage
        (acting.order.out_dir / f"{stage}.txt").write_text(f"{stage} {acting.order.attempt}\n")
        if well:
            acting.succeed()
        else:
            acting.fail()
        self.daemon.run()
        return acting.order.feedback, dict(acting.order.redo)

    def answers(self, verb: str, **keys: object) -> None:
        """At the gate by its template; a job that stopped is resumed."""
        if verb == "resume":
            told = "".join(f"{key}: {value}\n" for key, value in keys.items())
            self.studio.write("s", "resume.yaml", f"{told}...\n")
        else:
            self.studio.answer("s", verb, **keys)
        self.daemon.run()

    def waits(self) -> tuple[str, str, str, int]:
        state = self.studio.state("s")
        return state["status"], state["reason"], state["stage"], state["attempt"]

    def at_the_last_gate(self) -> None:
        self.ends("a")
        self.answers("approve")
        self.ends("m")
        self.ends("b")
        assert self.waits() == ("needs_approval", "gate_open", "b", 1)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "studio")
    yield desk
    desk.daemon.stop()
    assert disagreements(desk.studio.root) == []
    desk.daemon.close()


def test_an_approval_is_of_the_attempt_that_was_looked_at(desk: Desk) -> None:
    """A stage made anew without a gate, since the policy asks for none any more, is not held against it."""
    desk.at_the_last_gate()
    desk.daemon.stop()
    policy = desk.studio.root / "conf/operator.yaml"
    policy.write_text(QUICK + "gates: {a: {required: false}}\n")
    desk.daemon.run()
    desk.answers("reject", then="retry", from_="a")
    desk.ends("a")
    assert desk.waits() == ("running", "", "m", 2)
    assert "gate_reopened" not in desk.studio.types("s")
    desk.ends("m")


def test_notes_wait_for_the_stage_that_they_are_for(desk: Desk) -> None:
    """Another stage that has to be made again before it, its source having been edited, is told nothing of them."""
    desk.at_the_last_gate()
    (desk.studio.run("s") / "a.txt").write_text("edited\n")
    desk.answers("reject", then="retry", notes="the title", redo={"b.1": "too long"})
    assert desk.waits() == ("needs_approval", "stale", "a", 1)
    desk.answers("approve")
    assert desk.ends("m") == ("", {})
    assert desk.ends("b", well=False) == ("the title", {"b.1": "too long"})
    desk.answers("resume", notes="try again")
    assert desk.ends("b") == ("the title\ntry again", {"b.1": "too long"})
    desk.answers("reject", then="retry")
    assert desk.ends("b") == ("", {})


def test_a_rejection_meanwhile_is_told_to_its_own_stage(desk: Desk) -> None:
    """At the stale gate that came between, and when a stage that runs before the rejected one fails and is resumed."""
    desk.at_the_last_gate()
    (desk.studio.run("s") / "a.txt").write_text("edited\n")
    desk.answers("reject", then="retry", notes="the title")
    desk.answers("reject", then="retry", notes="as it was")
    assert desk.ends("a") == ("as it was", {})
    desk.answers("approve")
    assert desk.ends("m", well=False) == ("", {})
    desk.answers("resume", notes="the disk was full")
    assert desk.ends("m") == ("the disk was full", {})
    assert desk.ends("b") == ("the title", {})
