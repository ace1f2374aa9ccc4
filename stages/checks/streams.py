"""The container: codecs, size, length, and that all of it can be decoded."""

from __future__ import annotations

from collections.abc import Iterator

from stages import sound, storyboard_file
from stages.checks.evidence import Evidence
from stages.checks.film import Film
from stages.checks.result import Result, at_most, unmeasured, verdict
from stages.scenes import Storyboard

LENGTH_SHARE = 0.05
STREAMS_APART = 0.05
"""Seconds; an AAC frame is 21 ms, a picture 33 ms."""


def check(evidence: Evidence) -> Iterator[Result]:
    """Only decoded frames and samples count; a header may promise more than the file holds."""
    film, board = evidence.film, evidence.board
    if film is None:
        yield unmeasured("video_stream", "h264 and aac", evidence.faults.get("video.mp4", ""))
        return
    codecs = f"{film.video_codec} and {film.audio_codec or 'no sound'}"
    yield verdict("codecs", codecs, "h264 and aac", codecs == "h264 and aac")
    yield verdict("pixel_format", film.pixel_format, "yuv420p", film.pixel_format == "yuv420p")
    yield verdict("fast_start", "yes" if film.fast_start else "no", "yes", film.fast_start)
    whole = not film.broken and abs(film.seconds - film.header_seconds) <= STREAMS_APART
    told = film.broken or f"{film.seconds:.2f} s decoded of {film.header_seconds:.2f} s"
    yield verdict("decodes_to_the_end", "yes" if whole else "no", "yes", whole, told)
    if board is not None:
        size = f"{film.width}x{film.height} at {film.fps:g}"
        wanted = f"{board.width}x{board.height} at {board.fps}"
        yield verdict("format", size, wanted, size == wanted)
        share = abs(film.seconds - board.seconds) / board.seconds
        note = f"{film.seconds:.2f} s, storyboard {board.seconds:.2f} s"
        yield at_most("duration_off_storyboard", share * 100, LENGTH_SHARE * 100, " %", note)
        yield _chapters(film, board)
    heard = evidence.mix.shape[1] / sound.RATE if evidence.mix is not None else 0.0
    note = f"picture {film.seconds:.3f} s, sound {heard:.3f} s"
    yield at_most("streams_apart", abs(film.seconds - heard), STREAMS_APART, " s", note)


def _chapters(film: Film, board: Storyboard) -> Result:
    """Players show them: as many as the storyboard has parts, each at its place."""
    wanted = storyboard_file.chapters(board)
    same = len(film.chapters) == len(wanted) and all(
        abs(found - start) <= STREAMS_APART and told == title
        for (found, told), (start, _, title) in zip(film.chapters, wanted, strict=True)
    )
    return verdict("chapters", len(film.chapters), f"{len(wanted)}, as in the storyboard", same)
