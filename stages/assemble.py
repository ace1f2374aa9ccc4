"""Join the scenes and the voice into ``video.mp4``: pictures are copied, only the sound is encoded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np

from stages import clips, music, placing, sound, storyboard_file, transcript
from stages.contract import Context, StageError
from stages.scenes import Storyboard

BIT_RATE = 160_000
TOLERANCE_LU = 0.3
LENGTHS_APART = 0.2


def run(context: Context) -> None:
    """Write the video, then listen to it: loudness and true peak are those of the decoded mix."""
    board = placing.spoken_board(context.run_dir)
    scenes, voice = _made(context, board)
    _check_times(context, board)
    mix = fitted(sound.read(voice), round(storyboard_file.starts(board)[-1] * sound.RATE))
    tune = music.asked(context)
    if tune is not None:
        context.progress(0.1, f"laying {tune.name} under the voice")
        mix = mix + music.bed(tune, mix)
    make_poster(context, board)
    transcript.write(context, board)
    heard = _joined_as_loud_as_asked(context, board, scenes, mix)
    context.describe(
        "video.mp4", "video",
        seconds=round(storyboard_file.starts(board)[-1], 3),
        width=board.width, height=board.height, fps=board.fps,
        lufs=round(heard.lufs, 2), true_peak_dbtp=round(heard.true_peak_dbtp, 2),
        music=tune.name if tune is not None else None,
    )  # fmt: skip
    context.progress(1.0, f"{heard.lufs:.1f} LUFS, {heard.true_peak_dbtp:.1f} dBTP")


def _made(context: Context, board: Storyboard) -> tuple[list[Path], Path]:
    """The clip of each scene and the voice; StageError names the first that is missing."""
    scenes = [context.run_dir / "animatics" / f"{scene.id}.mp4" for scene in board.scenes]
    voice = context.run_dir / "voiceover.mp3"
    for path in (*scenes, voice):
        if not path.exists():
            raise StageError(
                f"{path.relative_to(context.run_dir)} is missing",
                hint="run the stages animatics and audio first",
            )
    return scenes, voice


def _joined_as_loud_as_asked(
    context: Context, board: Storyboard, scenes: list[Path], mix: sound.Sound
) -> sound.Loudness:
    """Write the video, again and again with the mix corrected by what its decoded sound lacks."""
    target = context.out_dir / "video.mp4"
    for attempt in range(4):
        context.progress(0.2 + 0.2 * attempt, "joining scenes and voice")
        join(target, board, scenes, mix)
        heard = sound.measure(sound.read(target))
        if _good(heard):
            return heard
        mix = _corrected(mix, heard)
    raise StageError(
        f"video.mp4 is at {heard.lufs:.1f} LUFS with true peaks of {heard.true_peak_dbtp:.1f} dBTP, "
        f"not at {sound.TARGET_LUFS} LUFS under {sound.TRUE_PEAK_DBTP} dBTP",
        hint="send the job back with `from: audio`",
    )


def _check_times(context: Context, board: Storyboard) -> None:
    """Pictures and voice must follow the times that are the storyboard's now; StageError names who does not.

    A recording or an edit that came after they were made leaves captions on screen that are out of step.
    """
    said: Mapping[str, str] = next(
        (a.meta.get("times", {}) for a in context.artifacts if a.path == "voiceover.mp3"), {}
    )
    for scene in board.scenes:
        times = placing.times_of(scene)
        drawn = clips.times_in(context.run_dir / "animatics" / f"{scene.id}.mp4")
        if drawn not in ("", times):
            raise StageError(
                f"animatics/{scene.id}.mp4 was drawn for other words or times than are now heard",
                hint="send the job back with `from: animatics`: only what changed is drawn again",
            )
        if said.get(scene.id, times) != times:
            raise StageError(
                f"voiceover.mp3 says {scene.id} at other times than the storyboard and voiceover/ now ask for",
                hint="send the job back with `from: audio`",
            )


def fitted(mix: sound.Sound, length: int) -> sound.Sound:
    """Cut or padded with silence to ``length`` samples; StageError if that would change what is heard."""
    seconds = (mix.shape[1] / sound.RATE, length / sound.RATE)
    if abs(seconds[0] - seconds[1]) > LENGTHS_APART:
        raise StageError(
            f"voiceover.mp3 lasts {seconds[0]:.2f} s, the storyboard {seconds[1]:.2f} s",
            hint="send the job back with `from: audio`, or put a voiceover.mp3 of that length in its place",
        )
    return np.pad(mix[:, :length], ((0, 0), (0, max(length - mix.shape[1], 0))))


def join(target: Path, board: Storyboard, scenes: list[Path], mix: sound.Sound) -> None:
    """Copy the packets of every scene, one after the other, and encode ``mix`` beside them."""
    import av

    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        with av.open(str(scenes[0])) as first:
            video = file.add_stream_from_template(first.streams.video[0])
        audio = file.add_stream("aac", rate=sound.RATE, layout="stereo", format="fltp")
        audio.bit_rate = BIT_RATE
        file.metadata["title"] = board.title
        file.set_chapters(chapters(board))
        pictures, voices = copied(video, board, scenes), sound.encoded(audio, mix)
        for packet in _in_time_order(pictures, voices):
            file.mux(packet)


def copied(video: Any, board: Storyboard, scenes: list[Path]) -> Iterator[Any]:
    """The video packets of all scenes, each scene where the storyboard starts it."""
    import av

    start = 0
    for path, frames in zip(scenes, storyboard_file.frame_counts(board), strict=True):
        with av.open(str(path)) as file:
            source = file.streams.video[0]
            if bytes(source.codec_context.extradata or b"") != bytes(video.codec_context.extradata or b""):
                raise StageError(
                    f"animatics/{path.name} is not encoded as the first scene is: they cannot be joined",
                    hint="send the job back with `from: animatics`",
                )
            count = 0
            for packet in file.demux(source):
                if packet.dts is None or packet.pts is None:
                    continue
                count += 1
                unit = Fraction(1, board.fps) / packet.time_base
                packet.pts += round(start * unit)
                packet.dts += round(start * unit)
                packet.stream = video
                yield packet
        if count != frames:
            raise StageError(
                f"animatics/{path.name} has {count} frames, the storyboard gives its scene {frames}",
                hint="send the job back with `from: animatics`, so that it follows the storyboard",
            )
        start += frames


def chapters(board: Storyboard) -> list[Any]:
    """The storyboard's chapters as the container wants them, in milliseconds."""
    return [
        {
            "id": number, "start": round(start * 1000), "end": round(end * 1000),
            "time_base": Fraction(1, 1000), "metadata": {"title": title},
        }
        for number, (start, end, title) in enumerate(storyboard_file.chapters(board))
    ]  # fmt: skip


