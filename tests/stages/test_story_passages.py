"""Lists, tables and dates become sentences; a paragraph is told from its beginning."""

from __future__ import annotations

from typing import Any

import pytest

from stages.dates import dated, divided
from stages.items import Item
from stages.passages import opposed, tell_item
from stages.script_text import Line
from stages.selection import Selection
from stages.sentences import count_words


def item(kind: str, text: str = "Bees", number: int = 1, paragraph: int = 0, **more: Any) -> Item:
    fields = {"id": f"f{number:03d}", "section": "Bees", "source": "bees.md", "line": 1, **more}
    return Item(kind=kind, text=text, paragraph=paragraph, **fields)


def told(shown: Item) -> list[str]:
    return [line.text for line in tell_item(shown)]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("1875: Seventeen states sign.", ("1875", "Seventeen states sign.")),
        ("20 May 1875 – Signed.", ("20 May 1875", "Signed.")),
        ("In 1960, light won.", ("1960", "light won.")),
        ("1990s: Growth.", ("1990s", "Growth.")),
        ("1024: a power of two", ("1024", "a power of two")),
        ("8080: the port", None),
        ("Light won in 1960.", None),
    ],
)
def test_a_date_opens_what_it_dates(part: str, expected: tuple[str, str] | None) -> None:
    """A year, a month or a day, then what happened."""
    assert divided(part) == expected


def test_dates_are_told_in_order() -> None:
    """A list of dates is no list of points: each is a sentence that says when."""
    shown = item(
        "list", parts=["1791: The metre is defined.", "20 May 1875: States sign.", "1990s: It grows."]
    )
    assert dated(shown.parts)
    assert told(shown) == [
        "Bees.",
        "In 1791, the metre is defined.",
        "On 20 May 1875, states sign.",
        "In the 1990s, it grows.",
    ]


@pytest.mark.parametrize(
    ("heading", "labels"),
    [("Metric", ["Builds", "Incidents"]), ("What", ["Build time (min)", "Failed builds (%)"])],
)
def test_rows_that_count_other_things_are_not_held_against_each_other(
    heading: str, labels: list[str]
) -> None:
    """There is no highest of builds and incidents: each row is told by itself, a number with its month."""
    rows = [[labels[0], "412", "538"], [labels[1], "3", "1"]]
    assert told(item("table", columns=[heading, "April", "May"], rows=rows)) == [
        "Bees.",
        f"{labels[0]}: 412 in April, 538 in May.",
        f"{labels[1]}: 3 in April, 1 in May.",
    ]


def test_a_list_of_names_in_a_table_is_read_out() -> None:
    """Seven ingredients are, without the heading "amount"; eight rows are a table to look at."""
    rows = [[f"Thing {number}", f"{number} g"] for number in range(1, 8)]
    rows[0][1] = "a pinch"
    assert told(item("table", columns=["Ingredient", "Amount"], rows=rows))[:3] == [
        "Bees.",
        "Thing 1: a pinch.",
        "Thing 2: 2 g.",
    ]
    assert told(item("table", columns=["Ingredient", "Amount"], rows=[*rows, ["Salt", "some"]])) == []


def test_a_table_of_dates_names_its_columns() -> None:
    """Its first column says when, the others what, with their headings where these say something."""
    rows = [["1799", "a bar"], ["1960", "light"], ["1983", "a number"]]
    shown = item("table", columns=["Since", "The metre was"], rows=rows)
    assert told(shown)[1:] == [
        "In 1799, the metre was a bar.",
        "In 1960, the metre was light.",
        "In 1983, the metre was a number.",
    ]


def test_a_comparison_is_told_side_by_side() -> None:
    """First one side with all its aspects, then the other, in sentences that a listener can hold."""
    rows = [
        ["Idea", "It swings", "It is surveyed"],
        ["Against it", "Gravity differs", "It takes " + "very " * 12 + "long"],
    ]
    columns = ["", "The pendulum", "The meridian"]
    shown = item("table", columns=columns, rows=rows)
    assert opposed(columns, rows)
    lines = told(shown)
    assert lines[0] == "The pendulum: it swings; against it, gravity differs."
    assert lines[1].startswith("The meridian: it is surveyed")
    assert all(count_words(line) <= 25 for line in lines)
    assert not opposed(["Setting", "Default", "Meaning"], rows)
    assert not opposed(columns, [["Cost", "3", "4"], ["Weight", "5", "6"]])


def test_mere_names_are_one_sentence() -> None:
    """A list of names is not read as a row of sentences, and not at all without its lead."""
    shown = item("list", "The parser knows three kinds:", parts=["REAL", "NULL", "SET OF"])
    assert told(shown) == ["The parser knows three kinds: REAL, NULL, and SET OF."]
    assert told(item("list", parts=["REAL", "NULL", "SET OF"])) == []


def test_a_heading_that_closes_is_not_said_again() -> None:
    """ "In short." under the heading "In short" says nothing."""
    parts = ["It is the faster one by far.", "It needs less room on any disk."]
    assert told(item("list", "", parts=parts, section="In short")) == parts


@pytest.mark.parametrize("lead", ["It can be opened with:", "The module is:"])
def test_a_lead_that_its_code_would_end_is_not_said(lead: str) -> None:
    """ "It can be opened with." is half a sentence."""
    assert told(item("code", lead, parts=["open(x)"])) == ["In code, it looks like this."]


def test_a_second_line_of_time_gives_way() -> None:
    """Dates are told once: the same years in a table of their own wait until all else is told."""
    years = ["1791: The metre is defined.", "1875: States sign.", "1960: Light wins."]
    rows = [[year[:4], "a bar"] for year in years]
    items = [
        item("table", columns=["Since", "The metre was"], rows=rows, section="Exactness"),
        item("list", number=2, parts=years, section="Dates"),
        item("fact", "The bar was too short by two tenths.", 3, section="Bar"),
    ]
    told = {each.id: (Line(each.text),) for each in items}
    selection = Selection(items, told, {each.id: 10.0 for each in items}, 24, lambda _: 0)
    selection.fill()
    assert selection.taken == {1, 2}


def test_a_paragraph_is_told_from_its_beginning() -> None:
    """What comes later in a paragraph speaks of what came before: it is not told without it."""
    items = [
        item("fact", "A test made files.", 1),
        item("fact", "It got half of the events.", 2, alone=False),
        item("fact", "Half of the files were never mentioned.", 3),
        item("fact", "Another paragraph begins with this sentence.", 4, paragraph=2),
    ]
    selection = Selection(
        items,
        {each.id: (Line(each.text),) for each in items},
        {each.id: 3.0 for each in items},
        60,
        lambda _: 0,
    )
    assert sorted(selection.closure(2) or []) == [0, 1, 2]
    assert selection.closure(3) == [3]
