"""Stages audio and assemble: the speech where the storyboard says, and a video that holds it."""

from __future__ import annotations

import json
import shutil
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pysubs2
import pytest
import skia

from stages import acceptance, animatics, assemble, assets, audio, shot, sound, storyboard_file, theme
from stages import music as beds
from stages.contract import EditError, Published, StageError
from stages.placing import STEADY, spoken_board
from stages.scenes import Scene, Storyboard, narration_digest
from stages.shot import order
from stages.voice import speak
from tests.stages import picture_runs
from tests.stages import storyboards as pictures
from tests.stages.tiny_runs import FPS, complete, context, film, save

pytestmark = pytest.mark.video


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its voice and its video."""
    run_dir = tmp_path_factory.mktemp("made")
    complete(run_dir)
    audio.run(context(run_dir, run_dir, "audio"))
    assemble.run(context(run_dir, run_dir, "assemble"))
    return run_dir


@pytest.fixture
def run_dir(made: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(made, tmp_path / "run"))


def speak_again(run_dir: Path) -> dict[str, Any]:
    """The stage audio once more; what it says of the voice."""
    (run_dir / ".meta.json").unlink(missing_ok=True)
    audio.run(context(run_dir, run_dir, "audio"))
    meta: dict[str, Any] = json.loads((run_dir / ".meta.json").read_text())["voiceover.mp3"]["meta"]
    return meta


def edited(run_dir: Path, **changes: Any) -> None:
    """The first scene of the storyboard as a person changed it."""
    board = storyboard_file.load(run_dir)
    scenes = [board.scenes[0].model_copy(update=changes), *board.scenes[1:]]
    save(board.model_copy(update={"scenes": scenes}), run_dir)


def record(run_dir: Path, samples: Any) -> None:
    """A recording of the first scene, at the voice's rate."""
    (run_dir / "voiceover").mkdir()
    with wave.open(str(run_dir / "voiceover" / "scene_000.wav"), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def captions_of(run_dir: Path) -> str:
    return " ".join(
        event.plaintext.replace("\n", " ") for event in pysubs2.load(str(run_dir / "captions.srt"))
    )


def test_the_voice_is_as_long_as_the_video_and_as_loud_as_asked(made: Path) -> None:
    """To the sample; -16 LUFS within 0.5 as stereo, true peaks at most -1 dBTP."""
    mix = sound.read(made / "voiceover.mp3")
    board = storyboard_file.load(made)
    assert mix.shape == (2, round(storyboard_file.starts(board)[-1] * sound.RATE))
    measured = sound.measure(mix)
    assert measured.lufs == pytest.approx(-16.0, abs=0.5)
    assert measured.true_peak_dbtp <= -1.0


def test_nothing_clicks(made: Path) -> None:
    """No jump between neighbouring samples where a scene's speech begins or ends."""
    board = storyboard_file.load(made)
    mono = sound.read(made / "voiceover.mp3")[0]
    for start, scene in zip(storyboard_file.starts(board), board.scenes, strict=False):
        for edge in (scene.words[0].start - 0.02, scene.words[-1].end):
            at = round((start + edge) * sound.RATE)
            assert np.abs(np.diff(mono[max(at - 500, 0) : at + 500])).max() < 0.05


def test_captions_say_what_is_said_when_it_is_said(made: Path) -> None:
    """Both files alike, every word in order, each beginning with its first word."""
    srt, vtt = (pysubs2.load(str(made / f"captions.{kind}")) for kind in ("srt", "vtt"))
    assert [(e.start, e.end, e.plaintext) for e in srt] == [(e.start, e.end, e.plaintext) for e in vtt]
    board = storyboard_file.load(made)
    assert captions_of(made).split() == [word.text for scene in board.scenes for word in scene.words]
    starts = storyboard_file.starts(board)
    assert srt[0].start == round((starts[0] + board.scenes[0].words[0].start) * 1000)
    assert all(one.end <= two.start for one, two in pairwise(srt))


def test_signs_of_markup_survive_in_captions(tmp_path: Path) -> None:
    """Curly brackets, backslashes and tags are text: shown, not obeyed."""
    from stages.captions import video_cues, write
    from stages.scenes import Word

    words = [Word(text=text, start=i, end=i + 0.5) for i, text in enumerate(["{x}", "C:\\new", "<b>", "&"])]
    write(video_cues([(words, 0.0, 5.0)]), tmp_path / "a.srt", tmp_path / "a.vtt")
    assert "{x}" in (tmp_path / "a.srt").read_text()
    assert "C:\\new" in (tmp_path / "a.srt").read_text()
    assert "&lt;b&gt;" in (tmp_path / "a.vtt").read_text()


def test_edited_narration_that_fits_is_spoken_and_captioned(run_dir: Path) -> None:
    """A person changed only the narration: voice and captions follow, and say so."""
    edited(run_dir, narration="When a program wants to know that a folder has changed, it can look.")
    meta = speak_again(run_dir)
    assert meta["retimed"] == ["scene_000"]
    assert "a folder has changed, it can look." in captions_of(run_dir)
    assert "file" not in captions_of(run_dir)


def test_longer_narration_makes_its_scene_longer(run_dir: Path) -> None:
    """Nothing is cut off or refused: the scene grows by what is said more, with the silence it had."""
    before = storyboard_file.load(run_dir)
    text = before.scenes[0].narration + " And again, and again, for as long as it runs."
    edited(run_dir, narration=text, reveals=[before.scenes[0].words[3].start])
    board = spoken_board(run_dir)
    words = board.scenes[0].words
    assert " ".join(word.text for word in words).endswith("as long as it runs.")
    silences = [s.seconds - s.words[-1].end for s in (before.scenes[0], board.scenes[0])]
    assert silences[1] == pytest.approx(silences[0], abs=1.5 / FPS)
    assert board.scenes[0].reveals[0] == pytest.approx(words[3].start, abs=0.01)
    assert board.scenes[1] == before.scenes[1]
    Storyboard.model_validate(board.model_dump(by_alias=True))
    speak_again(run_dir)
    assert sound.read(run_dir / "voiceover.mp3").shape[1] == round(
        storyboard_file.starts(board)[-1] * sound.RATE
    )


def test_pictures_follow_edited_narration(run_dir: Path) -> None:
    """Stills, clips and their captions are made of what the voice will say; other scenes stay."""
    assert spoken_board(run_dir) == storyboard_file.load(run_dir)
    edited(run_dir, narration="When a program wants to know that a folder has changed, it can look.")
    assets.run(context(run_dir, run_dir, "assets"))
    animatics.run(context(run_dir, run_dir, "animatics"))
    board = spoken_board(run_dir)
    meta = json.loads((run_dir / ".meta.json").read_text())
    for index, scene in enumerate(board.scenes):
        made_of = meta[f"animatics/{scene.id}.mp4"]["meta"]["made_of"]
        assert made_of == order(board, index, theme.load("midnight")).digest()
        with av.open(str(run_dir / "animatics" / f"{scene.id}.mp4")) as file:
            assert file.streams.video[0].frames == storyboard_file.frame_counts(board)[index]
    assert [word.text for word in board.scenes[0].words][-3:] == ["it", "can", "look."]
    speak_again(run_dir)
    assemble.run(context(run_dir, run_dir, "assemble"))


def test_words_edited_with_the_narration_are_timed_again(run_dir: Path) -> None:
    """The storyboard remembers which narration its times belong to."""
    scene = storyboard_file.load(run_dir).scenes[0]
    words = [w.model_copy(update={"text": w.text.replace("file", "directory")}) for w in scene.words]
    edited(
        run_dir,
        narration=scene.narration.replace("file", "directory"),
        words=words,
        timed_for=narration_digest(scene.narration),
    )
    again = spoken_board(run_dir).scenes[0]
    assert [word.text for word in again.words] == [word.text for word in words]
    assert again.words[-1].end > scene.words[-1].end + 0.1


def test_the_voice_is_decided_once(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the daemon's environment says later changes nothing; who edits the storyboard's voice decides anew."""
    before = storyboard_file.load(run_dir)
    text = before.scenes[0].narration + " Or not."
    edited(run_dir, narration=text, timed_for=narration_digest(before.scenes[0].narration))
    monkeypatch.setenv("SPORK_VOICE", "hal9000")
    assert " ".join(word.text for word in spoken_board(run_dir).scenes[0].words).endswith("Or not.")
    timed = [
        scene.model_copy(update={"timed_for": narration_digest(scene.narration)}) for scene in before.scenes
    ]
    save(before.model_copy(update={"scenes": timed}), run_dir)
    assert spoken_board(run_dir).scenes == timed
    save(before.model_copy(update={"scenes": timed, "voice": "hal9000"}), run_dir)
    with pytest.raises(StageError, match="hal9000"):
        spoken_board(run_dir)


def test_the_voice_says_what_it_cannot_do(made: Path, tmp_path: Path) -> None:
    """A rejection's wish that no voice can honour is answered with what helps."""
    asked = replace(context(made, tmp_path / "asked", "audio"), feedback="a deeper voice")
    audio.run(asked)
    meta = json.loads((asked.out_dir / ".meta.json").read_text())["voiceover.mp3"]["meta"]
    assert meta["notes"][-1].startswith("could not be honoured: 'a deeper voice'. The voice says")


def slowed(run_dir: Path, factor: float) -> Any:
    """The first scene's speech at another pace, half a second of silence before it, and much softer."""
    speech = speak(storyboard_file.load(run_dir).scenes[0].narration)
    at = np.arange(round(len(speech.samples) * factor)) / factor
    slow = np.interp(at, np.arange(len(speech.samples)), speech.samples) * 0.1
    return np.concatenate([np.zeros(speech.rate // 2), slow])


def test_a_recording_replaces_the_voice_and_everything_follows(run_dir: Path) -> None:
    """voiceover/scene_000.wav: captions, pictures and length follow it; it is as loud as the rest.

    Pictures that were drawn before it came are not joined to it: they would be out of step.
    """
    before = storyboard_file.load(run_dir)
    record(run_dir, slowed(run_dir, 1.3))
    said = captions_of(run_dir)
    meta = speak_again(run_dir)
    assert meta["recorded"] == ["scene_000"]
    assert "put voiceover/scene_001.wav here" in meta["notes"][-1]
    assert captions_of(run_dir) == said
    assert sound.measure(sound.read(run_dir / "voiceover.mp3")).lufs == pytest.approx(-16.0, abs=0.5)
    board = spoken_board(run_dir)
    longer = board.scenes[0].words[-1].end / before.scenes[0].words[-1].end
    assert longer == pytest.approx(1.3, abs=0.06)
    assert meta["seconds"] == pytest.approx(storyboard_file.starts(board)[-1])
    assert board.scenes[1] == before.scenes[1]
    with pytest.raises(StageError, match=r"scene_000\.mp4") as caught:
        assemble.run(context(run_dir, run_dir / "out", "assemble"))
    assert "from: animatics" in caught.value.hint


def test_pictures_and_voice_of_other_times_are_not_joined(run_dir: Path) -> None:
    """What each of them was made for is remembered; whoever came first is named."""
    assets.run(context(run_dir, run_dir, "assets"))
    animatics.run(context(run_dir, run_dir, "animatics"))
    record(run_dir, slowed(run_dir, 1.0))
    meta = speak_again(run_dir)
    assert "the pictures of scene_000 were drawn for other times" in " ".join(meta["notes"])
    with pytest.raises(StageError, match=r"scene_000\.mp4 was drawn for other words or times"):
        assemble.run(context(run_dir, run_dir / "out", "assemble"))
    shutil.rmtree(run_dir / "voiceover")
    voice = Published("voiceover.mp3", "audio", 1, "0" * 64, "audio", meta)
    with pytest.raises(StageError, match=r"voiceover\.mp3 says scene_000 at other times"):
        assemble.run(context(run_dir, run_dir / "out", "assemble", (voice,)))


def test_a_recording_may_be_of_any_make(run_dir: Path) -> None:
    """Stereo, 44.1 kHz, 24 bit, an odd number of samples, a voice on one side only."""
    speech = speak(storyboard_file.load(run_dir).scenes[0].narration)
    at = np.arange(0, len(speech.samples) - 1, speech.rate / 44_100)[: 44_100 * 60 | 1]
    left = np.interp(at, np.arange(len(speech.samples)), speech.samples)
    odd = left[: len(left) - 1 + len(left) % 2]
    (run_dir / "voiceover").mkdir()
    with wave.open(str(run_dir / "voiceover" / "scene_000.wav"), "wb") as file:
        file.setparams((2, 3, 44_100, 0, "NONE", ""))
        both = np.stack([odd, np.zeros_like(odd)], axis=1)
        wide = (both * (2**31 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)
        file.writeframes(wide[:, 1:].tobytes())
    before = storyboard_file.load(run_dir).scenes[0]
    after = spoken_board(run_dir).scenes[0]
    off = [abs(one.start - other.start) for one, other in zip(before.words, after.words, strict=True)]
    assert max(off) < 0.06
    assert len(odd) % 2 == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not a wave file", "cannot be read as sound"),
        (b"", "cannot be read as sound"),
        (None, "nobody is heard"),
    ],
    ids=["broken", "empty", "silent"],
)
def test_a_recording_that_says_nothing_is_refused(run_dir: Path, content: bytes | None, told: str) -> None:
    """With its name and what to do, and no retry; not a video with a hole in it."""
    record(run_dir, np.zeros(30_000))
    if content is not None:
        (run_dir / "voiceover" / "scene_000.wav").write_bytes(content)
    with pytest.raises(EditError, match=told) as caught:
        audio.run(context(run_dir, run_dir / "out", "audio"))
    assert "voiceover/scene_000.wav" in str(caught.value)
    assert "remove voiceover/scene_000.wav" in caught.value.hint


def test_a_steady_sound_is_no_speech(run_dir: Path) -> None:
    """A tone, hum or noise is refused by name, however loud."""
    time = np.arange(6 * 24_000) / 24_000
    noise = np.random.default_rng(7).normal(0, 1, len(time))
    for steady in (0.5 * np.sin(2 * np.pi * 440 * time), 0.01 * noise, 0.1 * np.sin(2 * np.pi * 50 * time)):
        record(run_dir, steady)
        with pytest.raises(EditError, match=r"nobody is heard in the recording voiceover/scene_000\.wav"):
            spoken_board(run_dir)
        shutil.rmtree(run_dir / "voiceover")


@pytest.mark.parametrize(
    "text", ["Yes.", "Ah.", "Why?", "Bees live in hives.", "Our aim, all in all, owing more."]
)
def test_speech_is_no_steady_sound(text: str) -> None:
    """One vowel as little as a sentence, and not with noise at a quarter of its power either."""
    speech = speak(text)
    loudness = float(np.sqrt((speech.samples**2).mean()))
    noise = np.random.default_rng(7).normal(0, loudness / 2, len(speech.samples))
    assert sound.ups_and_downs(speech.samples, speech.rate) > 2 * STEADY
    assert sound.ups_and_downs(speech.samples + noise.astype(np.float32), speech.rate) > STEADY


def music(sources: Path) -> None:
    """Three seconds of a chord with a beat in it, in stereo."""
    sources.mkdir(exist_ok=True)
    time = np.arange(3 * 44_100) / 44_100
    beat = np.exp(-(time % 0.5) * 30) * np.sin(2 * np.pi * 90 * time)
    tones = [np.sin(2 * np.pi * hertz * time) / 6 for hertz in (220.0, 277.2, 329.6)]
    both = np.stack([beat * 0.4 + tones[0] + tones[1], beat * 0.4 + tones[1] + tones[2]], axis=1)
    with wave.open(str(sources / "bed.wav"), "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes((both * 32767).astype("<i2").tobytes())


def test_music_lies_under_the_voice(run_dir: Path) -> None:
    """Heard where nobody speaks, 9 dB softer under speech; the whole at -16 LUFS, and acceptance content."""
    music(run_dir / "sources")
    asked = replace(
        context(run_dir, run_dir, "assemble"), sources=run_dir / "sources", params={"music": ["bed.wav"]}
    )
    assemble.run(asked)
    measured = sound.measure(sound.read(run_dir / "video.mp4"))
    assert measured.lufs == pytest.approx(-16.0, abs=0.5)
    assert measured.true_peak_dbtp <= -1.0
    acceptance.run(replace(asked, out_dir=run_dir))
    voice = np.zeros((2, 20 * sound.RATE), np.float32)
    voice[:, 8 * sound.RATE : 12 * sound.RATE] = 0.1 * np.sin(np.arange(4 * sound.RATE) * 0.1)
    bed = beds.bed(run_dir / "sources" / "bed.wav", voice)
    alone, under = (sound.measure(bed[:, a * sound.RATE : b * sound.RATE]).lufs for a, b in ((2, 7), (9, 11)))
    assert alone - under == pytest.approx(beds.DUCKED_DB, abs=1.0)
    assert alone == pytest.approx(sound.TARGET_LUFS - beds.BELOW_VOICE_LU, abs=1.0)
    assert np.abs(np.diff(bed[0])).max() < 0.01
    assert np.abs(bed[:, [0, -1]]).max() < 0.001


def test_music_that_is_none_is_refused(run_dir: Path) -> None:
    (run_dir / "sources").mkdir()
    (run_dir / "sources" / "bed.mp3").write_bytes(b"no music")
    asked = replace(
        context(run_dir, run_dir / "out", "assemble"),
        sources=run_dir / "sources",
        params={"music": ["bed.mp3"]},
    )
    with pytest.raises(StageError, match=r"bed\.mp3 cannot be read as sound"):
        assemble.run(asked)
    with pytest.raises(StageError, match=r"the music gone\.mp3 is not in"):
        assemble.run(replace(asked, params={"music": ["gone.mp3"]}))


def test_a_storyboard_that_is_none_names_the_field(run_dir: Path) -> None:
    text = (run_dir / "storyboard.json").read_text().replace('"seconds":', '"secnds":', 1)
    (run_dir / "storyboard.json").write_text(text)
    with pytest.raises(StageError, match=r"scenes\.0\.se"):
        audio.run(context(run_dir, run_dir / "out", "audio"))


def test_a_storyboard_without_words_is_refused(run_dir: Path) -> None:
    board = storyboard_file.load(run_dir)
    silent = [scene.model_copy(update={"narration": "", "words": []}) for scene in board.scenes]
    save(board.model_copy(update={"scenes": silent}), run_dir)
    with pytest.raises(StageError, match="no narration"):
        audio.run(context(run_dir, run_dir / "out", "audio"))


def test_the_video_holds_every_frame_and_the_voice_in_place(made: Path) -> None:
    """h264 and aac, the same length, the sound not moved by the encoder, the index at the front."""
    board = storyboard_file.load(made)
    with av.open(str(made / "video.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.audio[0].codec_context.name == "aac"
        assert sum(1 for _ in file.decode(video=0)) == sum(storyboard_file.frame_counts(board))
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["Part 0", "Part 1"]
    data = (made / "video.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    voice, mix = sound.read(made / "voiceover.mp3"), sound.read(made / "video.mp4")
    assert abs(voice.shape[1] - mix.shape[1]) <= 1024
    window = slice(48_000, 96_000)
    lags = range(-3000, 3001, 10)
    best = max(lags, key=lambda lag: float(voice[0][window] @ mix[0][window.start + lag : window.stop + lag]))
    assert abs(best) <= 10
    measured = sound.measure(mix)
    assert measured.lufs == pytest.approx(-16.0, abs=1.0)
    assert measured.true_peak_dbtp <= -1.0
    assert (made / "poster.png").exists()


def test_the_poster_is_the_first_scene_without_lines_of_the_video(tmp_path: Path) -> None:
    """Neither source nor progress stands in it; a picture that a person put there is taken as it is."""
    board = pictures.storyboard(only=[1], width=640, height=360)
    picture_runs.start(tmp_path, board)
    picture_runs.attempt(tmp_path, assets)
    asked = context(tmp_path, tmp_path / "out", "assemble")
    assemble.make_poster(asked, board)
    still, poster = (
        skia.Image.open(str(path)).toarray()
        for path in (tmp_path / "assets" / "scene_000.png", asked.out_dir / "poster.png")
    )
    page = shot.prepare(shot.order(board, 0, theme.load())).page
    rows = np.flatnonzero((still != poster).any(axis=(1, 2)))
    assert rows.min() >= page.footer.y
    assert rows.min() < page.footer.bottom
    assert rows.max() > 355
    (tmp_path / "assets" / "scene_000.png").write_bytes(b"a picture")
    assemble.make_poster(asked, board)
    assert (asked.out_dir / "poster.png").read_bytes() == b"a picture"


def test_a_clip_of_another_length_is_refused(run_dir: Path) -> None:
    """A storyboard that was edited after its pictures were made does not get a video out of step."""
    film(run_dir / "animatics" / "scene_001.mp4", 1, storyboard_file.load(run_dir).scenes[1].seconds + 0.5)
    with pytest.raises(StageError, match=r"scene_001\.mp4"):
        assemble.run(context(run_dir, run_dir / "out", "assemble"))


def test_a_missing_clip_is_named(run_dir: Path) -> None:
    (run_dir / "animatics" / "scene_001.mp4").unlink()
    with pytest.raises(StageError, match=r"animatics/scene_001\.mp4 is missing"):
        assemble.run(context(run_dir, run_dir / "out", "assemble"))


def test_a_voice_of_another_length_is_refused(run_dir: Path) -> None:
    """What somebody put in place of voiceover.mp3 is not cut off in silence."""
    sound.write_mp3(run_dir / "voiceover.mp3", np.tile(sound.read(run_dir / "voiceover.mp3"), (1, 2)))
    with pytest.raises(StageError, match=r"voiceover\.mp3 lasts"):
        assemble.run(context(run_dir, run_dir / "out", "assemble"))


def test_a_voice_that_is_too_loud_is_brought_down(run_dir: Path) -> None:
    """What a person put in place of voiceover.mp3 still ends at -16 LUFS under -1 dBTP."""
    loud = np.clip(sound.read(run_dir / "voiceover.mp3") * 8, -1, 1)
    sound.write_mp3(run_dir / "voiceover.mp3", loud)
    assemble.run(context(run_dir, run_dir, "assemble"))
    measured = sound.measure(sound.read(run_dir / "video.mp4"))
    assert measured.lufs == pytest.approx(-16.0, abs=1.0)
    assert measured.true_peak_dbtp <= -1.0


def test_chapters_join_scenes_that_share_a_heading(made: Path) -> None:
    board = storyboard_file.load(made)
    scenes: list[Scene] = [scene.model_copy(update={"heading": "One"}) for scene in board.scenes]
    alike: Storyboard = board.model_copy(update={"scenes": scenes})
    (only,) = assemble.chapters(alike)
    assert (only["start"], only["metadata"]["title"]) == (0, "One")
    assert only["end"] == round(sum(storyboard_file.frame_counts(alike)) / FPS * 1000)
