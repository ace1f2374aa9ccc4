"""A table as a picture: a chart of its figures, two things set against each other, or the table itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from stages.cardtext import bare, names
from stages.figures import figures_of
from stages.items import Item
from stages.scenes import Chart, Comparison, Point, Table
from stages.script_text import Line
from stages.shape import Cue, Shape

MAX_ROWS = 7
GENERIC = re.compile(
    r"\b(default|description|what|type|notes?|meaning|limits?|value|example|comment|details?|purpose|use)\b",
    re.I,
)


def table_shape(lines: Sequence[Line], item: Item) -> Shape:
    figures = figures_of(item.columns, item.rows)
    if figures and len(item.columns) == 2:
        unit = figures.unit
        points = [
            Point(label=label, value=value)
            for label, value in zip(figures.labels, figures.values, strict=True)
        ]
        axes = f"{figures.heading} by {figures.label_heading[:1].lower()}{figures.label_heading[1:]}"
        return Shape(
            Chart(unit=unit, decimals=figures.decimals, points=points),
            _point_cues(lines, figures.labels),
            bare(axes),
        )
    rows = [[bare(cell) for cell in row] for row in item.rows[:MAX_ROWS]]
    columns = [bare(column) for column in item.columns]
    if comparison := _comparison(columns, rows):
        return Shape(comparison, _point_cues(lines, columns[1:]))
    return Shape(Table(columns=columns, rows=rows), _point_cues(lines, [row[0] for row in rows]))


def _comparison(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Comparison | None:
    """A table that sets two things against each other."""
    if (
        len(columns) != 3
        or len(rows) > 5
        or any(len(row) != 3 for row in rows)
        or GENERIC.search(" ".join(columns[1:]))
    ):
        return None
    if any(re.search(r"\d", row[1]) or re.search(r"\d", row[2]) for row in rows):
        return None
    return Comparison(
        left_heading=columns[1],
        left=[f"{row[0]}: {row[1]}" for row in rows],
        right_heading=columns[2],
        right=[f"{row[0]}: {row[2]}" for row in rows],
    )


def _point_cues(lines: Sequence[Line], labels: Sequence[str]) -> tuple[Cue | None, ...]:
    """Each row comes with the sentence that names it; the first with the first sentence."""
    cues: list[Cue | None] = []
    for label in labels:
        named = [at for at, line in enumerate(lines) if names(line.text, label)]
        cues.append(Cue(named[0]) if named else None)
    shared = [cue for cue in cues if cue is not None and cues.count(cue) > 1]
    cues = [
        replace(cue, words=label) if cue in shared and cue is not None else cue
        for cue, label in zip(cues, labels, strict=True)
    ]
    if cues and cues[0] is None:
        cues[0] = Cue(0)
    return tuple(cues)
