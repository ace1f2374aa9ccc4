"""What a rejection asked for is in the next script, or the script says that it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.feedback import read_feedback
from stages.honoured import Attempt, Told, report
from stages.items import Research, load_research
from stages.script_text import Script, load_script
from tests.stages.story_runs import Run

SOURDOUGH = Path(__file__).parent / "sourdough.md"
NOTES = "leave out the code and the recap; say more about temperature, show the table"


@pytest.fixture
def dough(tmp_path: Path) -> Run:
    """A script of a minute and a half; its document has steps, a table, code and a list."""
    run = Run(tmp_path, "Explain how to keep a sourdough starter alive to a beginner", 1.5)
    run.source("sourdough.md", SOURDOUGH.read_bytes())
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    return run


def rejected(run: Run, notes: str, attempt: int = 1) -> str:
    """The next script after a rejection, as the daemon makes it: the last one is kept in history/."""
    kept = run.path / f"history/03-script.{attempt}/script.txt"
    kept.parent.mkdir(parents=True)
    (run.path / "script.txt").rename(kept)
    made = run.stage("script", feedback=notes)
    event = {"type": "gate_rejected", "stage": "script", "payload": {"notes": notes, "from": None}}
    with (run.path / "events.jsonl").open("a", encoding="utf-8") as events:
        events.write(json.dumps(event) + "\n")
    return made


def script_of(run: Run) -> tuple[Script, Research]:
    research = load_research(run.path)
    return load_script(run.path, {item.id for item in research.items}), research


def shown(run: Run) -> set[str]:
    """The kinds of the items that are shown."""
    script, research = script_of(run)
    items = [research.item(paragraph.show) for _, paragraph in script.paragraphs]
    return {item.kind for item in items if item}


def test_what_is_called_honoured_is_in_the_script(dough: Run) -> None:
    """Left-out parts are gone, the table is shown, and more is said of the subject; the same once more later."""
    before = dough.text("script.txt").lower()
    made = rejected(dough, NOTES)
    for wish in ("leave out the code", "the recap", "say more about temperature", "show the table"):
        assert f"# Note: honoured: {wish!r}" in made
    assert "table" in shown(dough)
    assert "code" not in shown(dough)
    assert "show: recap" not in made
    assert "To sum up" not in made
    assert made.lower().count("degrees") > before.count("degrees")
    again = rejected(dough, "leave out the discard", 2)
    for wish in ("leave out the code", "the recap", "say more about temperature", "show the table"):
        assert f"# Note: still honoured, from an earlier rejection: {wish!r}" in again
    assert "show: recap" not in again


def test_a_wish_that_the_script_does_not_meet_is_not_called_honoured(dough: Run) -> None:
    """Not in this attempt, and not in a later one either."""
    made = rejected(dough, "more about unicorns; simpler sentences")
    assert "# Note: could not be honoured, no research item speaks of it: 'more about unicorns'" in made
    again = rejected(dough, "leave out the discard", 2)
    assert "still honoured, from an earlier rejection: 'more about unicorns'" not in again
    assert "could not be honoured, though an earlier rejection asked for it, no research item" in again


SOURCES = (
    Told("Heat Yeast likes heat.", "f001", "fact"),
    Told("Heat Above 40 degrees heat kills yeast.", "f002", "number"),
    Told("Heat", "f003", "table"),
)


@pytest.mark.parametrize(
    ("notes", "told", "line"),
    [
        ("more about heat", SOURCES[:2], "honoured: 'more about heat'"),
        ("more about heat", SOURCES[:1], "could not be honoured, no more of it fits"),
        ("mention heat", SOURCES[:1], "honoured: 'mention heat'"),
        ("mention yeast", SOURCES[2:], "could not be honoured, nothing of it fits"),
        ("show the table", SOURCES[:2], "could not be honoured, nothing of it fits"),
        ("show f003", SOURCES, "honoured"),
        ("drop yeast", SOURCES[:2], "could not be honoured, 2 places have it: 'drop yeast'. Take it out"),
        ("drop yeast", SOURCES[2:], "honoured"),
        ("drop the table", SOURCES, "could not be honoured, 1 place has it"),
        ("60 seconds", SOURCES, "could not be honoured, it takes 90 seconds"),
        ("simpler sentences", SOURCES[:2], "could not be honoured, the sources have no simpler"),
    ],
)
def test_each_wish_is_held_against_what_is_told(notes: str, told: tuple[Told, ...], line: str) -> None:
    """That the sources could tell it is not enough."""
    before = [Attempt(SOURCES[:1], 90.0)]
    assert report(read_feedback(notes), "script.txt", Attempt(told, 90.0), SOURCES, before)[0].startswith(
        line
    )


def test_what_leads_to_left_out_code_goes_with_it(dough: Run) -> None:
    """ "This short function gives what to weigh" points at nothing once the function is gone; so does "it answers"."""
    made = rejected(dough, "leave out the code")
    assert "# Note: honoured: 'leave out the code'" in made
    assert "short function" not in made
    assert "it answers" not in made
