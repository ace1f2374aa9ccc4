"""Rows of numbers stand out when they are spoken of, and only those that are."""

from __future__ import annotations

import pytest

from stages.drafts import drafts_of
from stages.items import Item, Research
from stages.layouts.chart import shown_value
from stages.motion import pose
from stages.scenes import Chart, Content, Point, Scene, Storyboard, Table, Word
from stages.script_text import Line, Paragraph, Script, ScriptPart
from stages.shot import order, prepare
from stages.theme import load

pytestmark = pytest.mark.video

CHART = Chart(unit="ms", points=[Point(label=f"{10**n}", value=n) for n in (2, 3, 4, 5)])
TABLE = Table(columns=["Files", "Time", "Note"], rows=[[f"{10**n}", f"{n} ms", "so"] for n in (2, 3, 4, 5)])


def spoken(content: Content) -> Storyboard:
    """Four rows, of which the voice names the first and the last."""
    told = "With 100 files it is 2 ms. With 100000 it is 5 ms.".split()
    words = [Word(text=text, start=0.3 + at, end=1.1 + at) for at, text in enumerate(told)]
    scene = Scene(
        id="scene_000", heading="Time", content=content, narration=" ".join(told), words=words,
        reveals=[1.3, 3.0, 5.0, 8.3], seconds=14.0,
    )  # fmt: skip
    return Storyboard(title="Time", scenes=[scene])


@pytest.mark.parametrize(
    ("content", "name"), [(CHART, "bar"), (CHART, "value"), (TABLE, "row")], ids=["bar", "value", "row"]
)
def test_the_accent_waits_for_the_next_row_that_is_named(content: Content, name: str) -> None:
    """Rows between come with the rest, at their times, and never take the accent."""
    shot = prepare(order(spoken(content), 0, load()))
    rows = [element for element in shot.elements if element.name.startswith(f"{name}_")]
    assert [element.lit is not None for element in rows] == [True, False, False, True]

    def focus(seconds: float) -> list[float]:
        poses = [pose(element, 0, seconds, shot.times) for element in rows]
        return [each.focus if each else -1.0 for each in poses]

    assert focus(6.5) == [1.0, 0.0, 0.0, -1.0]
    assert focus(12.0) == [0.0, 0.0, 0.0, 1.0]


def test_a_row_that_is_not_named_grows_without_the_accent() -> None:
    """Nor is its number planned in it."""
    colours = load().colours
    shot = prepare(order(spoken(CHART), 0, load()))
    numbers = {e.name: e.texts[0].colour for e in shot.elements if e.name.startswith("value_")}
    assert numbers["value_0"] == colours.accent
    assert numbers["value_1"] == colours.ink


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (("22.3", "22.0"), ["22.3%", "22.0%"]),
        (("0.4", "31"), ["0.4%", "31%"]),
        (("5", "7"), ["5%", "7%"]),
    ],
)
def test_numbers_keep_the_decimals_of_their_source(cells: tuple[str, str], shown: list[str]) -> None:
    """22.0 beside 22.3 is measured as finely; where a source writes 31 beside 0.4, nothing is added."""
    item = Item(
        id="f001", source="a.md", line=1, paragraph=1, kind="table", text="Size", section="Size",
        columns=["Name", "Size (%)"], rows=[["one", cells[0]], ["two", cells[1]]],
    )  # fmt: skip
    lines = (Line("One and two.", ("f001",)),)
    script = Script("T", (ScriptPart("Size", (Paragraph(lines, "f001"),)),))
    (draft,) = drafts_of(script, Research(brief="x", documents=[], items=[item]))
    assert isinstance(draft.shape.content, Chart)
    chart = draft.shape.content
    assert [shown_value(point.value, chart.unit, chart.decimals) for point in chart.points] == shown
