"""Clips: the right frames at the right time, joinable by copying packets, and not made twice."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import skia

from bench import ready
from stages import animatics, assets
from stages.contract import Context
from stages.drawing import Rect
from stages.layers import Captions, Drawn
from stages.picture import Planes
from stages.reveals import reveal_times
from stages.scenes import Word
from stages.shot import Shot, order, prepare
from stages.theme import load
from tests.stages.picture_runs import SMALL, attempt, cite_lines_of_their_own, drawn, start
from tests.stages.storyboards import CONTENTS, scene, storyboard

pytestmark = pytest.mark.video


SIZE = (SMALL["width"], SMALL["height"])


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def as_ints(plane: Any) -> Any:
    """Its samples, without what pads the rows."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(int)


def shot(index: int, **more: Any) -> Shot:
    return prepare(order(storyboard(only=[index], **more), 0, load()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn(tmp_path_factory.mktemp("made"))


def test_clips_are_exactly_as_long_as_their_scenes(made: Path) -> None:
    """Each clip has seconds * fps frames, silent h264 in yuv420p of the storyboard's size."""
    for path in sorted((made / "animatics").glob("*.mp4")):
        with av.open(str(path)) as container:
            assert not container.streams.audio
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.format.name) == ("h264", "yuv420p")
            assert (stream.width, stream.height) == (320, 180)
            assert stream.average_rate == 15
            assert sum(1 for _ in container.decode(video=0)) == 12


def test_clips_join_by_copying_packets(made: Path, tmp_path: Path) -> None:
    """Same headers, a key frame first, times in order: the joined file decodes to all frames of all clips."""
    paths = sorted((made / "animatics").glob("*.mp4"))
    headers, joined = set(), tmp_path / "joined.mp4"
    with av.open(str(paths[0])) as first, av.open(str(joined), "w") as target:
        stream = target.add_stream_from_template(first.streams.video[0])
        shift = 0
        for path in paths:
            with av.open(str(path)) as container:
                headers.add(bytes(container.streams.video[0].codec_context.extradata or b""))
                packets: list[Any] = [packet for packet in container.demux(video=0) if packet.dts is not None]
                assert packets[0].is_keyframe
                assert all(packet.pts == packet.dts for packet in packets)
                step = packets[1].pts - packets[0].pts
                for packet in packets:
                    packet.pts = packet.dts = packet.pts + shift
                    packet.stream = stream
                    target.mux(packet)
                shift += step * 12
    assert len(headers) == 1
    alone = [frame for path in paths for frame in frames_of(path)]
    together = frames_of(joined)
    assert len(together) == len(alone) == 48
    assert all(np.array_equal(one, other) for one, other in zip(together, alone, strict=True))


def test_the_same_scene_is_the_same_bytes(made: Path, tmp_path: Path) -> None:
    """Drawing and encoding depend on nothing but what the scene is made of."""
    start(tmp_path, storyboard(only=[0, 3, 6, 9], seconds=0.8, **SMALL))
    attempt(tmp_path, assets)
    attempt(tmp_path, animatics)
    for path in (made / "animatics").glob("*.mp4"):
        assert (tmp_path / "animatics" / path.name).read_bytes() == path.read_bytes()


def test_two_processes_make_the_same_bytes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who draws a scene does not show."""
    monkeypatch.setattr(animatics, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    shutil.copytree(made / "assets", tmp_path / "assets")
    shutil.copy(made / "asset_plan.json", tmp_path)
    start(tmp_path, storyboard(only=[0, 3, 6, 9], seconds=0.8, **SMALL))
    attempt(tmp_path, animatics)
    for path in (made / "animatics").glob("*.mp4"):
        assert (tmp_path / "animatics" / path.name).read_bytes() == path.read_bytes()


def test_the_yardstick_of_the_encoder_takes_as_many_frames(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the bench encodes from ready-made frames are all frames of all scenes."""
    ready.main(made)
    told = json.loads(capsys.readouterr().out)
    assert told["frames"] == 48


@pytest.mark.parametrize("index", [0, 2, 3, 4, 6, 11])
def test_repainting_what_changed_is_repainting_everything(index: int) -> None:
    """A frame reached step by step equals the same frame painted from nothing: nothing is left behind."""
    moving, seconds = shot(index, **SMALL), 0.0
    canvas = moving.canvas()
    while seconds < moving.times.seconds:
        canvas.show(seconds)
        if round(seconds * 15) % 9 == 0 or seconds > moving.times.leaves:
            fresh = moving.canvas()
            fresh.show(seconds)
            difference = np.abs(fresh.pixels.astype(int) - canvas.pixels.astype(int))
            # Edges under a clip are anti-aliased with a rounding of their own.
            assert difference.max() <= 8, seconds
        seconds += 1 / 15


@pytest.mark.parametrize("index", [0, 3, 11])
def test_colours_converted_in_pieces_are_those_of_the_whole_picture(index: int) -> None:
    """No area takes over colour from what lies beside it, or keeps some of its own there."""
    moving = shot(index, **SMALL)
    canvas, pieces, whole = moving.canvas(), Planes(*SIZE), Planes(*SIZE)
    for number in range(round(moving.times.seconds * 15)):
        for area in canvas.show(number / 15):
            pieces.update(canvas, area)
        whole.update(canvas, Rect(0, 0, *SIZE))
        for one, other in zip(
            map(as_ints, pieces.frame.planes), map(as_ints, whole.frame.planes), strict=True
        ):
            assert np.abs(one - other).max() <= 1, number


def test_parts_come_when_they_are_spoken_of_and_stand_out() -> None:
    """A part is not there before its reveal, is there after it, and is lit until the next part comes."""
    listed = shot(3)
    parts = [
        layer
        for layer in listed.layers
        if isinstance(layer, Drawn) and layer.element.name.startswith("part_")
    ]
    assert len(parts) == 4
    for part, time in zip(parts, listed.times.reveals, strict=True):
        assert part.state(time - 0.05) is None
        come = part.state(time + 0.6)
        assert come is not None
        assert (come.alpha, come.focus) == (1.0, 1.0)
    gone = parts[0].state(listed.times.reveals[1] + 0.5)
    assert gone is not None
    assert gone.focus == 0.0


def test_the_diagram_is_there_from_the_start() -> None:
    """Before anything is spoken of, its outline shows."""
    for index, name in ((3, "outline_3"), (4, "track"), (5, "panel_1"), (6, "axis")):
        layers = [
            layer for layer in shot(index).layers if isinstance(layer, Drawn) and layer.element.name == name
        ]
        assert layers[0].state(0.35) is not None


def test_entrances_and_transitions_vary() -> None:
    """More than one kind of entrance in the video, and more than one way from scene to scene."""
    board = storyboard()
    cite_lines_of_their_own(board)
    shots = [prepare(order(board, index, load())) for index in range(len(board.scenes))]
    assert len({element.entrance for each in shots for element in each.elements}) >= 4
    assert len({each.times.goes for each in shots}) >= 3
    assert shots[0].times.came is None
    assert shots[-1].times.goes is None


def test_a_heading_that_neighbours_share_stays() -> None:
    """It neither leaves with the first scene nor comes with the second."""
    board = storyboard(only=[3, 3])
    for index, seconds in ((0, board.scenes[0].seconds - 0.01), (1, 0.0)):
        layers = prepare(order(board, index, load())).layers
        heading = next(each for each in layers if isinstance(each, Drawn) and each.element.name == "heading")
        state = heading.state(seconds)
        assert state is not None
        assert (state.alpha, state.dx, state.dy, state.scale) == (1.0, 0.0, 0.0, 1.0)


def test_comparison_points_come_with_their_words() -> None:
    """Two reveals, six points: the left ones come before the right side, each when it is said."""
    board = storyboard(only=[5])
    times = reveal_times(board.scenes[0], 6, 30.0)
    left, right = board.scenes[0].reveals
    assert list(times) == sorted(times)
    assert times[2] < right <= times[3]
    assert times[0] >= left
    said = next(word.start for word in board.scenes[0].words if word.text == "works")
    assert times[0] == pytest.approx(max(said - 0.1, left))


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (320, 180)])
def test_captions_stay_in_their_band_and_follow_the_words(size: tuple[int, int]) -> None:
    """Each word of a cue lies in the band, none on another, and the mark is on the word being said."""
    board = storyboard(only=[5], width=size[0], height=size[1])
    made = prepare(order(board, 0, load()))
    captions = next(layer for layer in made.layers if isinstance(layer, Captions))
    band = made.page.captions
    for number, cue in enumerate(captions.cues):
        boxes = [box for _, box in captions.placed(number)]
        plate = captions.bounds((number, 0))
        assert (
            min(plate.x - band.x, plate.y - band.y, band.right - plate.right, band.bottom - plate.bottom)
            >= -3
        )
        assert not any(a.inset(1).meets(b.inset(1)) for i, a in enumerate(boxes) for b in boxes[:i])
        for index, word in enumerate(cue.words):
            state = captions.state((word.start + word.end) / 2)
            assert state == (number, index)


