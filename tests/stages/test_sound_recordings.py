"""A recording stays with the text that a person made it for, whatever number its scene has now."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import assets, audio, board_review, recordings, storyboard, storyboard_file
from stages.alone import publish
from stages.contract import META_NAME, Context, EditError
from stages.placing import spoken_board
from stages.scenes import Scene
from stages.voice import speak
from tests.stages.story_runs import Run

pytestmark = pytest.mark.video

HIVES, WARM, DANCE, BROOD = (
    "Bees live in hives.",
    "A hive holds 30,000 bees in a warm summer.",
    "Bees dance for food.",
    "A colony keeps the temperature of its brood within one degree all day.",
)
WINTER = "In winter a hive holds 10,000 bees and no more."
SLOW = 1.5
"""How much longer a recorded scene is spoken."""


def written(run: Run, *texts: str) -> None:
    """``script.txt`` with one scene for each text."""
    parts = [f"== Part {number} ==\n\n{text}" for number, text in enumerate(texts[1:], 1)]
    text = "\n\n".join([f"Title: Bees\n\nshow: title\n{texts[0]}", *parts])
    (run.path / "script.txt").write_text(text + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run(tmp_path_factory.mktemp("made"), "Explain bees")
    run.source("bees.md", "# Bees\n\nBees live in hives. They dance for food.\n")
    for stage in ("outline", "research"):
        run.stage(stage)
    written(run, HIVES, WARM, DANCE, BROOD)
    run.stage("storyboard")
    return run.path


@pytest.fixture
def hive(made: Path, tmp_path: Path) -> Run:
    """Four scenes, of one text each."""
    run = Run(tmp_path, "Explain bees")
    shutil.copytree(made, run.path, dirs_exist_ok=True)
    return run


def scene_of(run: Run, text: str) -> Scene:
    """The scene that says a text."""
    scenes = storyboard_file.load(run.path).scenes
    return next(scene for scene in scenes if " ".join(word.text for word in scene.words) == text)


def record(run: Run, text: str, name: str = "") -> Path:
    """What a person says of a text, slowly, put where its scene has its number now."""
    scene = scene_of(run, text)
    speech = speak(scene.narration)
    at = np.arange(round(len(speech.samples) * SLOW)) / SLOW
    slow = np.interp(at, np.arange(len(speech.samples)), speech.samples)
    path = run.path / "voiceover" / (name or f"{scene.id}.wav")
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, speech.rate, 0, "NONE", ""))
        file.writeframes((slow * 32767).astype("<i2").tobytes())
    return path


def told(context: Context, module: Any, name: str) -> dict[str, Any]:
    """Run a stage, publish what it made, and give what its gate is told of a file."""
    context.out_dir.mkdir(parents=True, exist_ok=True)
    module.run(context)
    meta: dict[str, Any] = json.loads((context.out_dir / META_NAME).read_text())[name]["meta"]
    publish(context.out_dir, run_dir=context.run_dir)
    shutil.rmtree(context.out_dir)
    return meta


def spoken(run: Run) -> dict[str, Any]:
    return told(run.context("audio"), audio, "voiceover.mp3")


def boarded(run: Run) -> list[str]:
    """The storyboard made again, as after a rejection; what its gate is told."""
    notes: list[str] = told(run.context("storyboard"), storyboard, "storyboard.json")["notes"]
    return notes


def rewound(run: Run, number: int = 1) -> None:
    """All that storyboard and later stages have made lies in history, as the daemon leaves it."""
    kept = run.path / "history" / f"04-storyboard.{number}"
    kept.mkdir(parents=True)
    names = ("storyboard.json", "recordings", "voiceover.mp3", "captions.srt", "captions.vtt")
    for path in (path for name in names if (path := run.path / name).exists()):
        path.rename(kept / path.name)


def heard_slowly(run: Run) -> list[str]:
    """The texts that are spoken at the pace of the recording, measured."""
    before, now = storyboard_file.load(run.path), spoken_board(run.path)
    return [
        " ".join(word.text for word in new.words)
        for old, new in zip(before.scenes, now.scenes, strict=True)
        if new.words[-1].end > 1.2 * old.words[-1].end
    ]


@pytest.mark.parametrize("used", [True, False], ids=["heard before", "never heard"])
@pytest.mark.parametrize(
    ("texts", "now"),
    [
        ((HIVES, WINTER, WARM, DANCE, BROOD), "scene_003"),
        ((HIVES, DANCE, BROOD), "scene_001"),
        ((HIVES, DANCE, WARM, BROOD), "scene_001"),
    ],
    ids=["one put in", "one taken out", "two in another order"],
)
def test_a_recording_follows_its_text(hive: Run, texts: tuple[str, ...], now: str, used: bool) -> None:
    """The gates of storyboard and audio say where; also of one that was put there and sent back at once."""
    path = record(hive, DANCE)
    if used:
        assert spoken(hive)["recorded"] == ["scene_002"]
    rewound(hive)
    written(hive, *texts)
    note = f"voiceover/scene_002.wav is heard in {now}, which now says what it was made for: “{DANCE}”"
    assert boarded(hive) == [note]
    assert heard_slowly(hive) == [DANCE]
    meta = spoken(hive)
    assert meta["recorded"] == [now]
    assert note in meta["notes"]
    assert path.is_file()


def test_a_recording_without_its_text_is_not_heard(hive: Run) -> None:
    """Not in the scene that has its number now, nor in one of other words; a new name says that it is right."""
    path = record(hive, DANCE)
    spoken(hive)
    rewound(hive)
    written(hive, HIVES, WINTER, WARM, "Bees dance for nectar.", BROOD)
    (note,) = boarded(hive)
    assert note.startswith(f"voiceover/scene_002.wav is not heard: it was made for “{DANCE}”")
    assert note.endswith("give it a new name, as voiceover/scene_002.new.wav, to have it heard in scene_002")
    meta = spoken(hive)
    assert (meta["recorded"], note in meta["notes"]) == ([], True)

    path.rename(path.with_name("scene_003.wav"))
    meta = spoken(hive)
    assert meta["recorded"] == ["scene_003"]
    assert (
        "voiceover/scene_003.wav is new and is heard in scene_003, which says “Bees dance for nectar.”"
        in meta["notes"]
    )
    rewound(hive, 2)
    written(hive, HIVES, WARM, "Bees dance for nectar.", BROOD)
    boarded(hive)
    assert spoken(hive)["recorded"] == ["scene_002"]


def test_it_comes_back_with_its_text(hive: Run) -> None:
    """What stood nowhere for an attempt is remembered."""
    record(hive, DANCE)
    spoken(hive)
    rewound(hive)
    written(hive, HIVES, WARM, BROOD)
    assert "is not heard" in boarded(hive)[0]
    rewound(hive, 2)
    written(hive, HIVES, WARM, DANCE, BROOD)
    assert boarded(hive) == []
    assert spoken(hive)["recorded"] == ["scene_002"]


def test_a_new_name_that_goes_with_the_text_is_right(hive: Run) -> None:
    """Whoever renames a recording before the storyboard is made again has said where it belongs."""
    path = record(hive, DANCE)
    spoken(hive)
    path.rename(path.with_name("scene_003.wav"))
    rewound(hive)
    written(hive, HIVES, WINTER, WARM, DANCE, BROOD)
    (note,) = boarded(hive)
    assert note == f"voiceover/scene_003.wav is new and is heard in scene_003, which says “{DANCE}”"


def test_one_that_was_made_for_the_scene_goes_before_one_that_follows(hive: Run) -> None:
    """The other one is told to be heard no more."""
    record(hive, DANCE)
    spoken(hive)
    rewound(hive)
    written(hive, HIVES, WINTER, WARM, DANCE, BROOD)
    boarded(hive)
    record(hive, BROOD, "scene_003.wav")
    meta = spoken(hive)
    assert meta["recorded"] == ["scene_003"]
    why = "scene_003, which says what it was made for, has voiceover/scene_003.wav"
    assert f"voiceover/scene_002.wav is not heard: {why}" in meta["notes"]


def test_scenes_that_a_person_numbers_anew(hive: Run) -> None:
    """An edit of storyboard.json moves a text as the script does; ``spork review`` and the pictures' gate say so."""
    record(hive, DANCE)
    spoken(hive)
    board = storyboard_file.load(hive.path)
    scenes = [
        scene.model_copy(update={"id": f"scene_{number:03d}"})
        for number, scene in enumerate([board.scenes[0], *board.scenes[2:]])
    ]
    storyboard.save_storyboard(board.model_copy(update={"scenes": scenes}), hive.path / "storyboard.json")
    context = hive.context("storyboard")
    context.out_dir.mkdir(parents=True, exist_ok=True)
    board_review.review(context)
    seen = json.loads((context.out_dir / META_NAME).read_text())["storyboard.json"]["meta"]["notes"]
    assert len(seen) == 1
    assert seen[0].startswith("voiceover/scene_002.wav is heard in scene_001")
    assert seen[0] in told(hive.context("assets"), assets, "asset_plan.json")["notes"]