def make_poster(context: Context, board: Storyboard) -> None:
    """``poster.png``, for pages that show the video before it plays: the first scene, or a person's own picture."""
    from stages.animatics import orders_of
    from stages.assets import draw_poster
    from stages.shot import prepare

    wanted, poster = orders_of(context, board)[0], context.out_dir / "poster.png"
    if wanted.picture:
        shutil.copyfile(wanted.picture, poster)
    else:
        draw_poster(prepare(wanted), poster)
    context.describe("poster.png", "image", scene=wanted.scene.id)


def _in_time_order(*streams: Iterator[Any]) -> Iterator[Any]:
    return merge(*streams, key=lambda packet: float(packet.dts * packet.time_base))


def _good(heard: sound.Loudness) -> bool:
    return (
        abs(heard.lufs - sound.TARGET_LUFS) <= TOLERANCE_LU and heard.true_peak_dbtp <= sound.TRUE_PEAK_DBTP
    )


def _corrected(mix: sound.Sound, heard: sound.Loudness) -> sound.Sound:
    """Louder or softer by what is missing, and limited further by what the encoder added to the peaks."""
    excess = max(heard.true_peak_dbtp - sound.TRUE_PEAK_DBTP, 0.0)
    gain = np.float32(10 ** ((sound.TARGET_LUFS - heard.lufs) / 20))
    return sound.limited(mix * gain, sound.CEILING_DBTP - excess)
