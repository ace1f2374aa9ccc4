"""Sentences that say nothing without what stands beside them: they announce code or a table, explain it, or ask."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.items import Item

_CODE = "function|code|script|snippet|program|listing|command|call|loop|query|example|method|class|session"
_NAMES = {
    "code": rf"{_CODE}|lines?",
    "table": "table|figures|numbers|comparison",
    "list": "list|points",
    "steps": "steps|recipe",
}
"""What a sentence calls the kind of thing that follows it."""
_ANNOUNCES = {
    kind: re.compile(rf"\b(?:this|these|here (?:is|are))\s+(?:[\w-]+\s+){{0,3}}(?:{names})\b", re.I)
    for kind, names in _NAMES.items()
}
_EXPLAINS = re.compile(
    rf"(?:(?:for|with|given|from|in|on|at|called|run)\b[^,;]{{0,40}}?,?\s)?(?:it|this|the (?:{_CODE}))\b",
    re.I,
)
"""Its subject is what was shown ("For 220 g it answers 20 g")."""


def asks(text: str) -> bool:
    """Whether a sentence is a question, which claims nothing."""
    return text.rstrip("\"'”’)]").endswith("?")


def announces(item: Item, after: Item) -> bool:
    """Whether a sentence leads to the list, table or code that stands right after it."""
    pattern = _ANNOUNCES.get(after.kind)
    return bool(pattern and _beside(item, after) and pattern.search(item.text))


def explains(item: Item, before: Item) -> bool:
    """Whether a sentence goes on about the code that stands right before it."""
    return before.kind == "code" and _beside(before, item) and bool(_EXPLAINS.match(item.text))


def without_leads(items: Sequence[Item], kept: Sequence[Item]) -> list[Item]:
    """What is ``kept`` of ``items``, without the sentences that would announce or explain what is not."""
    names = {item.id for item in kept}
    found = []
    for before, item, after in zip([None, *items], items, [*items[1:], None], strict=False):
        lost = (after and after.id not in names and announces(item, after)) or (
            before and before.id not in names and explains(item, before)
        )
        if item.id in names and not lost:
            found.append(item)
    return found


def _beside(first: Item, second: Item) -> bool:
    """Whether a sentence and a thing stand in blocks that follow each other."""
    prose = {"fact", "number"} & {first.kind, second.kind}
    together = (first.source, first.section) == (second.source, second.section)
    return bool(prose) and together and second.paragraph - first.paragraph == 1
