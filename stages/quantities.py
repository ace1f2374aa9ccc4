"""A number with what belongs to it: its other end if it is one of a range, and its unit."""

from __future__ import annotations

import re

from stages.said_numbers import UNITS

_NUMBER = r"(?:\d{1,2}:\d\d|[$€£]?\d+(?:[.,]\d+)*)"
_UNIT = "(?:" + "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True)) + r")(?![\w/])"
RANGE = re.compile(
    rf"(?P<between>\b[Bb]etween\s)?(?<![\w.,:/–—-])(?P<low>{_NUMBER})(?:\s?(?P<unit>{_UNIT}))?"
    r"(?P<joint>(?(between)\sand\s|(?:\s?[–—-]\s?|\s(?:to|or)\s)))"
    rf"(?P<high>{_NUMBER})(?![\d:]|[–—.,-]\d)(?:[\s-]?{_UNIT})?"
)
"""Two numbers that are the ends of one: "1.5 to 3 kg", "9:00–17:00", "between 5 and 10"; no date as 2026-06-02."""
_FOLLOWING = re.compile(rf"[\s-]?{_UNIT}")
_COUNTED = re.compile(r"%|°?[^\W\d_]\D{0,14}|")
"""What a number counts, in a word or two."""
_SHOWN = re.compile(rf"(?P<value>\d{{1,2}}:\d\d|[$€£]?\d[\d,.\u00a0]*)[\s-]*(?P<unit>{_COUNTED.pattern})")


def range_at(text: str, start: int, stop: int) -> re.Match[str] | None:
    """The range that has a part of it between two places of a text."""
    return next(
        (each for each in RANGE.finditer(text) if each.start("low") < stop and start < each.end()), None
    )


def figure_of(text: str, phrase: str) -> tuple[str, str] | None:
    """The number that a phrase of a text tells, and its unit: the whole range, and the unit after the phrase.

    None if the phrase is more than that, or no number.
    """
    text, phrase = " ".join(text.split()), " ".join(phrase.split())
    start = text.lower().find(phrase.lower())
    if not phrase or start < 0:
        return None
    stop = start + len(phrase)
    if span := range_at(text, start, stop):
        unit = text[span.end("high") : max(stop, span.end())].strip(" -")
        if start < span.start("low") or span["unit"] not in (None, unit) or not _COUNTED.fullmatch(unit):
            return None
        return _ends(span), unit
    if phrase[-1].isdigit() and (more := _FOLLOWING.match(text, stop)):
        phrase += more[0]
    match = _SHOWN.fullmatch(phrase)
    return (match["value"], match["unit"]) if match else None


def _ends(span: re.Match[str]) -> str:
    """Both ends with a dash, or as they are written where they may be a change or a choice."""
    change = span.string[: span.start("low")].lower().endswith("from ") or span["joint"].strip() == "or"
    return (
        f"{span['low']} {span['joint'].strip()} {span['high']}" if change else f"{span['low']}–{span['high']}"
    )
