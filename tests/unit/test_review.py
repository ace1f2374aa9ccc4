"""What REVIEW.md makes of what a stage says of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon.model import Artifact, Job
from daemon.review import TABLE_ROWS, _table, keep_as_made, show
from tests.unit.test_rulings import AS_MADE, OPEN, decide, new_job, run_stage


def table(rows: Any) -> list[str]:
    return list(_table(Artifact("results.json", "json", 1, "0" * 64, {"table": rows})))


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


@pytest.mark.parametrize(
    ("changes", "shown"), [(["a\nb", 3], "- a b\n- 3\n"), ([], "- nothing\n"), ("x", "```diff")]
)
def test_a_stage_may_say_itself_what_it_changed(tmp_path: Path, changes: Any, shown: str) -> None:
    """In place of the lines of a file that nobody reads; anything but a list is nothing said."""
    job = at_gate(tmp_path, {})
    again = decide(job, "reject", then="retry")
    (tmp_path / "history/02-script.1/script.txt").write_text("earlier\n", encoding="utf-8")
    job = run_stage(again, OPEN, [Artifact("script.txt", "script", 8, "aa", {"changes": changes})])
    text = page(tmp_path, job)
    assert shown in text
    assert ("changed since 02-script.1" in text) == isinstance(changes, list)
    assert ("+as made" in text) != isinstance(changes, list)
