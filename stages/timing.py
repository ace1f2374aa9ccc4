"""How long things take: the silences around a scene, and the length of a speech before it is spoken."""

from __future__ import annotations

import math
import re

from stages.spoken import narration, say

LEAD = 0.2
"""Seconds of picture before the first word of a scene."""
TAIL = 0.35
"""Seconds of picture after its last word."""
FIRST_LEAD = 0.5
LAST_TAIL = 1.2
SENTENCE_PAUSE = 0.42

SECONDS_A_LETTER, SECONDS_A_WORD, SECONDS_A_COMMA, SECONDS_A_SENTENCE = 0.0684, 0.0466, 0.141, -0.216
"""Least squares over 72 sentences of the built-in voice; 5 % off for one sentence, 1 % for a minute."""


def estimate(sentence: str) -> float:
    """About how many seconds the built-in voice needs for one written sentence, its pause included."""
    said = narration(say(sentence))
    letters = sum(character.isalpha() for character in said)
    commas = len(re.findall(r"[,;:](?=\s)", said))
    spoken = letters * SECONDS_A_LETTER + len(said.split()) * SECONDS_A_WORD + commas * SECONDS_A_COMMA
    return max(0.3, spoken + SECONDS_A_SENTENCE) + SENTENCE_PAUSE


def whole_frames(seconds: float, fps: int) -> float:
    """The shortest whole number of frames that holds it, in seconds."""
    return math.ceil(round(seconds * fps, 6)) / fps


def scene_seconds(speech: float, fps: int, first: bool = False, last: bool = False) -> float:
    """The length of a scene whose speech takes that long."""
    return whole_frames((FIRST_LEAD if first else LEAD) + speech + (LAST_TAIL if last else TAIL), fps)
