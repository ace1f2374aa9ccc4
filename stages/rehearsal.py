"""A script spoken once, to know how long it takes."""

from __future__ import annotations

from functools import cache

from stages.drafts import drafts_of
from stages.items import Research
from stages.script_text import Script
from stages.spoken import narration, say
from stages.timing import scene_seconds


def rehearse(script: Script, research: Research, voice: str, fps: int = 30) -> float:
    """The seconds that a script takes with that voice, the silences between scenes included."""
    drafts = drafts_of(script, research)
    last = len(drafts) - 1
    return sum(
        scene_seconds(_seconds(narration(say(draft.text)), voice), fps, place == 0, place == last)
        for place, draft in enumerate(drafts)
    )


@cache
def _seconds(text: str, voice: str) -> float:
    from stages.voice import speak

    return speak(text, voice).seconds
