"""Which words a line break must not part: a number and its unit, a day and its month, "level" and its number."""

from __future__ import annotations

import re

from stages.said_numbers import MONTHS, UNITS

HELD = "\u00a0"
"""A space at which no line ends."""
_UNITS = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_MEASURED = re.compile(rf"(?<=\d) (?=(?:{_UNITS}|{'|'.join(MONTHS)})(?![\w/]))")
_NUMBERED = re.compile(
    r"\b(level|version|lines?|pages?|step|part|chapter|phase|type|port|figure|table|section|room|layer|day) (?=\d)",
    re.IGNORECASE,
)


def held_together(text: str) -> str:
    """The text with its spaces held where a line should not end."""
    return _NUMBERED.sub(rf"\1{HELD}", _MEASURED.sub(HELD, text))
