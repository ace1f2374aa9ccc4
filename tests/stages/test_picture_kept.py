"""What was drawn is kept: only what a change shows in is drawn again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import animatics, assets
from stages.contract import EditError
from stages.scenes import Storyboard
from stages.shot import Shot, order
from stages.theme import load
from tests.stages.picture_runs import SMALL, attempt, cite_lines_of_their_own, drawn, start
from tests.stages.storyboards import storyboard

pytestmark = pytest.mark.video


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("made"))


def _put_in(board: Storyboard, at: int) -> Storyboard:
    """The board with one scene more, all of them numbered anew as the storyboard stage does."""
    more = storyboard(only=[13], seconds=0.8, **SMALL).scenes[0]
    more.heading = board.scenes[at].heading
    scenes = [*board.scenes[:at], more, *board.scenes[at:]]
    named = [each.model_copy(update={"id": f"scene_{number:03d}"}) for number, each in enumerate(scenes)]
    return board.model_copy(update={"scenes": named})


def test_an_unchanged_scene_is_not_drawn_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one scene's text was changed only that scene is made; the others keep their bytes."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    board = storyboard(only=[0, 3, 6, 9], seconds=0.8, **SMALL)
    board.scenes[1].content.items[0] = "Something else"  # type: ignore[union-attr]
    start(tmp_path, board)
    pictures = _watched(monkeypatch)
    stills, clips = attempt(tmp_path, assets, 2), attempt(tmp_path, animatics, 2)
    assert pictures == ["scene_001.png", "scene_001"]
    for name, before in (
        (path, (made / path).read_bytes()) for path in [*stills, *clips] if "/scene_" in path
    ):
        assert ((stills | clips)[name] == before) == ("scene_001" not in name), name


def test_a_scene_more_or_less_leaves_the_other_parts_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its part is drawn; all others keep their bytes, under their new numbers."""
    board = storyboard(only=[0, 3, 4, 6, 9, 11], seconds=0.8, **SMALL)
    board.scenes[2].heading = board.scenes[1].heading
    cite_lines_of_their_own(board)
    longer = _put_in(board, 2)
    start(tmp_path, board)
    attempt(tmp_path, assets)
    first = attempt(tmp_path, animatics)
    pictures = _watched(monkeypatch)

    start(tmp_path, longer)
    attempt(tmp_path, assets, 2)
    second = attempt(tmp_path, animatics, 2)
    part = ["scene_001", "scene_002", "scene_003"]
    assert sorted(pictures) == sorted([*part, *(f"{name}.png" for name in part)])
    for old, new in ((0, 0), (3, 4), (4, 5), (5, 6)):
        before, now = (f"animatics/scene_{number:03d}.mp4" for number in (old, new))
        assert first[before] == second[now]

    pictures.clear()
    shutil.copytree(tmp_path / ".work/stages.assets.1", tmp_path / "history/05-assets.1")
    shutil.copytree(tmp_path / ".work/stages.animatics.1", tmp_path / "history/06-animatics.1")
    start(tmp_path, board)
    attempt(tmp_path, assets, 3)
    assert attempt(tmp_path, animatics, 3) == first
    assert [name for name in pictures if not name.endswith(".png")] == []


def test_a_scene_put_in_needs_an_id_of_its_own(tmp_path: Path) -> None:
    """Two of one name would be one file; which one is free is said."""
    board = storyboard(only=[0, 3, 6], seconds=0.8, **SMALL).model_dump(mode="json", by_alias=True)
    board["scenes"].insert(1, board["scenes"][0])
    (tmp_path / "storyboard.json").write_text(json.dumps(board), encoding="utf-8")
    with pytest.raises(EditError, match=r"two scenes have the id scene_000; .* free: scene_003"):
        attempt(tmp_path, assets)


def test_an_arrangement_asked_for_goes_with_its_scene(made: Path, tmp_path: Path) -> None:
    """After another scene was put in before it, too: it is known by what it shows."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    attempt(tmp_path, assets, 2, redo={"scene_002": "crowded"})
    start(tmp_path, _put_in(storyboard(only=[0, 3, 6, 9], seconds=0.8, **SMALL), 1))
    plan = json.loads(attempt(tmp_path, assets, 3)["asset_plan.json"])
    assert [shot["variant"] for shot in plan["scenes"]] == [0, 0, 0, 1, 0]


def test_redo_makes_just_those_scenes_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene sent back gets another arrangement, which its clip follows; the rest stays byte for byte."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    pictures = _watched(monkeypatch)
    stills = attempt(tmp_path, assets, 2, redo={"scene_001": "too much on one side"})
    clips = attempt(tmp_path, animatics, 2)
    assert pictures == ["scene_001.png", "scene_001"]
    assert stills["assets/scene_001.png"] != (made / "assets/scene_001.png").read_bytes()
    assert clips["animatics/scene_001.mp4"] != (made / "animatics/scene_001.mp4").read_bytes()
    assert stills["assets/scene_002.png"] == (made / "assets/scene_002.png").read_bytes()
    third = attempt(tmp_path, assets, 3)
    assert third["assets/scene_001.png"] == stills["assets/scene_001.png"]


def test_the_notes_of_a_rejection_are_answered(made: Path, tmp_path: Path) -> None:
    """A scene that the notes name is arranged anew as if by redo; what pictures cannot do is said."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    stills = attempt(tmp_path, assets, 2, feedback="scene_001: crowded; warmer colours please")
    assert stills["assets/scene_001.png"] != (made / "assets/scene_001.png").read_bytes()
    meta = json.loads(stills[".meta.json"])["asset_plan.json"]["meta"]
    assert meta["changes"] == ["scene_001: drawn anew"]
    notes = meta["notes"]
    assert notes[0] == "scene_001: has another arrangement for 'crowded'"
    assert notes[1].startswith("could not be honoured: 'warmer colours please'. ")
    assert len(notes) == 2


def test_what_history_holds_is_used_and_a_broken_clip_is_not(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips moved to history/ by a rewind serve again; one cut short is made anew."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tmp_path / "animatics", tmp_path / "history/06-animatics.1/animatics")
    shutil.rmtree(tmp_path / "animatics")
    broken = tmp_path / "history/06-animatics.1/animatics/scene_002.mp4"
    broken.write_bytes(broken.read_bytes()[:2000])
    pictures = _watched(monkeypatch)
    clips = attempt(tmp_path, animatics, 2)
    assert pictures == ["scene_002"]
    assert clips["animatics/scene_002.mp4"] == (made / "animatics/scene_002.mp4").read_bytes()


def test_a_new_heading_changes_no_later_part() -> None:
    """Dividing a part moves the ground of its own scenes only: later clips are taken over as they are."""
    board = storyboard(only=[1, 8, 9, 11])
    before = [order(board, index, load()).digest() for index in range(4)]
    board.scenes[1].heading = "Another name"
    after = [order(board, index, load()).digest() for index in range(4)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True, True]


def _watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is drawn from now on."""
    names: list[str] = []
    still, clip = assets.draw_still, animatics.make

    def watched_still(shot: Shot, path: Path) -> None:
        names.append(path.name)
        still(shot, path)

    def watched_clip(path: Path, wanted: Any, drew: Any) -> None:
        names.append(wanted.scene.id)
        clip(path, wanted, drew)

    monkeypatch.setattr(assets, "draw_still", watched_still)
    monkeypatch.setattr(animatics, "make", watched_clip)
    return names
