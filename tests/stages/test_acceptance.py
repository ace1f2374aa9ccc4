"""Acceptance can fail: a video made wrong in exactly one way is caught by the check for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import acceptance, assemble, audio, captions, sound, storyboard_file
from stages.contract import Published, StageError
from stages.cues import Cue
from stages.scenes import narration_digest
from tests.stages.tiny_runs import FPS, HEIGHT, WIDTH, complete, context, film, moving, save

pytestmark = pytest.mark.video

TEXTS = (
    "When a program wants to know that a file has changed, it can look again and again, but that costs time.",
    "The kernel already knows. So a better way is to ask the kernel.",
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with nothing wrong in it."""
    run_dir = tmp_path_factory.mktemp("good")
    complete(run_dir, TEXTS)
    audio.run(context(run_dir, run_dir, "audio"))
    assemble.run(context(run_dir, run_dir, "assemble"))
    (run_dir / ".meta.json").unlink()
    return run_dir


@pytest.fixture
def run_dir(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(good, tmp_path / "run"))


def failures(run_dir: Path, artifacts: tuple[Published, ...] = ()) -> set[str]:
    """The names of the checks that fail; the stage must fail with all of them in its message."""
    out_dir = run_dir / "out"
    try:
        acceptance.run(context(run_dir, out_dir, "acceptance", artifacts))
        message = ""
    except StageError as error:
        message = str(error)
    report = json.loads((out_dir / "acceptance_results.json").read_text())
    failed = {check["name"] for check in report["checks"] if check["verdict"] == "fail"}
    assert failed == set(report["failed"])
    assert report["verdict"] == ("fail" if failed else "pass")
    assert all(name in message for name in failed)
    return failed


def remix(run_dir: Path, change: Callable[[sound.Sound], sound.Sound]) -> None:
    """The same pictures with another sound."""
    board = storyboard_file.load(run_dir)
    clips = [run_dir / "animatics" / f"{scene.id}.mp4" for scene in board.scenes]
    mix = change(sound.read(run_dir / "voiceover.mp3").copy())
    assemble.join(run_dir / "video.mp4", board, clips, mix)


def repaint(run_dir: Path, painter: Callable[[int, float], Any]) -> None:
    """The same sound with other pictures."""
    board = storyboard_file.load(run_dir)
    for number, scene in enumerate(board.scenes):
        film(run_dir / "animatics" / f"{scene.id}.mp4", number, scene.seconds, painter)
    remix(run_dir, lambda mix: mix)


def recaption(run_dir: Path, change: Callable[[list[Cue]], list[Cue]]) -> None:
    """The caption files as they would be with other cues."""
    board = storyboard_file.load(run_dir)
    starts = storyboard_file.starts(board)
    scenes = [
        (scene.words, start, end) for scene, start, end in zip(board.scenes, starts, starts[1:], strict=False)
    ]
    cues = change(captions.video_cues(scenes))
    captions.write(cues, run_dir / "captions.srt", run_dir / "captions.vtt")


def replan(run_dir: Path, **changes: Any) -> None:
    """The asset plan with its first text changed."""
    plan = json.loads((run_dir / "asset_plan.json").read_text())
    plan["scenes"][0]["texts"][0].update(changes)
    (run_dir / "asset_plan.json").write_text(json.dumps(plan))


def moved(mix: sound.Sound, seconds: float) -> sound.Sound:
    return np.roll(mix, round(seconds * sound.RATE), axis=1)


def test_a_good_video_passes_every_check(run_dir: Path) -> None:
    """And each check says what it found and what it should be."""
    assert failures(run_dir) == set()
    report = json.loads((run_dir / "out" / "acceptance_results.json").read_text())
    assert len(report["checks"]) >= 30
    assert all({"name", "value", "threshold", "verdict"} <= set(check) for check in report["checks"])
    meta = json.loads((run_dir / "out" / ".meta.json").read_text())["acceptance_results.json"]
    assert meta["meta"]["verdict"] == "pass"


def test_silent(run_dir: Path) -> None:
    remix(run_dir, np.zeros_like)
    assert {"loudness", "words_heard", "captions_apart_from_sound", "speech_captioned"} <= failures(run_dir)


def test_one_silent_scene(run_dir: Path) -> None:
    """The whole is loud enough; the second scene says nothing."""
    start = round(storyboard_file.starts(storyboard_file.load(run_dir))[1] * sound.RATE)

    def muted(mix: sound.Sound) -> sound.Sound:
        mix[:, start:] = 0
        return mix

    remix(run_dir, muted)
    assert {"words_heard"} <= failures(run_dir)


def test_too_loud(run_dir: Path) -> None:
    remix(run_dir, lambda mix: np.clip(mix * 3, -1, 1))
    assert {"loudness", "true_peak"} <= failures(run_dir)


