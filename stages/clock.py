"""Times of day: how they are written, and how a person says them."""

from __future__ import annotations

import re

from stages.said_numbers import cardinal

HALF = r"[ap](?:\.\s?m\.|\.m\b|m\b)"
"""a.m. or p.m., in any spelling; its stop may be the sentence's own."""
TIME = re.compile(
    rf"(?<![\w:.,])\d{{1,2}}(?:(?::[0-5]\d){{1,2}}(?:[–-]\d{{1,2}}:[0-5]\d)?(?:\s?{HALF})?|\s?{HALF})(?![\w:])",
    re.IGNORECASE,
)
CORE = re.compile(r"(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?([ap]\.?m)?", re.IGNORECASE)


def say_time(core: str, after: str) -> str:
    """The time or the span of times in words; ``after`` is the next word. Empty if it is neither."""
    ends = [_one(end, after) for end in re.split(r"[–—-]", core)]
    return " to ".join(ends) if all(ends) and len(ends) <= 2 else ""


def _one(text: str, after: str) -> str:
    match = CORE.fullmatch(text)
    if not match or not (match[2] or match[4]) or int(match[1]) > 24:
        return ""
    hour, minute, second, half = int(match[1]), int(match[2] or 0), match[3], match[4]
    said = "midnight" if hour == minute == 0 and not second else cardinal(hour)
    if minute or second:
        said += f" {_two(minute)}"
    elif hour > 12:
        said += " hundred"
    elif hour and not half and not re.match(HALF, f"{after}.", re.IGNORECASE):
        said += " o'clock"
    return said + (f" {_two(int(second))}" if second else "") + (f" {half[0].upper()} M" if half else "")


def _two(number: int) -> str:
    """Minutes as a clock has them: 5 is "oh five"."""
    return cardinal(number) if number > 9 else f"oh {cardinal(number)}"
