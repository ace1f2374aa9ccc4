"""Dates that a list or a table is ordered by: when each thing was, and what it was."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.said_numbers import MONTHS

MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\.?" for month in MONTHS)])
WHEN = rf"(?:(?:\d{{1,2}}\s+)?(?:{MONTH})\s+(?:\d{{1,2}},\s+)?)?(?:1\d{{3}}|20\d\d)(?:s|[–-]\d{{2,4}})?"
DATED = re.compile(rf"^(?:In\s+)?(?P<when>{WHEN})\s*(?::|,|\s[–—-])\s+(?P<what>\S.*)$", re.S)
ONLY_WHEN = re.compile(rf"^{WHEN}$")


def divided(part: str) -> tuple[str, str] | None:
    """When and what of "1875: Seventeen states sign."; None for a part that begins with no date."""
    match = DATED.match(part.strip())
    return (match["when"], match["what"]) if match else None


def is_date(text: str) -> bool:
    """Whether a text is a year, or a month or day of one."""
    return bool(ONLY_WHEN.match(text.strip()))


def dated(parts: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> bool:
    """Whether a list, or else a table by its first column, is a list of dates."""
    if parts:
        return len(parts) >= 3 and all(divided(part) for part in parts)
    return len(rows) >= 3 and all(row and is_date(row[0]) for row in rows)


def at(when: str) -> str:
    """The date as a sentence begins with it: "In 1875", "On 20 May 1875"."""
    day = re.match(r"\d{1,2}\s|\D+\d{1,2},", when)
    return f"{'On' if day else 'In the' if when.endswith('s') else 'From' if re.search('[–-]', when) else 'In'} {when}"
