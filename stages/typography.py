"""Which words a line break must not part: a range, a number and its unit, "level" and its number."""

from __future__ import annotations

import re
from functools import lru_cache

from stages.quantities import RANGE
from stages.said_numbers import MONTHS, UNITS

HELD = "\u00a0"
"""A space at which no line ends."""
_UNITS = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_WORDS = "|".join(sorted({f"{word}s?" for word in UNITS.values() if word.isalpha()}))
_MEASURED = re.compile(rf"(?<=\d) (?=(?:{_UNITS}|{_WORDS}|{'|'.join(MONTHS)})(?![\w/]))")
_NUMBERED = re.compile(
    r"\b(level|version|lines?|pages?|step|part|chapter|phase|type|port|figure|table|section|room|layer|day) (?=\d)",
    re.IGNORECASE,
)


def held_together(text: str) -> str:
    """The text with its spaces held where a line should not end."""
    text = _NUMBERED.sub(rf"\1{HELD}", _MEASURED.sub(HELD, text))
    for span in RANGE.finditer(text):
        held = text[span.start("low") : span.end()].replace(" ", HELD)
        text = text[: span.start("low")] + held + text[span.end() :]
    return text


@lru_cache(maxsize=4096)
def holds(before: str, after: str) -> bool:
    """Whether no line should end between two pieces of a text."""
    return held_together(f"{before} {after}")[len(before)] == HELD
