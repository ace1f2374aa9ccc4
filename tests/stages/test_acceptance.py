"""Acceptance can fail: a video made wrong in exactly one way is caught by the check for it.

Each check has such a positive control; the last test sees that none is without.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
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


def test_progress_follows_what_has_been_seen(run_dir: Path, tmp_path: Path) -> None:
    """Watching takes nearly all the time: it is told on the way, and nothing ever goes back."""
    heard = tmp_path / "progress"
    acceptance.run(replace(context(run_dir, tmp_path / "out", "acceptance"), progress_file=heard))
    lines = [line.partition(" ") for line in heard.read_text().splitlines()]
    told = [float(fraction) for fraction, _, _ in lines]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    watched = [float(fraction) for fraction, _, message in lines if message == "watching the video"]
    seconds = int(storyboard_file.load(run_dir).seconds)
    assert seconds - 1 <= len(watched) <= seconds + 1
    assert max(watched) > 0.75
    assert max(b - a for a, b in pairwise(told)) < 0.3


Spoiler = Callable[[Path], None]
SPOILED: list[tuple[str, Spoiler, frozenset[str], bool]] = []
"""What is wrong, what makes it so, the checks that catch it, and whether no other one may."""


def caught_by(*names: str, only: bool = False) -> Callable[[Spoiler], Spoiler]:
    """Register a way to spoil a good run, and the checks that must catch it."""

    def register(spoil: Spoiler) -> Spoiler:
        SPOILED.append((spoil.__name__, spoil, frozenset(names), only))
        return spoil

    return register


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


@caught_by("loudness", "words_heard", "captions_apart_from_sound", "speech_captioned")
def silent(run_dir: Path) -> None:
    remix(run_dir, np.zeros_like)


@caught_by("words_heard")
def one_silent_scene(run_dir: Path) -> None:
    """The whole is loud enough; the second scene says nothing."""
    start = round(storyboard_file.starts(storyboard_file.load(run_dir))[1] * sound.RATE)

    def muted(mix: sound.Sound) -> sound.Sound:
        mix[:, start:] = 0
        return mix

    remix(run_dir, muted)


@caught_by("loudness", "true_peak")
def too_loud(run_dir: Path) -> None:
    remix(run_dir, lambda mix: np.clip(mix * 3, -1, 1))


@caught_by("loudness", only=True)
def too_soft(run_dir: Path) -> None:
    """By eight tenths of a decibel."""
    remix(run_dir, lambda mix: mix * np.float32(0.912))


@caught_by("peak_to_loudness")
def clipped_at_the_right_loudness(run_dir: Path) -> None:
    """Flat tops, brought down again: neither loudness nor true peak shows them."""

    def clipped(mix: sound.Sound) -> sound.Sound:
        flat = np.clip(mix * 12, -0.5, 0.5)
        return flat * np.float32(10 ** ((-16.2 - sound.measure(flat).lufs) / 20))

    remix(run_dir, clipped)


@caught_by("sound_apart_from_storyboard", "captions_apart_from_sound", "caption_furthest_from_sound")
def sound_late(run_dir: Path) -> None:
    remix(run_dir, lambda mix: moved(mix, 0.3))


@caught_by("sound_apart_from_storyboard", "captions_apart_from_sound")
def sound_early(run_dir: Path) -> None:
    remix(run_dir, lambda mix: moved(mix, -0.3))


@caught_by("sound_apart_from_storyboard")
def one_scene_out_of_step(run_dir: Path) -> None:
    """Only the second scene's speech is late by 300 ms."""
    start = round(storyboard_file.starts(storyboard_file.load(run_dir))[1] * sound.RATE)
    remix(run_dir, lambda mix: np.concatenate([mix[:, :start], moved(mix[:, start:], 0.3)], axis=1))


@caught_by("captions_apart_from_sound", "caption_furthest_from_sound")
def captions_late(run_dir: Path) -> None:
    recaption(run_dir, lambda cues: [Cue(c.start + 0.3, c.end + 0.3, c.rows) for c in cues])


