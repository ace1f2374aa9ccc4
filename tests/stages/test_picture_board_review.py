"""The storyboard as a person left it at its gate: whether every scene can be drawn, and where it cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import board_review
from stages.contract import META_NAME, EditError
from stages.storyboard import save_storyboard
from tests.stages.tiny_runs import context, storyboard


def saved(run_dir: Path) -> Path:
    board = storyboard().model_copy(update={"width": 1280, "height": 720})
    run_dir.mkdir(parents=True, exist_ok=True)
    save_storyboard(board, run_dir / "storyboard.json")
    return run_dir / "storyboard.json"


def test_the_table_is_of_the_scenes_as_they_are_now(tmp_path: Path) -> None:
    """What was edited is in it."""
    path = saved(tmp_path / "run")
    path.write_text(path.read_text().replace("Part 1", "The better way"))
    look = context(tmp_path / "run", tmp_path / "look", "storyboard")
    board_review.review(look)
    meta = json.loads((look.out_dir / META_NAME).read_text())["storyboard.json"]["meta"]
    assert [row[3] for row in meta["table"]] == ["heading", "Part 0", "The better way"]
    assert meta["scenes"] == 2


def test_an_edited_narration_is_shown_as_it_is_now(tmp_path: Path) -> None:
    """Its words and seconds belong to what was said before: that is told, and of no other scene."""
    path = saved(tmp_path / "run")
    board = json.loads(path.read_text())
    before = board["scenes"][1]["seconds"]
    board["scenes"][1]["narration"] = "Ask the kernel."
    path.write_text(json.dumps(board))
    look = context(tmp_path / "run", tmp_path / "look", "storyboard")
    board_review.review(look)
    meta = json.loads((look.out_dir / META_NAME).read_text())["storyboard.json"]["meta"]
    (_, untouched, edited), (note,) = meta["table"], meta["notes"]
    assert edited[4] == "Ask the kernel."
    assert edited[2] == f"was {before:.1f}"
    assert not untouched[2].startswith("was")
    assert note.startswith("the seconds of scene_001 are from before the edit;")


def test_each_scene_without_room_is_named(tmp_path: Path) -> None:
    """All of them at once, before the pictures are drawn."""
    path = saved(tmp_path / "run")
    board = json.loads(path.read_text())
    for scene in board["scenes"]:
        scene["content"]["text"] = "far too much to say in a picture " * 60
    path.write_text(json.dumps(board))
    with pytest.raises(EditError, match=r"scene_000: its statement.*\nscene_001: its statement"):
        board_review.review(context(tmp_path / "run", tmp_path / "look", "storyboard"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"layout": "statement"', '"layout": "statemnt"', "scenes.1.content"),
        ('"heading": "Part 1"', '"heading": 7', "scenes.1.heading"),
        ('"heading": "Part 1"', '"haeding": "Part 1"', "scenes.1.haeding"),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    """The line of the field, or the one where its scene begins; nothing for what has none."""
    path = saved(tmp_path / "run")
    head, _, tail = path.read_text().rpartition(old)
    path.write_text(head + new + tail)
    with pytest.raises(EditError) as caught:
        board_review.review(context(tmp_path / "run", tmp_path / "look", "storyboard"))
    line = head.count("\n") + 1
    says = [each for each in str(caught.value).splitlines() if told in each]
    content = next(
        n for n, text in enumerate(path.read_text().splitlines(), 1) if '"content"' in text and n > line - 3
    )
    assert says[0].startswith((f"  line {line}: {told}: ", f"  line {content}: {told}: ")), caught.value


def test_what_is_missing_has_the_line_of_its_scene(tmp_path: Path) -> None:
    """And not that of the next scene, which has such a field."""
    path = saved(tmp_path / "run")
    board = json.loads(path.read_text())
    del board["scenes"][0]["seconds"]
    path.write_text(json.dumps(board, indent=1))
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if '"scene_000"' in text)
    with pytest.raises(EditError, match=f"  line {line}: scenes.0.seconds: Field required"):
        board_review.review(context(tmp_path / "run", tmp_path / "look", "storyboard"))


def test_what_is_no_json_has_its_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "run")
    path.write_text(path.read_text().replace(",", "", 1))
    with pytest.raises(EditError, match=r"storyboard\.json is not a storyboard:\n.*at line \d+ column"):
        board_review.review(context(tmp_path / "run", tmp_path / "look", "storyboard"))
