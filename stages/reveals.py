"""When each drawn part of a scene appears, from the storyboard's reveals and the times of its words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.cardtext import bare, names
from stages.code_words import spoken_of
from stages.scenes import Chart, Code, Comparison, Statement, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.scenes import Scene, Word

_AHEAD = 0.1
"""Seconds that a part comes before its word, so that it is there when the word is heard."""
_START = 0.2
_SEEN = 1.6
"""Seconds that an emphasis stands at least: a sentence that ends in it would leave with it."""


def reveal_times(scene: Scene, parts: int, last: float) -> tuple[float, ...]:
    """A time for each of ``parts``, none after ``last``; finer than the storyboard's if a layout has more.

    Without any reveals all parts come at once, at the start.
    """
    given = [min(time, max(last, 0.0)) for time in scene.reveals]
    if not given:
        return (min(_START, max(last, 0.0)),) * parts
    if len(given) == parts:
        return tuple(given)
    end = max(last, given[-1])
    if isinstance(scene.content, Comparison) and len(given) == 2:
        left = _within(scene.content.left, given[0], max(given[1] - 0.3, given[0]), scene.words)
        return (*left, *_within(scene.content.right, given[1], end, scene.words))
    if isinstance(scene.content, Statement) and len(given) == 1:
        first = given[0] + 0.6
        said = _within([scene.content.emphasis], first, end, scene.words)
        return (given[0], *(min(time, max(end - _SEEN, first)) for time in said))
    return tuple(given[min(index, len(given) - 1)] for index in range(parts))


def unspoken(scene: Scene) -> frozenset[int]:
    """The rows of a chart or a table that the voice does not name; lines of code likewise, if it names any.

    They come without standing out. Empty lines of code never do.
    """
    content = scene.content
    if isinstance(content, Code):
        named = spoken_of(content.lines, [word.text for word in scene.words])
        return frozenset(
            part
            for part, line in enumerate(content.lines)
            if not line.strip() or (named and part not in named)
        )
    if isinstance(content, Chart):
        rows = [point.label for point in content.points]
    elif isinstance(content, Table):
        rows = [row[0] if row else "" for row in content.rows]
    else:
        return frozenset()
    text = " ".join(word.text for word in scene.words)
    return frozenset(part for part, label in enumerate(rows) if text and not names(text, bare(label)))


def _within(texts: Sequence[str], start: float, end: float, words: Sequence[Word]) -> list[float]:
    """A rising time between ``start`` and ``end`` for each text: when it is said, else evenly spread."""
    end = max(start, end)
    step = min((end - start) / max(len(texts), 1), 1.5)
    times: list[float] = []
    for index, text in enumerate(texts):
        after = times[-1] + 0.25 if times else start
        said = _said(text, after, end, words)
        times.append(min(max(said if said is not None else start + index * step, after), max(end, start)))
    return times


def _said(text: str, after: float, end: float, words: Sequence[Word]) -> float | None:
    """When the first telling word of ``text`` is spoken between the two times."""
    wanted = {_plain(word) for word in text.split() if len(_plain(word)) > 3 or any(map(str.isdigit, word))}
    found = (word.start for word in words if after <= word.start <= end and _plain(word.text) in wanted)
    first = next(found, None)
    return None if first is None else max(first - _AHEAD, after)


def _plain(word: str) -> str:
    return re.sub(r"\W+", "", word.lower()).removesuffix("s")
