"""What a rejected storyboard is asked for by scene: it is done, or told why it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import storyboard
from stages.contract import META_NAME
from stages.drafts import drafts_of
from stages.items import Research
from stages.scenes import Storyboard
from stages.script_text import parse_script
from stages.wishes import read_wishes
from tests.stages.story_runs import Run

SCRIPT = """\
Title: Bees

show: title
Bees live in hives.

== One ==

A hive holds 30,000 bees in a warm summer.

== Two ==

Bees dance for food. They sleep at night.

== Three ==

A colony keeps the temperature of its brood within one degree all day.
It does so by fanning with thousands of wings and by carrying water into the cells.
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes: the title, a statement, a list of two sentences, and a statement of two long ones."""
    run = Run(tmp_path_factory.mktemp("made"), "Explain bees")
    run.source("bees.md", "# Bees\n\nBees live in hives. They dance for food.\n")
    for stage in ("outline", "research"):
        run.stage(stage)
    (run.path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    run.stage("storyboard")
    return run.path


@pytest.fixture
def hive(made: Path, tmp_path: Path) -> Run:
    run = Run(tmp_path, "Explain bees")
    shutil.copytree(made, run.path, dirs_exist_ok=True)
    return run


def board_of(run: Run) -> Storyboard:
    return Storyboard.model_validate_json(run.text("storyboard.json"))


@pytest.mark.parametrize(
    ("scene", "reason", "told"),
    [
        (1, "as a list", "as list it would need two sentences or more"),
        (1, "as steps", "as steps it would need two sentences or more"),
        (1, "as a statement", "it is a statement already"),
        (1, "split it", "it is one sentence"),
        (1, "too much text", "no rule tells it in fewer words"),
        (3, "as a statement", "too long for one statement"),
    ],
)
def test_a_wish_that_changes_nothing_is_told_with_its_reason(scene: int, reason: str, told: str) -> None:
    """Also where it was understood; the scene stays as it was."""
    script, research = parse_script(SCRIPT, ()), Research(brief="bees", documents=[], items=[])
    before = drafts_of(script, research)
    after = drafts_of(script, research, wishes=read_wishes({f"scene_{scene:03d}": reason}))
    assert [draft.shape for draft in after] == [draft.shape for draft in before]
    assert after[scene].note.startswith(f"could not be honoured: {reason!r}: ")
    assert told in after[scene].note


def test_a_scene_whose_wish_is_refused_keeps_what_was_edited(hive: Run) -> None:
    """Asked for by the notes of ``reject --notes`` as well as by redo."""
    edited = json.loads(hive.text("storyboard.json"))
    edited["scenes"][1]["heading"] = "By hand"
    (hive.path / "storyboard.json").write_text(json.dumps(edited), encoding="utf-8")
    before = board_of(hive)
    hive.stage("storyboard", feedback="scene_001 as a list", redo={"scene_002": "as a banana"})
    after = board_of(hive)
    assert after.scenes == before.scenes
    banana, few = after.notes
    assert banana == "could not be honoured without a writer: scene_002: as a banana"
    assert few.startswith("scene_001: could not be honoured: 'as a list': as list it would need")


def test_a_scene_that_does_not_exist_is_told_with_the_nearest_name(hive: Run) -> None:
    """Neither ignored nor a reason to fail: the other wishes of the same rejection are done."""
    hive.stage("storyboard", redo={"scene_009": "as a list", "scene_2": "x", "scene_002": "as a quote"})
    board = board_of(hive)
    assert board.scenes[2].content.layout == "quote"
    first, second = board.notes
    assert "there is no scene scene_009" in first
    assert "from scene_000 to scene_003" in first
    assert "did you mean scene_002?" in second


def test_a_list_as_a_statement_keeps_all_its_sentences(hive: Run) -> None:
    """Both are spoken, so both are shown."""
    hive.stage("storyboard", redo={"scene_002": "as a statement"})
    board = board_of(hive)
    assert board.notes == []
    assert board.scenes[2].content.model_dump()["text"] == "Bees dance for food. They sleep at night"


def test_scenes_are_named_by_the_numbers_on_the_page(hive: Run) -> None:
    """Dividing one scene of a rejection does not move the wishes for those after it."""
    hive.stage("storyboard", redo={"scene_002": "split it", "scene_003": "as a quote"})
    board = board_of(hive)
    assert [scene.content.layout for scene in board.scenes[2:]] == ["statement", "statement", "quote"]
    assert board.notes == []


def described(run: Run, redo: dict[str, str] | None = None) -> dict[str, Any]:
    """What the stage tells the gate of its storyboard."""
    context = run.context("storyboard", redo=redo)
    context.out_dir.mkdir(parents=True, exist_ok=True)
    storyboard.run(context)
    told: dict[str, Any] = json.loads((context.out_dir / META_NAME).read_text())["storyboard.json"]["meta"]
    return told


def test_the_gate_shows_the_scenes_and_which_of_them_changed(hive: Run) -> None:
    """By the names that redo takes, with what each says, in place of the lines of JSON."""
    meta = described(hive, redo={"scene_002": "as a statement", "scene_001": "as a list"})
    head, _, number, *_ = meta["table"]
    assert head == ["scene", "layout", "seconds", "heading", "narration"]
    assert number[:2] == ["scene_001", "statement"]
    assert number[3:] == ["One", "A hive holds 30,000 bees in a warm summer."]
    assert meta["changes"] == ["scene_002: statement instead of list, other times"]


def test_a_first_storyboard_has_changed_nothing(hive: Run) -> None:
    """There is nothing to compare it with."""
    (hive.path / "storyboard.json").unlink()
    assert "changes" not in described(hive)
