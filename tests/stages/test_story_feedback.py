"""A rejection's notes: what rules can honour is honoured, the rest is listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.contract import StageError
from stages.feedback import read_feedback
from stages.honoured import Attempt, Told, report
from stages.notes import all_notes, earlier_notes, unhonoured
from tests.stages.story_runs import Run


@pytest.mark.parametrize(
    ("notes", "minutes"),
    [("Make it shorter", 1.6), ("too long!", 1.6), ("a bit longer please", 2.5), ("60 seconds", 1.0),
     ("Please make it 3 minutes", 3.0), ("nice", 2.0), ("", 2.0)],
)  # fmt: skip
def test_length(notes: str, minutes: float) -> None:
    """Shorter, longer and a length are honoured."""
    assert read_feedback(notes).minutes(2.0) == pytest.approx(minutes)


def test_a_length_that_is_none_is_refused() -> None:
    """Nobody watches for a thousand minutes."""
    with pytest.raises(StageError, match="1000 minutes"):
        read_feedback("make it 1000 minutes")


def test_leaving_out() -> None:
    """Words, kinds and single items are left out."""
    feedback = read_feedback("Leave out the queue, drop f014 and no code. Skip the history section")
    assert feedback.leaves_out("The queue can overflow.")
    assert feedback.leaves_out("A short history")
    assert feedback.leaves_out("anything", "f014")
    assert feedback.leaves_out("anything", "f001", "code")
    assert not feedback.leaves_out("The kernel knows.", "f001", "fact")


def test_wanting_more() -> None:
    """More of something raises it and leaves nothing out."""
    feedback = read_feedback("more about overflows")
    assert feedback.wants("The queue can overflow.")
    assert not feedback.leaves_out("The queue can overflow.")


def test_each_wish_is_reported() -> None:
    """Nothing that a person asked for is dropped in silence."""
    queue = (Told("The queue overflows.", "f001", "fact"),)
    feedback = read_feedback("Shorter. Make the tone funnier. More about unicorns")
    told = report(feedback, "script.txt", Attempt(queue, 50.0), queue, [Attempt(queue, 60.0)])
    assert told[0].startswith("honoured")
    assert told[1].startswith("could not be honoured without a writer: 'Make the tone funnier'")
    assert "no research item" in told[2]


@pytest.mark.parametrize(
    ("notes", "kinds"),
    [
        ("Shorter please: drop the table", ["shorter", "without"]),
        ("Too long; leave out the quote and more about queues", ["shorter", "without", "with"]),
        ("shorter without the table", ["shorter", "without"]),
        ("Drop the table, the code and f014", ["without", "without", "without"]),
        ("Drop the table and make it funnier", ["without", "unknown"]),
        ("90 seconds, simpler sentences!", ["length", "plain"]),
        ("Drop the table, please", ["without"]),
    ],
)
def test_each_wish_of_one_note_is_understood_by_itself(notes: str, kinds: list[str]) -> None:
    """A second wish in the same breath is neither lost nor covered by the first."""
    assert [wish.kind for wish in read_feedback(notes).wishes] == kinds


def test_objects_of_one_verb_are_all_left_out() -> None:
    """ "Drop the table and the code" drops both."""
    feedback = read_feedback("Drop the table and the code")
    assert feedback.leaves_out("any", "f001", "table")
    assert feedback.leaves_out("any", "f001", "code")


def test_wishes_of_earlier_rejections_live_on() -> None:
    """A second rejection does not bring back what the first one took out; a later word about it does."""
    again = read_feedback("simpler sentences", earlier="drop the table. Shorter. Be funny")
    assert again.leaves_out("any", "f001", "table")
    assert again.plain
    assert again.minutes(2.0, last=1.5) == 1.5
    assert report(again, "script.txt", Attempt(()), ()) == [
        "still honoured, from an earlier rejection: 'drop the table'",
        "still honoured, from an earlier rejection: 'Shorter'",
        "honoured: 'simpler sentences'",
    ]
    assert not read_feedback("show the table", earlier="drop the table").leaves_out("any", "f001", "table")
    assert read_feedback("3 minutes", earlier="shorter. 60 seconds").minutes(2.0, last=1.0) == 3.0


def test_earlier_notes_come_from_the_events(tmp_path: Path) -> None:
    """Those that went to this stage, without the ones it is given now; half a line does no harm."""
    run = Run(tmp_path)
    events = [
        ("gate_rejected", "script", {"notes": "drop the table", "from": None}),
        ("gate_approved", "script", {"notes": "fine"}),
        ("gate_rejected", "storyboard", {"notes": "no quotes", "from": "script"}),
        ("gate_rejected", "storyboard", {"notes": "crowded", "from": None}),
        ("job_resumed", "script", {"notes": "simpler", "from": None}),
    ]
    lines = [
        json.dumps({"type": kind, "stage": stage, "payload": payload}) for kind, stage, payload in events
    ]
    (run.path / "events.jsonl").write_text("\n".join(lines) + '\n{"type": "gate_re', encoding="utf-8")
    context = run.context("script", feedback="simpler")
    assert earlier_notes(context) == "drop the table\nno quotes"
    assert all_notes(context) == "drop the table\nno quotes\nsimpler"


def test_shorter_that_did_not_happen_is_not_called_honoured() -> None:
    """The report looks at the lengths of the two attempts, not at the wish alone."""
    feedback = read_feedback("shorter, drop it")
    told = report(feedback, "script.txt", Attempt((), 61.5), (), [Attempt((), 60.0)])
    assert told[0].startswith("could not be honoured")
    assert told[1].startswith("could not be honoured, it names nothing")
    shorter = report(feedback, "script.txt", Attempt((), 58.5), (), [Attempt((), 60.0)])
    assert shorter[0] == "honoured: 'shorter'"


def test_what_a_stage_cannot_do_is_said(tmp_path: Path) -> None:
    """Each wish once: the scenes that were not made anew, and every clause that names no scene."""
    run = Run(tmp_path)
    notes = "A warmer colour; scene_001: crowded\nscene_002: too dark"
    context = run.context("assets", notes, redo={"scene_009": "gone"})
    assert unhonoured(context, ["scene_001", "scene_002"], "Edit it.") == [
        "could not be honoured: 'scene_009: gone'. Edit it.",
        "could not be honoured: 'A warmer colour'. Edit it.",
    ]
    assert unhonoured(run.context("assets"), [], "Edit it.") == []