def test_the_mark_is_never_between_two_words() -> None:
    """From the instant a word begins the mark is on it and the word before looks as if never marked."""
    board = storyboard(only=[5], width=320, height=180)
    made = prepare(order(board, 0, load()))
    captions = next(layer for layer in made.layers if isinstance(layer, Captions))
    for number, cue in enumerate(captions.cues):
        for index, word in enumerate(cue.words):
            at_once, later = (captions.state(word.start + after) for after in (0.0, 0.1))
            assert at_once == later == (number, index)


@pytest.mark.parametrize("layout", ["list", "steps"])
def test_cards_hold_their_text_before_they_are_spoken_of(layout: str) -> None:
    """No empty boxes: the text stands dimmed from the start, and what lights it does not move over it."""
    index = [content["layout"] for content, _, _ in CONTENTS].index(layout)
    made = prepare(order(storyboard(only=[index], width=640, height=360), 0, load()))
    cards = {element.name: element for element in made.elements}
    texts = [element.texts[0] for name, element in cards.items() if name.startswith("part_")]
    assert len(texts) > 2
    for number, text in enumerate(texts):
        surface = skia.Surface(640, 360)
        surface.getCanvas().clear(skia.ColorBLACK)
        cards[f"outline_{number}"].paint(surface.getCanvas())
        box = text.box
        seen = surface.toarray()[int(box.y) : int(box.bottom), int(box.x) : int(box.right), :3].max()
        assert 80 < seen < 160
        assert cards[f"part_{number}"].entrance in ("fade", "wipe")


