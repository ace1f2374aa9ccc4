"""What REVIEW.md makes of what a stage says of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.model import Artifact, Event, Job, Type
from daemon.page import DIFF_LINES, TABLE_ROWS, Around, asked_for, changes
from daemon.page import table as rendered
from daemon.review import keep_as_made, show
from tests.unit.test_rulings import AS_MADE, OPEN, decide, new_job, run_stage


def table(rows: Any) -> list[str]:
    return list(rendered("results.json", rows))


def test_a_table_is_shown_with_its_heading() -> None:
    """The first row is the heading; a bar or a line break in a cell does not end it."""
    assert table([["check", "value"], ["loud|ness", -16.0], ["a\nb", None]]) == [
        "\n## results.json\n", "| check | value |", "|---|---|", "| loud\\|ness | -16.0 |", "| a b | None |",
    ]  # fmt: skip


def test_a_long_table_is_cut_and_says_so() -> None:
    lines = table([["n"], *([number] for number in range(TABLE_ROWS + 7))])
    assert lines[-1] == "\n7 more rows"
    assert lines[-2] == f"| {TABLE_ROWS - 1} |"


@pytest.mark.parametrize("rows", [None, "x", 3, [], {"a": 1}, [1, 2], [["a"], []]])
def test_anything_else_is_no_table(rows: Any) -> None:
    """A stage may write any JSON there."""
    assert table(rows) == []


def at_gate(run: Path, meta: dict[str, Any]) -> Job:
    """A job whose stage script has made script.txt and is at its gate."""
    (run / "script.txt").write_text("as made\n", encoding="utf-8")
    job = run_stage(run_stage(new_job()), OPEN, [Artifact("script.txt", "script", 8, "aa", meta)])
    keep_as_made(run, job, job.at("script"))
    return job


def page(run: Path, job: Job) -> str:
    show(run, job, AS_MADE)
    return (run / "REVIEW.md").read_text(encoding="utf-8")


def test_what_was_said_before_an_edit_is_marked(tmp_path: Path) -> None:
    """The stage's own words tell of what it made, and the file is another by now."""
    job = at_gate(tmp_path, {"note": "2 words", "table": [["n"], [1]]})
    assert "| script.txt | script | 8 | 2 words |" in page(tmp_path, job)
    (tmp_path / "script.txt").write_text("as a person left it\n", encoding="utf-8")
    edited = page(tmp_path, job)
    assert "| script.txt | script | 8 | **edited**; before the edit: 2 words |" in edited
    assert "## script.txt, before the edit" in edited


def test_words_are_counted_again_where_the_stage_counted_them(tmp_path: Path) -> None:
    """By how many there are more or less than it left."""
    job = at_gate(tmp_path, {"note": "2 words", "words": 2})
    (tmp_path / "script.txt").write_text("as made, and a little more\n", encoding="utf-8")
    assert "| **edited**, now about 6 words; before the edit: 2 words |" in page(tmp_path, job)


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_what_changed_comes_first_and_how_to_answer_last(tmp_path: Path) -> None:
    """A long diff is cut, and says where the rest is, so that nobody scrolls past it to the answer."""
    job = at_gate(tmp_path, {"table": [["n"], [1]]})
    (tmp_path / "script.txt").write_text("".join(f"{n}\n" for n in range(300)), encoding="utf-8")
    show(tmp_path, job, AS_MADE, Around(["`x` is not read"], ["alice, about script.1: shorter"]))
    text = (tmp_path / "REVIEW.md").read_text(encoding="utf-8")
    assert headings(text) == [
        "What was asked for", "Changed since it was published: script.txt", "What was made",
        "script.txt, before the edit", "Beside the gate", "How to answer",
    ]  # fmt: skip
    assert "all of it, here: `diff -u history/02-script.1/made/script.txt script.txt`" in text
    assert text.index("How to answer stands at the end of this page.") < text.index("## ")
    assert len(text.splitlines()) < DIFF_LINES + 50
    change = next(changes(tmp_path, job, job.at("script")))
    assert change.lines[-1] == "+299", "whole for spork review --diff"
    shown = text.split("```diff\n")[1].split("\n```")[0].splitlines()
    assert shown == list(change.lines[:DIFF_LINES])
    assert f"\n{len(change.lines) - DIFF_LINES} more lines" in text


def test_what_an_attempt_was_asked_for() -> None:
    """Said between the last two times that the stage was complete, about it or on the way back to it."""

    def said(kind: Type, stage: str, **facts: Any) -> Event:
        return Event(kind, "2026-01-01T00:00:00Z", "j", stage, 1, payload={"by": "alice", **facts})

    made = said(Type.STAGE_COMPLETED, "script")
    asked = [
        said(Type.GATE_REJECTED, "script", notes="shorter\nplease", redo={"part": "dull"}),
        said(Type.GATE_REJECTED, "board", notes="for the board alone"),
        said(Type.GATE_REJECTED, "board", notes="another story", **{"from": "script"}),
        said(Type.JOB_RESUMED, "script", notes="again"),
        said(Type.JOB_RESUMED, "script"),
    ]
    before = said(Type.GATE_REJECTED, "script", notes="long ago")
    assert asked_for([made, before, made, *asked, made], "script") == [
        "alice, about script.1: shorter please; part: dull",
        "alice, about board.1: another story",
        "alice, resuming: again",
    ]
    assert asked_for([made], "script") == []
    assert asked_for([], "script") == []


@pytest.mark.parametrize(
    ("told", "shown"), [(["a\nb", 3], "- a b\n- 3\n"), ([], "- nothing\n"), ("x", "```diff")]
)
def test_a_stage_may_say_itself_what_it_changed(tmp_path: Path, told: Any, shown: str) -> None:
    """In place of the lines of a file that nobody reads; anything but a list is nothing said."""
    job = at_gate(tmp_path, {})
    again = decide(job, "reject", then="retry")
    (tmp_path / "history/02-script.1/script.txt").write_text("earlier\n", encoding="utf-8")
    job = run_stage(again, OPEN, [Artifact("script.txt", "script", 8, "aa", {"changes": told})])
    text = page(tmp_path, job)
    assert shown in text
    assert "## Changed since 02-script.1: script.txt" in text
    assert ("+as made" in text) != isinstance(told, list)