@caught_by("captions_apart_from_sound")
def captions_early(run_dir: Path) -> None:
    recaption(run_dir, lambda cues: [Cue(c.start - 0.3, c.end - 0.3, c.rows) for c in cues])


@caught_by("caption_furthest_from_sound")
def one_caption_out_of_step(run_dir: Path) -> None:
    """The last sentence's caption waits for a third of a second; the median does not show it."""
    recaption(run_dir, lambda cues: [*cues[:-1], Cue(cues[-1].start + 0.35, cues[-1].end, cues[-1].rows)])


@caught_by("speech_captioned", "longest_speech_without_caption", "caption_words")
def a_gap_in_the_captions(run_dir: Path) -> None:
    recaption(run_dir, lambda cues: cues[:1] + cues[2:])


@caught_by("caption_overlaps", "captions_srt_and_vtt", only=True)
def overlapping_captions(run_dir: Path) -> None:
    """One second too long: it stays while the next is shown."""
    text = (run_dir / "captions.srt").read_text()
    first, rest = text.split("\n", 2)[1], text
    begin, end = first.split(" --> ")
    later = f"00:00:{float(end[6:].replace(',', '.')) + 1:06.3f}".replace(".", ",")
    (run_dir / "captions.srt").write_text(rest.replace(first, f"{begin} --> {later}", 1))


@caught_by("caption_without_length")
def a_caption_that_ends_before_it_begins(run_dir: Path) -> None:
    for name in ("captions.srt", "captions.vtt"):
        lines = (run_dir / name).read_text().split("\n")
        at = next(number for number, line in enumerate(lines) if " --> " in line)
        begin, end = lines[at].split(" --> ")
        lines[at] = f"{end} --> {begin}"
        (run_dir / name).write_text("\n".join(lines))


@caught_by("caption_words", only=True)
def captions_of_another_text(run_dir: Path) -> None:
    for name in ("captions.srt", "captions.vtt"):
        text = (run_dir / name).read_text().replace("kernel", "engine").replace("program", "person")
        (run_dir / name).write_text(text)


@caught_by("captions_too_large")
def a_caption_too_long_to_read(run_dir: Path) -> None:
    for name in ("captions.srt", "captions.vtt"):
        text = (run_dir / name).read_text().replace("\nhas changed", " has changed")
        text = text.replace("wants\n", "wants ")
        text = text.replace("The kernel", "The kernel, which is the core of the system,")
        (run_dir / name).write_text(text)


@caught_by("files_missing", "captions")
def an_empty_caption_file(run_dir: Path) -> None:
    (run_dir / "captions.srt").write_text("")


@caught_by("readable:captions.srt", "readable:captions.vtt", "captions")
def caption_files_that_are_none(run_dir: Path) -> None:
    (run_dir / "captions.srt").write_bytes(b"\xff\xfe\x00")
    (run_dir / "captions.vtt").write_text("not a caption file at all\n")


@caught_by("black", only=True)
def black(run_dir: Path) -> None:
    """Eight tenths of a second without a picture."""
    nothing = np.full((HEIGHT, WIDTH, 3), 4, np.uint8)
    repaint(
        run_dir, lambda number, time: nothing if number == 1 and 1 <= time < 1.8 else moving(number, time)
    )


@caught_by("frozen", only=True)
def frozen(run_dir: Path) -> None:
    """From its first second on, the first scene shows the same frame."""
    repaint(run_dir, lambda number, time: moving(number, min(time, 0.5) if number == 0 else time))


@caught_by("scenes_that_change_nothing", only=True)
def a_scene_that_changes_nothing(run_dir: Path) -> None:
    """The second scene goes on with the first one's last picture for two seconds."""
    end = storyboard_file.load(run_dir).scenes[0].seconds

    def stuck(number: int, time: float) -> Any:
        if number == 1 and time < 2:
            return moving(0, end - 0.4)
        return moving(number, min(time, end - 0.4) if number == 0 else time)

    repaint(run_dir, stuck)