def test_the_progress_names_the_scene_that_is_drawn(tmp_path: Path) -> None:
    """From the first line on it says which scene of how many, and the fractions rise to 1."""
    start(tmp_path, storyboard(only=[0, 3, 6], seconds=0.5, **SMALL))
    (tmp_path / "out").mkdir()
    told = tmp_path / "progress"
    animatics.run(
        Context(tmp_path, tmp_path / "out", job_id="j", stage="animatics", attempt=1, progress_file=told)
    )
    lines = [line.split(" ", 1) for line in told.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == ["0.000", "drawing scene 1 of 3"]
    assert {message for _, message in lines} == {f"drawing scene {number} of 3" for number in (1, 2, 3)}
    fractions = [float(fraction) for fraction, _ in lines]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_a_picture_of_ones_own_takes_the_place_of_the_layout(made: Path, tmp_path: Path) -> None:
    """A still replaced at the gate is what the clip shows."""
    import skia

    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    surface = skia.Surface(320, 180)
    surface.getCanvas().clear(skia.ColorGREEN)
    surface.makeImageSnapshot().save(str(tmp_path / "assets/scene_001.png"), skia.kPNG)
    attempt(tmp_path, animatics, 2)
    middle = frames_of(tmp_path / "animatics/scene_001.mp4")[9][60:100, 100:200].reshape(-1, 3).mean(axis=0)
    assert middle[1] > 200
    assert max(middle[0], middle[2]) < 60


def test_the_plan_tells_what_is_where_and_when(made: Path) -> None:
    """asset_plan.json holds each scene's still, its elements with boxes and times, and readable texts."""
    plan = json.loads((made / "asset_plan.json").read_text(encoding="utf-8"))
    assert [each["id"] for each in plan["scenes"]] == ["scene_000", "scene_001", "scene_002", "scene_003"]
    assert plan["lowest_contrast"] >= 4.5
    for each in plan["scenes"]:
        assert (made / each["still"]).stat().st_size > 1000
        assert each["elements"]
        assert all(len(element["box"]) == 4 and element["appears"] >= 0 for element in each["elements"])
        assert all(text["contrast"] >= 4.5 for text in each["texts"])


def test_the_contact_sheet_holds_every_scene(made: Path) -> None:
    """Four scenes of 16:9 are two rows of at most three cells, 1920 wide."""
    import skia

    sheet = skia.Image.open(str(made / "assets/contact_sheet.png"))
    assert sheet.width() == 1920
    assert 2 * 350 < sheet.height() < 2 * 450


def test_colours_survive_the_encoder(made: Path) -> None:
    """The ground of a frame is the theme's background, within what 8-bit video allows."""
    corner = frames_of(made / "animatics/scene_003.mp4")[6][88:92, 2:6].reshape(-1, 3).mean(axis=0)
    ground, backdrop = ([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in ("#0D1424", "#141E36"))
    assert min(np.abs(corner - ground).max(), np.abs(corner - backdrop).max()) <= 4


def test_odd_sizes_are_refused(tmp_path: Path) -> None:
    """H.264 wants even sizes; the message says which file to correct."""
    from stages.contract import StageError

    start(tmp_path, storyboard(only=[0], seconds=0.5, width=321, height=180))
    with pytest.raises(StageError, match=r"storyboard\.json asks for 321x180"):
        attempt(tmp_path, assets)


def test_without_reveals_everything_is_there_at_once() -> None:
    """A storyboard by hand may leave reveals out: all parts at the start, none standing out."""
    plain = scene(
        0, {"layout": "list", "items": ["one", "two", "three"]}, "One and two and three, that is all."
    )
    assert reveal_times(plain, 3, 5.0) == (0.2, 0.2, 0.2)


def test_an_emphasis_is_there_before_its_scene_leaves() -> None:
    """It comes with its word, but not so late that nobody sees it."""
    said = [
        Word(text=text, start=at, end=at + 0.3) for text, at in (("Ask", 0.3), ("the", 2.0), ("kernel", 4.5))
    ]
    content = {"layout": "statement", "text": "Ask the kernel", "emphasis": "the kernel"}
    told = scene(0, content, "Ask the kernel.").model_copy(update={"words": said, "reveals": [0.3]})
    assert reveal_times(told, 2, 8.0) == pytest.approx((0.3, 4.4))
    assert reveal_times(told, 2, 5.0) == pytest.approx((0.3, 3.4))


def _disc(number: int, seconds: float, **more: Any) -> tuple[Any, Rect]:
    """Where scene ``number`` of two alike shows its disc: what it is drawn as, and the box that it covers."""
    board = storyboard(only=[13, 13])
    layers = prepare(order(board, number, load(), **more)).layers
    disc = next(each for each in layers if isinstance(each, Drawn) and each.element.name == "figure_disc")
    state = disc.state(seconds)
    assert state is not None
    box, (x, y) = disc.element.box, disc.element.box.centre
    side = box.w * state.pop
    return state, Rect(x + state.dx - side / 2, y + state.dy - side / 2, side, side)


def test_what_two_scenes_share_moves_between_them() -> None:
    """The figure's disc ends on one side and begins there in the next scene, then glides to the other side."""
    length = storyboard(only=[13, 13]).scenes[0].seconds
    _, left = _disc(0, length - 0.001)
    first, came = _disc(1, 0.0)
    _, rests = _disc(1, 2.0)
    assert first.alpha == 1.0
    for one, other in zip((left.x, left.y, left.w), (came.x, came.y, came.w), strict=True):
        assert one == pytest.approx(other, abs=0.1)
    assert abs(rests.x - came.x) > 500
    steps = [_disc(1, frame / 30)[1].x for frame in range(12)]
    assert steps == sorted(steps, reverse=steps[0] > steps[-1])
    assert any(step % 1 > 0.01 for step in steps[1:-1]), "moves by parts of a pixel"


def test_a_scene_made_again_hands_nothing_on() -> None:
    """Its neighbours stay as they are: in another arrangement its disc leaves with it."""
    board = storyboard(only=[13, 13])
    assert _disc(0, board.scenes[0].seconds - 0.001, variant=1)[0].alpha < 0.1
