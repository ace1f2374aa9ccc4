"""The voice of the whole video and its captions: ``voiceover.mp3``, ``captions.srt``, ``captions.vtt``."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from stages import captions, clips, placing, recordings, sound, storyboard_file
from stages.contract import Context, StageError
from stages.notes import unhonoured
from stages.placing import Placed, as_spoken, placed
from stages.scenes import Storyboard, Word

FADE = 0.005
"""Seconds; an edge this soft does not click."""
TOLERANCE_LU = 0.3
MP3_LOSS_LU = 0.28
"""What LAME takes from a voice at 192 kbit/s; the loop below finds the rest."""
INSTEAD = (
    "The voice says what storyboard.json holds: edit a narration there, reject with from: script, "
    "or record the scene yourself"
)
"""For whoever asks the voice for what it cannot do."""


def run(context: Context) -> None:
    """Say every scene in its place; the sound is as long as the video, to the sample."""
    written = storyboard_file.load(context.run_dir)
    heard = recordings.heard(written, context.run_dir)
    board = as_spoken(written, heard)
    scenes = []
    for number, scene in enumerate(board.scenes):
        context.progress(0.7 * number / len(board.scenes), f"speaking {scene.id}")
        scenes.append(placed(scene, heard.of.get(scene.id), board.voice))
    if not any(scene.words for scene in scenes):
        raise StageError(
            "storyboard.json has no narration in any scene", hint="give at least one scene a narration"
        )
    mono = timeline(board, scenes)
    context.progress(0.8, "setting the loudness")
    loudness = write_voiceover(context.out_dir / "voiceover.mp3", mono)
    shown = captions.video_cues(_timed(board, scenes))
    captions.write(shown, context.out_dir / "captions.srt", context.out_dir / "captions.vtt")
    edited = {new.id for old, new in zip(written.scenes, board.scenes, strict=True) if old != new}
    _describe(context, board, scenes, loudness, edited, heard.notes)
    recordings.remember(context, heard.used)
    context.progress(1.0, f"{len(shown)} captions, {loudness.lufs:.1f} LUFS")


def timeline(board: Storyboard, scenes: Sequence[Placed]) -> sound.Sound:
    """One channel with every speech where it is heard; exactly as long as the video."""
    starts = storyboard_file.starts(board)
    track = np.zeros(round(starts[-1] * sound.RATE), np.float32)
    for start, scene in zip(starts, scenes, strict=False):
        speech = faded(sound.resampled(scene.speech.samples, scene.speech.rate))
        if scene.recorded:
            speech = _as_loud_as_speech(speech)
        at = round((start + scene.lead) * sound.RATE)
        room = track[at : at + len(speech)]
        room += speech[: len(room)]
    return track


def write_voiceover(path: Path, mono: sound.Sound) -> sound.Loudness:
    """Write at -16 LUFS as decoded: MP3 takes a few tenths of a decibel away."""
    target = sound.TARGET_LUFS + MP3_LOSS_LU
    for _ in range(3):
        sound.write_mp3(path, sound.stereo(sound.levelled(mono, target)))
        loudness = sound.measure(sound.read(path))
        missing = sound.TARGET_LUFS - loudness.lufs
        if abs(missing) <= TOLERANCE_LU / 3:
            break
        target += missing
    if (
        abs(loudness.lufs - sound.TARGET_LUFS) > TOLERANCE_LU
        or loudness.true_peak_dbtp > sound.TRUE_PEAK_DBTP
    ):
        raise StageError(
            f"the voice cannot be brought to {sound.TARGET_LUFS} LUFS: it is at {loudness.lufs:.1f} LUFS "
            f"with true peaks of {loudness.true_peak_dbtp:.1f} dBTP",
            hint="look for a recording in voiceover/ that is silent or only a click",
        )
    return loudness


def faded(mono: sound.Sound) -> sound.Sound:
    """With soft edges."""
    length = min(round(FADE * sound.RATE), len(mono) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    soft = mono.copy()
    soft[:length] *= ramp
    soft[len(soft) - length :] *= ramp[::-1]
    return soft


def _as_loud_as_speech(mono: sound.Sound) -> sound.Sound:
    """A recording brought to -23 LUFS, where the built-in voice is, so that scenes sound alike."""
    missing = -23.0 - sound.measure(sound.stereo(mono)).lufs
    return mono * np.float32(10 ** (min(missing, 40.0) / 20))


def _timed(board: Storyboard, scenes: Sequence[Placed]) -> list[tuple[Sequence[Word], float, float]]:
    starts = storyboard_file.starts(board)
    return [(scene.words, start, end) for scene, start, end in zip(scenes, starts, starts[1:], strict=False)]


def _describe(
    context: Context,
    board: Storyboard,
    scenes: Sequence[Placed],
    loudness: sound.Loudness,
    edited: Collection[str],
    of_recordings: Sequence[str],
) -> None:
    words = sum(len(scene.words) for scene in scenes)
    pace = round(sum(len(scene.speech.words) for scene in scenes) * 60 / board.seconds)
    recorded = [scene.scene for scene in scenes if scene.recorded]
    retimed = [scene.scene for scene in scenes if scene.retimed or scene.scene in edited]
    facts = {
        "seconds": round(storyboard_file.starts(board)[-1], 3),
        "lufs": round(loudness.lufs, 2),
        "true_peak_dbtp": round(loudness.true_peak_dbtp, 2),
        "words": words,
        "words_per_minute": pace,
        "recorded": recorded,
        "retimed": retimed,
        "times": {scene.id: placing.times_of(scene) for scene in board.scenes},
        "note": f"{board.seconds:.0f} s, {loudness.lufs:.1f} LUFS, {pace} words a minute",
        "notes": [
            *_notes(recorded, retimed, _drawn_for_others(context.run_dir, board), of_recordings),
            *_invitation(scenes),
            *unhonoured(context, recorded, INSTEAD),
        ],
    }
    context.describe("voiceover.mp3", "audio", **facts)
    context.describe("captions.srt", "captions", words=words)
    context.describe("captions.vtt", "captions", words=words)
    print(json.dumps(facts))


def _drawn_for_others(run_dir: Path, board: Storyboard) -> list[str]:
    """Scenes whose pictures, drawn before this, follow other times than are now heard."""
    drawn = {scene.id: clips.times_in(run_dir / "animatics" / f"{scene.id}.mp4") for scene in board.scenes}
    return [scene.id for scene in board.scenes if drawn[scene.id] not in ("", placing.times_of(scene))]


def _notes(
    recorded: Sequence[str], retimed: Sequence[str], outdated: Sequence[str], of_recordings: Sequence[str]
) -> list[str]:
    """What the person at the gate should know."""
    edited = [scene for scene in retimed if scene not in recorded]
    return [
        *(
            [f"the pictures of {', '.join(outdated)} were drawn for other times: reject with from: animatics"]
            if outdated
            else []
        ),
        *([f"recordings are heard in {', '.join(recorded)}"] if recorded else []),
        *of_recordings,
        *([f"captions follow the edited narration of {', '.join(edited)}"] if edited else []),
    ]


def _invitation(scenes: Sequence[Placed]) -> list[str]:
    """How a person speaks a scene, with one as the example that they have not spoken yet."""
    free = [scene.scene for scene in scenes if scene.words and not scene.recorded]
    if not free:
        return []
    example = f"{recordings.FOLDER}/{free[min(3, len(free) - 1)]}.wav"
    return [f"to speak a scene yourself, put {example} here, then reject with from: animatics"]
