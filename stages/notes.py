"""What earlier rejections of the same job asked of a stage: ``events.jsonl`` keeps every decision."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from stages.contract import Context

ASKING = ("gate_rejected", "job_resumed")
"""The events whose notes go to the stage that is made again."""
MOST_BYTES = 8 * 1024 * 1024
"""Of the end of the file: who rejects for longer than that is not read back to the beginning."""


def earlier_notes(context: Context) -> str:
    """The notes of earlier rejections and resumes that went to this stage, oldest first, a line each.

    What ``context.feedback`` holds is left out, and so is what cannot be read.
    """
    told = [note for note in _notes(context) if note not in context.feedback]
    return "\n".join(dict.fromkeys(told))


def all_notes(context: Context) -> str:
    """Earlier notes, then the last ones: what a writer that reads is told."""
    return "\n".join(note for note in (earlier_notes(context), context.feedback.strip()) if note)


def scenes_named(feedback: str) -> dict[str, str]:
    """Scenes that the notes name, and what they say of each: "scene_003: too much text"."""
    found = re.findall(r"\b(scene_\d{3})\b\s*:?\s*([^\n;]*)", feedback)
    return {scene: reason.strip() for scene, reason in found}


def unhonoured(context: Context, done: Collection[str], instead: str) -> list[str]:
    """What a rejection asked for and the stage could not do, a line each; ``instead`` says what helps.

    Of a scene among ``done`` the stage tells by itself.
    """
    asked = {**scenes_named(context.feedback), **context.redo}
    left = [f"{scene}: {reason}".rstrip(": ") for scene, reason in asked.items() if scene not in done]
    said = (" ".join(clause.split()) for clause in re.split(r"[;\n]", context.feedback))
    left += [clause for clause in said if clause and not scenes_named(clause)]
    return [f"could not be honoured: {each[:200]!r}. {instead}" for each in left]


def _notes(context: Context) -> Iterator[str]:
    for event in _events(context):
        payload = event.get("payload")
        if event.get("type") not in ASKING or not isinstance(payload, dict):
            continue
        to = payload.get("from") or event.get("stage")
        notes = payload.get("notes")
        if to == context.stage and isinstance(notes, str) and notes.strip():
            yield notes.strip()


def _events(context: Context) -> Iterator[dict[str, Any]]:
    path = context.run_dir / "events.jsonl"
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MOST_BYTES))
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the line that is being written, or was cut by the seek
            if isinstance(event, dict):
                yield event
