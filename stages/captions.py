"""The caption files: ``captions.srt`` and ``captions.vtt`` from one list of cues, timed to the words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from stages.cues import Cue, cues
from stages.scenes import Word


def video_cues(scenes: Iterable[tuple[Sequence[Word], float, float]]) -> list[Cue]:
    """The cues of a whole video from (words, start, end) of its scenes; word times are the scene's own."""
    found: list[Cue] = []
    for words, start, end in scenes:
        moved = [Word(text=word.text, start=word.start + start, end=word.end + start) for word in words]
        found += cues(moved, until=end)
    return found


# pysubs2 takes curly brackets and backslashes for markup: they travel as private characters.
_HIDDEN = str.maketrans("{}\\", "\ue000\ue001\ue002")
_SHOWN = str.maketrans("\ue000\ue001\ue002", "{}\\")
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write(shown: Sequence[Cue], srt: Path, vtt: Path) -> None:
    """Both files; in whole milliseconds, none overlapping."""
    import pysubs2

    plain, escaped = pysubs2.SSAFile(), pysubs2.SSAFile()
    end = 0
    for cue in shown:
        start = max(round(cue.start * 1000), end)
        end = max(round(cue.end * 1000), start + 1)
        lines = [line.translate(_HIDDEN) for line in cue.lines]
        plain.append(pysubs2.SSAEvent(start=start, end=end, text="\\N".join(lines)))
        marked = "\\N".join(line.translate(_ESCAPED) for line in lines)
        escaped.append(pysubs2.SSAEvent(start=start, end=end, text=marked))
    srt.write_text(plain.to_string("srt").translate(_SHOWN), encoding="utf-8")
    vtt.write_text(escaped.to_string("vtt").translate(_SHOWN), encoding="utf-8")