def test_too_soft(run_dir: Path) -> None:
    remix(run_dir, lambda mix: mix * np.float32(0.7))
    assert failures(run_dir) == {"loudness"}


def test_clipped_at_the_right_loudness(run_dir: Path) -> None:
    """Flat tops, brought down again: neither loudness nor true peak shows them."""

    def clipped(mix: sound.Sound) -> sound.Sound:
        flat = np.clip(mix * 12, -0.5, 0.5)
        return flat * np.float32(10 ** ((-16.5 - sound.measure(flat).lufs) / 20))

    remix(run_dir, clipped)
    assert "peak_to_loudness" in failures(run_dir)


@pytest.mark.parametrize("seconds", [0.3, -0.3])
def test_sound_out_of_step(run_dir: Path, seconds: float) -> None:
    remix(run_dir, lambda mix: moved(mix, seconds))
    assert {"sound_apart_from_storyboard", "captions_apart_from_sound"} <= failures(run_dir)


def test_one_scene_out_of_step(run_dir: Path) -> None:
    """Only the second scene's speech is late by 300 ms."""
    start = round(storyboard_file.starts(storyboard_file.load(run_dir))[1] * sound.RATE)
    remix(run_dir, lambda mix: np.concatenate([mix[:, :start], moved(mix[:, start:], 0.3)], axis=1))
    assert "sound_apart_from_storyboard" in failures(run_dir)


@pytest.mark.parametrize("seconds", [0.3, -0.3])
def test_captions_out_of_step(run_dir: Path, seconds: float) -> None:
    recaption(run_dir, lambda cues: [Cue(c.start + seconds, c.end + seconds, c.rows) for c in cues])
    assert "captions_apart_from_sound" in failures(run_dir)


def test_a_missing_caption(run_dir: Path) -> None:
    recaption(run_dir, lambda cues: cues[:1] + cues[2:])
    assert {"speech_captioned", "longest_speech_without_caption", "caption_words"} <= failures(run_dir)


def test_overlapping_captions(run_dir: Path) -> None:
    """One second too long: it stays while the next is shown."""
    text = (run_dir / "captions.srt").read_text()
    first, rest = text.split("\n", 2)[1], text
    begin, end = first.split(" --> ")
    later = f"00:00:{float(end[6:].replace(',', '.')) + 1:06.3f}".replace(".", ",")
    (run_dir / "captions.srt").write_text(rest.replace(first, f"{begin} --> {later}", 1))
    assert failures(run_dir) == {"caption_overlaps", "captions_srt_and_vtt"}


def test_captions_of_another_text(run_dir: Path) -> None:
    for name in ("captions.srt", "captions.vtt"):
        text = (run_dir / name).read_text().replace("kernel", "engine").replace("program", "person")
        (run_dir / name).write_text(text)
    assert failures(run_dir) == {"caption_words"}


def test_a_caption_too_long_to_read(run_dir: Path) -> None:
    for name in ("captions.srt", "captions.vtt"):
        text = (
            (run_dir / name).read_text().replace("\nhas changed", " has changed").replace("wants\n", "wants ")
        )
        (run_dir / name).write_text(
            text.replace("The kernel", "The kernel, which is the core of the system,")
        )
    assert "captions_too_large" in failures(run_dir)


def test_captions_that_are_none(run_dir: Path) -> None:
    (run_dir / "captions.srt").write_text("")
    assert {"files_missing", "captions"} <= failures(run_dir)


def test_black(run_dir: Path) -> None:
    """Eight tenths of a second without a picture."""
    black = np.full((HEIGHT, WIDTH, 3), 4, np.uint8)
    repaint(run_dir, lambda number, time: black if number == 1 and 1 <= time < 1.8 else moving(number, time))
    assert failures(run_dir) == {"black"}


def test_a_dark_picture_with_text_is_not_black(run_dir: Path) -> None:
    def dark(number: int, time: float) -> Any:
        picture = np.full((HEIGHT, WIDTH, 3), 2, np.uint8)
        picture[40:70:3, 40:200] = 245
        picture[100:110, 40 + int(time * 20) : 60 + int(time * 20)] = 90 + 60 * number
        return picture

    repaint(run_dir, dark)
    assert failures(run_dir) == set()


def test_frozen(run_dir: Path) -> None:
    """From its first second on, the first scene shows the same frame."""
    repaint(run_dir, lambda number, time: moving(number, min(time, 0.5) if number == 0 else time))
    assert failures(run_dir) == {"frozen"}


