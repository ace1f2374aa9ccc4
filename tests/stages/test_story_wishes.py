"""What a rejected storyboard is asked for by scene: it is done, or told why it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import storyboard
from stages.contract import META_NAME
from stages.drafts import drafts_in, frame_of
from stages.items import Research
from stages.redone import wished_drafts
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
    frame = frame_of(script, research)
    before = drafts_in(frame)
    after = wished_drafts(before, read_wishes({f"scene_{scene:03d}": reason}), frame)
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


def test_a_division_changes_no_scene_but_its_own(hive: Run) -> None:
    """Those after it have other numbers, and that is all there is to tell of them."""
    first, second, *rest = described(hive, redo={"scene_001": "as a quote", "scene_002": "split it"})[
        "changes"
    ]
    assert first.startswith("scene_001: quote instead of statement")
    assert second.startswith("scene_002: statement instead of list")
    assert rest == ["scene_003: new", "other numbers, from scene_003 on, which is scene_004 now"]


def test_a_first_storyboard_has_changed_nothing(hive: Run) -> None:
    """There is nothing to compare it with."""
    (hive.path / "storyboard.json").unlink()
    assert "changes" not in described(hive)


def changed(run: Run, scene: int, **facts: Any) -> None:
    """A scene of ``storyboard.json`` as a person has edited it."""
    board = json.loads(run.text("storyboard.json"))
    board["scenes"][scene].update(facts)
    (run.path / "storyboard.json").write_text(json.dumps(board), encoding="utf-8")


def said(board: Storyboard) -> list[str]:
    return [" ".join(word.text for word in scene.words) for scene in board.scenes]


def test_what_was_edited_survives_a_division(hive: Run) -> None:
    """Of all scenes that are not divided, though those after it have other numbers."""
    changed(hive, 1, heading="By hand")
    changed(hive, 3, narration="A colony keeps its brood warm.", heading="Warm")
    before = board_of(hive)
    hive.stage("storyboard", redo={"scene_002": "split it"})
    after = board_of(hive)
    assert after.scenes[:2] == before.scenes[:2]
    assert said(after)[2:4] == ["Bees dance for food.", "They sleep at night."]
    assert after.scenes[4].model_copy(update={"id": "scene_003"}) == before.scenes[3]
    assert after.notes == []


def test_the_sentences_of_a_divided_scene_are_those_that_a_person_wrote(hive: Run) -> None:
    """In ``storyboard.json`` as in ``script.txt``; under the heading that they gave it."""
    changed(
        hive, 2, narration="Bees dance for nectar. They sleep until dawn. Then they fly.", heading="Nights"
    )
    hive.stage("storyboard", redo={"scene_002": "too long"})
    after = board_of(hive)
    assert said(after)[2:5] == ["Bees dance for nectar.", "They sleep until dawn.", "Then they fly."]
    assert [scene.heading for scene in after.scenes[2:5]] == ["Nights"] * 3
    assert [scene.narration for scene in after.scenes[2:5]] == said(after)[2:5]
    assert (len(after.scenes), after.notes) == (6, [])


def test_numbers_are_shown_as_they_were_where_only_other_words_were_edited(hive: Run) -> None:
    """The narration spells what it says; captions do not."""
    spoken = board_of(hive).scenes[1].narration
    changed(hive, 1, narration=spoken.replace("in a warm summer.", "in summer. It has few in winter."))
    hive.stage("storyboard", redo={"scene_001": "split it"})
    assert said(board_of(hive))[1:3] == ["A hive holds 30,000 bees in summer.", "It has few in winter."]


def test_sentences_edited_in_the_script_are_divided(hive: Run) -> None:
    """The other scenes' edits in the storyboard survive that, too."""
    changed(hive, 1, heading="By hand")
    text = hive.text("script.txt").replace("They sleep at night.", "They sleep from dusk till dawn.")
    (hive.path / "script.txt").write_text(text, encoding="utf-8")
    hive.stage("storyboard", redo={"scene_001": "split it"})
    after = board_of(hive)
    assert said(after)[2] == "Bees dance for food. They sleep from dusk till dawn."
    assert after.scenes[1].heading == "By hand"
    hive.stage("storyboard", redo={"scene_002": "split it"})
    assert said(board_of(hive))[2:4] == ["Bees dance for food.", "They sleep from dusk till dawn."]


def test_a_division_lasts(hive: Run) -> None:
    """The next rejection names the scenes as they are numbered since, and undoes nothing."""
    hive.stage("storyboard", redo={"scene_002": "split it"})
    hive.stage("storyboard", redo={"scene_003": "as a quote"})
    board = board_of(hive)
    assert [scene.content.layout for scene in board.scenes[2:]] == ["statement", "quote", "list"]
    assert said(board)[2:4] == ["Bees dance for food.", "They sleep at night."]
    assert board.notes == []


def test_scenes_put_in_and_taken_out_by_hand(hive: Run) -> None:
    """One that the script does not know stays, and can be divided; one that it still tells comes back, named."""
    board = json.loads(hive.text("storyboard.json"))
    own = {
        **board["scenes"][1],
        "id": "scene_009",
        "narration": "Some are lazy. Some are not.",
        "timed_for": "",
    }
    board["scenes"] = [board["scenes"][0], own, *board["scenes"][2:]]
    (hive.path / "storyboard.json").write_text(json.dumps(board), encoding="utf-8")
    hive.stage("storyboard", redo={"scene_009": "split it"})
    after = board_of(hive)
    assert said(after)[:4] == [
        "Bees live in hives.", "A hive holds 30,000 bees in a warm summer.", "Some are lazy.", "Some are not."
    ]  # fmt: skip
    (note,) = after.notes
    assert note.startswith("scene_001: it is in script.txt and was not in the last storyboard")


def test_what_cannot_be_kept_is_said(hive: Run) -> None:
    """A narration edited where the script has changed since, too; edited captions of a divided scene."""
    changed(hive, 1, narration="A hive holds many bees.")
    words = [
        {**word, "text": word["text"].upper()}
        for word in json.loads(hive.text("storyboard.json"))["scenes"][2]["words"]
    ]
    changed(hive, 2, words=words)
    text = hive.text("script.txt").replace("30,000", "40,000")
    (hive.path / "script.txt").write_text(text, encoding="utf-8")
    hive.stage("storyboard", redo={"scene_002": "split it"})
    board = board_of(hive)
    assert said(board)[1:3] == ["A hive holds 40,000 bees in a warm summer.", "Bees dance for food."]
    assert "what scene_001 was made to say in storyboard.json is not kept" in board.notes[0]
    assert any("scene_002: its captions are the script's again" in note for note in board.notes)


def test_notes_that_name_no_scene_take_no_edit_away(hive: Run) -> None:
    """They are told to be of no use; who rejects without notes has the storyboard made anew."""
    changed(hive, 1, heading="By hand")
    before = board_of(hive)
    hive.stage("storyboard", feedback="nicer")
    after = board_of(hive)
    assert after.scenes == before.scenes
    assert after.notes[0].startswith("could not be honoured: 'nicer'. Name scenes")
    hive.stage("storyboard")
    assert board_of(hive).scenes[1].heading == "One"


def test_a_voice_that_a_person_chose_stays(hive: Run) -> None:
    """Who speaks is not asked again for the scenes that are made anew."""
    board = json.loads(hive.text("storyboard.json"))
    (hive.path / "storyboard.json").write_text(json.dumps({**board, "voice": "hibari"}), encoding="utf-8")
    hive.stage("storyboard", redo={"scene_002": "split it"})
    assert board_of(hive).voice == "hibari"
    assert len(board_of(hive).scenes) == 5