@caught_by("text_contrast_planned", only=True)
def low_contrast_as_planned(run_dir: Path) -> None:
    replan(run_dir, contrast=3.9)


@caught_by("text_contrast_measured", only=True)
def low_contrast_as_seen(run_dir: Path) -> None:
    """The plan promises 14:1; the frames show dark grey on darker grey."""

    def dim(number: int, time: float) -> Any:
        picture = moving(number, time)
        picture[40:70] = 40
        picture[40:70:3, 40:200] = 90
        return picture

    repaint(run_dir, dim)


@caught_by("texts_outside_safe_area", only=True)
def text_planned_at_the_edge(run_dir: Path) -> None:
    replan(run_dir, box=[2, 40, 160, 30])


def lettered(place: tuple[slice, slice]) -> Callable[[int, float], Any]:
    """Pictures that have, in the second scene, strokes like those of letters at that place."""

    def painter(number: int, time: float) -> Any:
        picture = moving(number, time)
        if number == 1:
            picture[place] = 240
        return picture

    return painter


@caught_by("text_seen_at_the_edge", only=True)
def text_seen_at_the_left_edge(run_dir: Path) -> None:
    """The plan knows nothing of it."""
    repaint(run_dir, lettered((slice(60, 66), slice(1, 16, 3))))


@caught_by("text_seen_at_the_edge", only=True)
def text_seen_at_the_lower_edge(run_dir: Path) -> None:
    repaint(run_dir, lettered((slice(174, 178), slice(100, 160, 4))))


@caught_by("duration_off_storyboard", "chapters")
def a_video_of_another_length(run_dir: Path) -> None:
    """The storyboard was made longer after the video."""
    board = storyboard_file.load(run_dir)
    first = board.scenes[0]
    longer = first.model_copy(update={"seconds": first.seconds + round(board.seconds * 0.08 * FPS) / FPS})
    save(board.model_copy(update={"scenes": [longer, *board.scenes[1:]]}), run_dir)


