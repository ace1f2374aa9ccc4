"""What the gate of the script shows: every sentence with its place, and what the sources had beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import script, script_review
from stages.contract import META_NAME, Context, EditError, Published
from tests.stages.story_runs import Run


def test_the_gate_shows_the_script_and_what_it_leaves_out(tmp_path: Path) -> None:
    """Which sentences rest on nothing is said, and which parts, tables and figures of the sources are not told."""
    run = Run(tmp_path, "Explain how a starter is fed", 0.3)
    run.source(
        "dough.md",
        "# Dough\n\nA starter lives in flour and water. It is fed once a day. It doubles in 8 hours.\n\n"
        "## Warmth\n\nHeat makes it fast.\n\n| at | hours |\n|---|---|\n| 18 °C | 12 |\n| 28 °C | 4 |\n\n"
        "## Trouble\n\nMould ruins a starter that nobody feeds for many weeks in a row.\n"
        "Throw such a starter away, wash the jar with hot water, and begin again with clean flour.\n",
    )
    for stage in ("outline", "research"):
        run.stage(stage)
    context = run.context("script")
    context.out_dir.mkdir(parents=True, exist_ok=True)
    script.run(context)
    meta = json.loads((context.out_dir / META_NAME).read_text())["script.txt"]["meta"]
    head, first, *rest = meta["table"]
    assert head == ["part", "what is said", "source"]
    assert first == ["Opening", "A starter lives in flour and water.", "dough.md:3"]
    assert rest[-1][1:] == ["The source of this video is on screen.", "none"]
    notes = " ".join(meta["notes"])
    assert "without a source: “The source of this video is on screen.”" in notes
    assert "the sources have more" in notes


def described(context: Context) -> dict[str, Any]:
    meta: dict[str, Any] = json.loads((context.out_dir / META_NAME).read_text())["script.txt"]["meta"]
    return meta


def test_the_script_as_a_person_left_it(tmp_path: Path) -> None:
    """Its words, length, table and notes are those of the edited text; a marker that names nothing has its line."""
    run = Run(tmp_path, "Explain how a starter is fed", 0.3)
    run.source(
        "dough.md", "# Dough\n\nA starter lives in flour and water. It is fed once a day. It doubles.\n"
    )
    for stage in ("outline", "research"):
        run.stage(stage)
    context = run.context("script")
    context.out_dir.mkdir(parents=True, exist_ok=True)
    script.run(context)
    made = described(context)
    text = (context.out_dir / "script.txt").read_text()
    own = Published("script.txt", "script", 1, "0" * 64, "script", made)
    look = replace(context, out_dir=tmp_path / "look", artifacts=[own])
    look.out_dir.mkdir()
    edited = context.run_dir / "script.txt"
    edited.write_text(text.replace("flour and water.", "flour and water in a warm kitchen."))
    script_review.review(look)
    now = described(look)
    assert now["words"] == made["words"] + 4
    assert now["seconds"] > made["seconds"]
    assert now["asked_seconds"] == made["asked_seconds"]
    assert any("A starter lives in flour and water in a warm kitchen." in row for row in now["table"])
    edited.write_text(text.replace("[f001]", "[f901]"))
    line = next(n for n, line in enumerate(edited.read_text().splitlines(), 1) if "[f901]" in line)
    with pytest.raises(EditError, match=f"script.txt line {line}: .f901. is not an item"):
        script_review.review(look)
