"""Everything that was promised is there, is what it says, and none of it is a placeholder."""

from __future__ import annotations

from collections.abc import Iterator

from stages.checks.evidence import Evidence
from stages.checks.result import Result, verdict

EXPECTED = (
    "outline.txt", "research.json", "script.txt", "storyboard.json", "asset_plan.json",
    "voiceover.mp3", "captions.srt", "captions.vtt", "video.mp4", "poster.png", "transcript.md",
)  # fmt: skip
READ = ("storyboard.json", "asset_plan.json", "captions.srt", "captions.vtt", "video.mp4")


def check(evidence: Evidence) -> Iterator[Result]:
    """Presence, readability, schema, placeholders."""
    expected = [*EXPECTED, *_of_scenes(evidence)]
    missing = [name for name in expected if not _filled(evidence, name)]
    yield verdict("files_missing", len(missing), "0", not missing, ", ".join(missing))
    for name in READ:
        fault = evidence.faults.get(name, "")
        yield verdict(f"readable:{name}", "no" if fault else "yes", "yes", not fault, fault)
    placeholders = sorted(a.path for a in evidence.artifacts if a.meta.get("placeholder"))
    yield verdict("placeholders", len(placeholders), "0", not placeholders, ", ".join(placeholders))


def _of_scenes(evidence: Evidence) -> list[str]:
    scenes = evidence.board.scenes if evidence.board else []
    return [name for s in scenes for name in (f"assets/{s.id}.png", f"animatics/{s.id}.mp4")]


def _filled(evidence: Evidence, name: str) -> bool:
    path = evidence.run_dir / name
    return path.is_file() and path.stat().st_size > 0