@caught_by("streams_apart")
def sound_shorter_than_the_picture(run_dir: Path) -> None:
    remix(run_dir, lambda mix: mix[:, : mix.shape[1] - sound.RATE // 4])


@caught_by("decodes_to_the_end")
def a_truncated_file(run_dir: Path) -> None:
    """Its index promises all of it; only what can be decoded counts."""
    data = (run_dir / "video.mp4").read_bytes()
    (run_dir / "video.mp4").write_bytes(data[: int(len(data) * 0.6)])


@caught_by("readable:video.mp4", "video_stream", "loudness", "black", "text_seen_at_the_edge")
def a_file_that_is_no_video(run_dir: Path) -> None:
    (run_dir / "video.mp4").write_text("placeholder")


def recontained(run_dir: Path, keep: str, options: dict[str, str]) -> None:
    """The same packets in another container: only streams of these kinds, no chapters unless copied."""
    import av

    with (
        av.open(str(run_dir / "video.mp4")) as source,
        av.open(str(run_dir / "other.mp4"), "w", options=options) as target,
    ):
        if "chapters" in keep:
            target.set_chapters(source.chapters())
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams if s.type in keep}
        for packet in source.demux(*(source.streams[index] for index in streams)):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    (run_dir / "other.mp4").rename(run_dir / "video.mp4")


@caught_by("fast_start", only=True)
def an_index_at_the_end(run_dir: Path) -> None:
    """A video that cannot begin to play before all of it has arrived."""
    recontained(run_dir, "video audio chapters", {})


@caught_by("chapters", only=True)
def no_chapters(run_dir: Path) -> None:
    recontained(run_dir, "video audio", {"movflags": "+faststart"})


@caught_by("codecs", "loudness", "streams_apart", "sound_apart_from_storyboard")
def no_sound_stream(run_dir: Path) -> None:
    recontained(run_dir, "video chapters", {"movflags": "+faststart"})


@caught_by("pixel_format")
def colours_that_few_players_show(run_dir: Path) -> None:
    """4:4:4 plays here, and is a green or black picture on most phones."""
    board = storyboard_file.load(run_dir)
    for number, scene in enumerate(board.scenes):
        film(run_dir / "animatics" / f"{scene.id}.mp4", number, scene.seconds, pixel_format="yuv444p")
    remix(run_dir, lambda mix: mix)


@caught_by("format", only=True)
def another_size_than_asked(run_dir: Path) -> None:
    board = storyboard_file.load(run_dir)
    save(board.model_copy(update={"width": 640, "height": 360}), run_dir)


@caught_by("words_per_minute", only=True)
def rushed(run_dir: Path) -> None:
    """More words in the same time than anybody can follow."""
    board = storyboard_file.load(run_dir)
    texts = [scene.narration + " and so on" * 9 for scene in board.scenes]
    scenes = [
        scene.model_copy(update={"narration": text, "timed_for": narration_digest(text)})
        for scene, text in zip(board.scenes, texts, strict=True)
    ]
    save(board.model_copy(update={"scenes": scenes}), run_dir)


@caught_by("files_missing", only=True)
def missing_and_empty_files(run_dir: Path) -> None:
    (run_dir / "script.txt").unlink()
    (run_dir / "research.json").write_text("")


@caught_by("readable:storyboard.json")
def a_storyboard_that_is_none(run_dir: Path) -> None:
    (run_dir / "storyboard.json").write_text('{"schema": 1}')


@caught_by("readable:asset_plan.json", "text_contrast")
def an_asset_plan_that_is_none(run_dir: Path) -> None:
    (run_dir / "asset_plan.json").write_text("[]")


@pytest.mark.parametrize(
    ("spoil", "names", "only"), [row[1:] for row in SPOILED], ids=[r[0] for r in SPOILED]
)
def test_what_is_wrong_is_caught(run_dir: Path, spoil: Spoiler, names: frozenset[str], only: bool) -> None:
    """By the check for it; where one thing alone is wrong, by that check alone."""
    spoil(run_dir)
    found = failures(run_dir)
    assert names <= found
    assert not only or names == found


def test_a_placeholder(run_dir: Path) -> None:
    """Any artifact marked as one, however good the rest."""
    stand_in = Published("assets/scene_001.png", "image", 4, "0" * 64, "assets", {"placeholder": True})
    assert failures(run_dir, (stand_in,)) == {"placeholders"}


def test_a_dark_picture_with_text_is_not_black(run_dir: Path) -> None:
    def dark(number: int, time: float) -> Any:
        picture = np.full((HEIGHT, WIDTH, 3), 2, np.uint8)
        picture[40:70:3, 40:200] = 245
        picture[100:110, 40 + int(time * 20) : 60 + int(time * 20)] = 90 + 60 * number
        return picture

    repaint(run_dir, dark)
    assert failures(run_dir) == set()


def test_a_good_video_passes_every_check_and_each_can_fail(run_dir: Path) -> None:
    """Value, threshold and verdict stand in the results and the review; no check is without its control."""
    assert failures(run_dir) == set()
    report = json.loads((run_dir / "out" / "acceptance_results.json").read_text())
    names = {check["name"] for check in report["checks"]}
    controlled = {name for *_, caught, _ in SPOILED for name in caught} | {"placeholders"}
    assert names - controlled == set()
    assert all({"name", "value", "threshold", "verdict"} <= set(check) for check in report["checks"])
    meta = json.loads((run_dir / "out" / ".meta.json").read_text())["acceptance_results.json"]["meta"]
    assert meta["verdict"] == "pass"
    assert [row[0] for row in meta["table"][1:]] == [check["name"] for check in report["checks"]]


def test_a_failure_says_where_to_go_back_to(run_dir: Path) -> None:
    """To the earliest stage that made something wrong."""
    replan(run_dir, contrast=3.9)
    remix(run_dir, np.zeros_like)
    with pytest.raises(StageError) as caught:
        acceptance.run(context(run_dir, run_dir / "out", "acceptance"))
    assert "--from assets" in caught.value.hint