def test_other_commas_are_no_other_text(hive: Run) -> None:
    """Only words count."""
    record(hive, WARM)
    spoken(hive)
    rewound(hive)
    written(hive, HIVES, DANCE, "A hive, holds 30,000 bees; in a warm summer!", BROOD)
    assert boarded(hive)[0].startswith("voiceover/scene_001.wav is heard in scene_002")


def test_what_is_no_recording_of_a_scene_is_named(hive: Run) -> None:
    """A number that is not there, a name that is none; two for one scene are refused."""
    path = record(hive, DANCE)
    path.rename(path.with_name("scene_042.wav"))
    for name in ("scene_1.wav", ".scene_001.wav.part", "scene_001.wav~"):
        (path.parent / name).write_bytes(b"")
    board = storyboard_file.load(hive.path)
    assert recordings.heard(board, hive.path).notes == (
        "voiceover/scene_042.wav is not heard: there is no scene_042; they go from scene_000 to scene_003",
        "voiceover/scene_1.wav is not heard: a recording has the name of its scene, as scene_003.wav",
    )
    for name in ("scene_002.wav", "scene_002.again.wav"):
        record(hive, DANCE, name)
    with pytest.raises(EditError, match=r"scene_002\.again\.wav and voiceover/scene_002\.wav are both"):
        recordings.heard(board, hive.path)


def test_a_memory_that_cannot_be_read_is_none(hive: Run) -> None:
    """The recording counts as new, and that is told."""
    record(hive, DANCE)
    spoken(hive)
    (hive.path / "recordings" / "audio.json").write_text("[{", encoding="utf-8")
    (note,) = recordings.heard(storyboard_file.load(hive.path), hive.path).notes
    assert note.startswith("voiceover/scene_002.wav is new and is heard in scene_002")
