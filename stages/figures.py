"""Tables of numbers: which can be drawn as a chart, and what they say in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stages.said_numbers import UNITS

NUMBER = re.compile(
    r"^[~≈<>]?\s*(?P<money>[$€£]?)(?P<number>[-−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-−]?\d+(?:\.\d+)?)\s*(?P<unit>%|[a-zA-Zµ°×²³/]{0,12})$"
)
UNIT_IN_HEADING = re.compile(
    r"\s*[(\[](?P<unit>[^()\[\]]{1,20})[)\]]\s*$|,\s*(?:in\s+)?(?P<comma>[a-zA-Zµ%/]{1,12})$"
)
MAX_POINTS = 8
YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d")
MOST_CHANGES = 3
"""Rows that are each told how they changed; of more, the two ends."""
PLURAL = re.compile(r"\w+[^\Wsu]s\b")
"""A heading whose first word is a plural: "bicycles a day", not "process" or "status"."""


MEASURES = re.compile(r"(?:metric|measure|indicator|kpi|quantity|property|parameter|statistic)s?", re.I)
"""What a column of labels is headed that names another kind of number in each row."""


@dataclass(frozen=True)
class Figures:
    """One column of numbers of a table, by the labels of its first column."""

    label_heading: str
    heading: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    cells: tuple[str, ...]
    """The numbers as the source writes them."""

    @property
    def decimals(self) -> int | None:
        """How many decimals the source gives each number; None if not all the same."""
        counts = {len(cell.partition(".")[2]) for cell in self.cells}
        return counts.pop() if len(counts) == 1 else None


def every_figures(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Figures]:
    """One Figures for each column of a table that holds one label and else only numbers."""
    found = [
        figures_of([columns[0], columns[at]], [[row[0], row[at]] for row in rows if len(row) > at])
        for at in range(1, len(columns))
    ]
    whole = [figures for figures in found if figures and len(figures.values) == len(rows)]
    return whole if len(whole) == len(found) else []


def figures_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Figures | None:
    """The numbers of a table that holds one label and else only numbers; None for any other table."""
    if len(columns) < 2 or not 2 <= len(rows) <= MAX_POINTS or any(len(row) < len(columns) for row in rows):
        return None
    parsed = [[NUMBER.match(cell.replace("`", "").strip()) for cell in row[1 : len(columns)]] for row in rows]
    if not all(match for row in parsed for match in row):
        return None
    matches = [row[-1] for row in parsed if row[-1]]
    units = {match["unit"] or match["money"] for match in matches}
    if len(units) > 1 or _of_many_kinds(columns[0], [row[0] for row in rows]):
        return None
    heading, unit = _unit(columns[len(columns) - 1])
    return Figures(
        columns[0].strip(),
        heading,
        unit or units.pop(),
        tuple(row[0].replace("`", "").strip() for row in rows),
        tuple(float(match["number"].replace(",", "").replace("−", "-")) for match in matches),
        tuple(match["number"] for match in matches),
    )


def _of_many_kinds(heading: str, labels: Sequence[str]) -> bool:
    """Whether each row counts something else, so that no number can be held against that of another row."""
    units = {_unit(label)[1] for label in labels if UNIT_IN_HEADING.search(label)}
    return bool(MEASURES.fullmatch(heading.strip())) or bool(units & UNITS.keys())


def _unit(heading: str) -> tuple[str, str]:
    match = UNIT_IN_HEADING.search(heading)
    if not match:
        return heading.strip(), ""
    return heading[: match.start()].strip(), match["unit"] or match["comma"]


def tell(figures: Figures, *beside: Figures) -> list[str]:
    """The table in two sentences: its two ends, computed and never judged.

    What stands ``beside`` them in other columns is told with them, where the labels are names.
    """
    value = _lower(figures.heading)
    first, last = (_amount(figures, place) for place in (0, len(figures.values) - 1))
    many = PLURAL.match(value)
    columns = (figures, *beside)
    if beside and all(YEAR.fullmatch(each.heading) for each in columns):
        return _changes(columns[0], columns[-1])
    if all(YEAR.fullmatch(label) for label in figures.labels):
        return _change(figures, value if many else f"the {value}")
    if all(NUMBER.match(label) for label in figures.labels):
        noun = _lower(figures.label_heading)
        return [
            f"With {figures.labels[0]} {noun}, the {value} {'are' if many else 'is'} {first}.",
            f"With {figures.labels[-1]}, {'they are' if many else 'it is'} {last}.",
        ]
    ends = _ends(figures)
    (word, place), *rest = ends
    if many:
        told = [f"The {value} are {word} for {figures.labels[place]}, at {_amount(figures, place)}"]
        told += [f"They are {word} for {figures.labels[at]}, at {_amount(figures, at)}" for word, at in rest]
    else:
        told = [f"The {word} {value} is {_amount(figures, place)}, for {figures.labels[place]}"]
        told += [f"The {word} is {_amount(figures, at)}, for {figures.labels[at]}" for word, at in rest]
    others = beside[:1]
    return [
        each + "".join(f", with {_lower(other.heading)} at {_amount(other, at)}" for other in others) + "."
        for each, (_, at) in zip(told, ends, strict=True)
    ]


def _ends(figures: Figures) -> list[tuple[str, int]]:
    """The highest and the lowest row in the table's own order, as the eye goes through it."""
    places = range(len(figures.values))
    low = min(places, key=lambda place: figures.values[place])
    high = max(places, key=lambda place: figures.values[place])
    return sorted([("highest", high), ("lowest", low)], key=lambda end: end[1])


def _change(figures: Figures, what: str) -> list[str]:
    """How a value went from the first year to the last, by the peak or the trough between them."""
    labels = figures.labels
    before, after = (f"{_amount(figures, place)} in {labels[place]}" for place in (0, len(labels) - 1))
    between = ""
    for pick in (max, min):
        place = figures.values.index(pick(figures.values))
        if figures.values[place] not in (figures.values[0], figures.values[-1]):
            between = f"{_amount(figures, place)} in {labels[place]}, and then to "
            break
    return [f"{_capital(what)} went from {before} to {between}{after}."]


def _changes(first: Figures, last: Figures) -> list[str]:
    """Two years side by side: the rows that changed most and least, or each of a few."""
    places = list(range(len(first.values)))
    changed = [abs(after - before) for before, after in zip(first.values, last.values, strict=True)]
    if len(places) > MOST_CHANGES:
        most, least = changed.index(max(changed)), changed.index(min(changed))
        places = [most] if most == least else [most, least]
    told = [
        f"{first.labels[place]} went from {_amount(first, place)} in {first.heading} "
        f"to {_amount(last, place)} in {last.heading}."
        for place in places
    ]
    if len(changed) > MOST_CHANGES and len(told) == 2:
        return [f"The largest change: {told[0]}", f"The smallest: {told[1]}"]
    return told


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _amount(figures: Figures, place: int) -> str:
    if figures.unit in ("$", "€", "£"):
        return figures.unit + figures.cells[place]
    return f"{figures.cells[place]} {figures.unit}".strip()


def _lower(heading: str) -> str:
    heading = heading.replace("`", "")
    return heading[:1].lower() + heading[1:] if heading[1:2].islower() else heading