def test_a_scene_that_changes_nothing(run_dir: Path) -> None:
    """The second scene goes on with the first one's last picture for two seconds."""
    end = storyboard_file.load(run_dir).scenes[0].seconds

    def stuck(number: int, time: float) -> Any:
        return moving(
            0, end - 0.4 if number == 1 and time < 2 else min(time, end - 0.4) if number == 0 else time
        )

    repaint(run_dir, stuck)
    assert failures(run_dir) == {"scenes_that_change_nothing"}


def test_low_contrast_as_planned(run_dir: Path) -> None:
    replan(run_dir, contrast=3.9)
    assert failures(run_dir) == {"text_contrast_planned"}


def test_low_contrast_as_seen(run_dir: Path) -> None:
    """The plan promises 14:1; the frames show dark grey on darker grey."""

    def dim(number: int, time: float) -> Any:
        picture = moving(number, time)
        picture[40:70] = 40
        picture[40:70:3, 40:200] = 90
        return picture

    repaint(run_dir, dim)
    assert failures(run_dir) == {"text_contrast_measured"}


def test_text_at_the_edge(run_dir: Path) -> None:
    replan(run_dir, box=[2, 40, 160, 30])
    assert failures(run_dir) == {"texts_outside_safe_area"}


def test_a_video_of_another_length(run_dir: Path) -> None:
    """The storyboard was made longer after the video."""
    board = storyboard_file.load(run_dir)
    last = board.scenes[-1]
    longer = last.model_copy(update={"seconds": last.seconds + round(board.seconds * 0.08 * FPS) / FPS})
    save(board.model_copy(update={"scenes": [*board.scenes[:-1], longer]}), run_dir)
    assert failures(run_dir) == {"duration_off_storyboard"}


def test_sound_shorter_than_the_picture(run_dir: Path) -> None:
    remix(run_dir, lambda mix: mix[:, : mix.shape[1] - sound.RATE // 4])
    assert "streams_apart" in failures(run_dir)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_truncated_file(run_dir: Path, share: float) -> None:
    """Its index promises all of it; only what can be decoded counts."""
    data = (run_dir / "video.mp4").read_bytes()
    (run_dir / "video.mp4").write_bytes(data[: int(len(data) * share)])
    assert failures(run_dir) & {"decodes_to_the_end", "readable:video.mp4"}


def test_a_file_that_is_no_video(run_dir: Path) -> None:
    (run_dir / "video.mp4").write_text("placeholder")
    assert {"readable:video.mp4", "video_stream", "loudness", "black"} <= failures(run_dir)


def test_an_index_at_the_end(run_dir: Path) -> None:
    """A video that cannot begin to play before all of it has arrived."""
    import av

    with av.open(str(run_dir / "video.mp4")) as source, av.open(str(run_dir / "slow.mp4"), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams if s.type != "data"}
        for packet in source.demux(*(source.streams[index] for index in streams)):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    (run_dir / "slow.mp4").rename(run_dir / "video.mp4")
    assert failures(run_dir) == {"fast_start"}


def test_another_size_than_asked(run_dir: Path) -> None:
    board = storyboard_file.load(run_dir)
    save(board.model_copy(update={"width": 640, "height": 360}), run_dir)
    assert failures(run_dir) == {"format"}


def test_rushed(run_dir: Path) -> None:
    """More words in the same time than anybody can follow."""
    board = storyboard_file.load(run_dir)
    texts = [scene.narration + " and so on" * 9 for scene in board.scenes]
    scenes = [
        scene.model_copy(update={"narration": text, "timed_for": narration_digest(text)})
        for scene, text in zip(board.scenes, texts, strict=True)
    ]
    save(board.model_copy(update={"scenes": scenes}), run_dir)
    assert failures(run_dir) == {"words_per_minute"}


def test_a_placeholder(run_dir: Path) -> None:
    """Any artifact marked as one, however good the rest."""
    stand_in = Published("assets/scene_001.png", "image", 4, "0" * 64, "assets", {"placeholder": True})
    assert failures(run_dir, (stand_in,)) == {"placeholders"}


def test_missing_and_empty_files(run_dir: Path) -> None:
    (run_dir / "script.txt").unlink()
    (run_dir / "research.json").write_text("")
    assert failures(run_dir) == {"files_missing"}
    report = json.loads((run_dir / "out" / "acceptance_results.json").read_text())
    assert report["checks"][0]["note"] == "research.json, script.txt"


def test_a_storyboard_that_is_none(run_dir: Path) -> None:
    (run_dir / "storyboard.json").write_text('{"schema": 1}')
    assert "readable:storyboard.json" in failures(run_dir)


def test_an_asset_plan_that_is_none(run_dir: Path) -> None:
    (run_dir / "asset_plan.json").write_text("[]")
    assert {"readable:asset_plan.json", "text_contrast"} <= failures(run_dir)
