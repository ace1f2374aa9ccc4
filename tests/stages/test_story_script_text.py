"""script.txt and outline.txt: made for people to edit, read with tolerance, refused with the line."""

from __future__ import annotations

import pytest

from stages.contract import StageError
from stages.plan import Plan, PlannedPart, parse_plan, print_plan
from stages.script_text import Line, Paragraph, Script, ScriptPart, parse_script, print_script
from stages.sections import Section
from stages.sources import Block

KNOWN = {"f001", "f002", "f012"}
SCRIPT = Script(
    "Bees",
    (
        ScriptPart("Opening", (Paragraph((Line("Bees matter.", ("f001",)),), "title"),)),
        ScriptPart("Honey", (Paragraph((Line("It keeps.", ("f002", "f012")), Line("So say I.")), "f012"),)),
    ),
)


def simple(script: Script) -> list[tuple[str, str, list[tuple[str, tuple[str, ...]]]]]:
    return [
        (part.heading, paragraph.show, [(line.text, line.items) for line in paragraph.lines])
        for part, paragraph in script.paragraphs
    ]


def test_what_is_printed_is_read_again() -> None:
    """The printed script means what the script meant, notes aside."""
    text = print_script(SCRIPT, ["a note"])
    assert "# Note: a note" in text
    assert simple(parse_script(text, KNOWN)) == simple(SCRIPT)
    assert parse_script(text, KNOWN).title == "Bees"


def test_the_header_says_how_to_edit() -> None:
    """Whoever opens the file at the gate needs no other page."""
    text = print_script(SCRIPT)
    for told in ("== Heading ==", "[f012]", "show:", "{nginx|engine x}"):
        assert told in text


def test_sloppy_edits_are_understood() -> None:
    """Several sentences a line, markers before the full stop, missing equals signs, Windows line ends."""
    text = (
        "title: Bees\r\n\r\n== Honey\r\nshow: F012\r\nIt keeps [f001]. My own words. More [ f002, f012 ]\r\n"
        "\r\n# a note\r\n## Wax ##\r\nWax melts.\r\n"
    )
    assert simple(parse_script(text, KNOWN)) == [
        ("Honey", "f012", [("It keeps.", ("f001",)), ("My own words.", ()), ("More", ("f002", "f012"))]),
        ("Wax", "", [("Wax melts.", ())]),
    ]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("== A ==\nBees buzz. [f999]\n", 2, "not an item"),
        ("== A ==\n\nBees buzz. [f001\n", 3, "not closed"),
        ("Bees buzz.\n[f001]\n", 2, "follows no sentence"),
        ("show: f777\nBees buzz.\n", 1, "not an item"),
        ("show: carousel\nBees buzz.\n", 1, "nothing can be shown"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int, expected: str) -> None:
    """The message names the line, what is wrong there and what to do."""
    with pytest.raises(StageError, match=expected) as caught:
        parse_script(text, KNOWN)
    assert f"line {line}" in str(caught.value)
    assert caught.value.hint


def test_an_empty_script_is_refused() -> None:
    """A file of notes and headings says nothing."""
    with pytest.raises(StageError, match="says nothing"):
        parse_script("# only notes\n== A ==\n\n", KNOWN)


def test_a_near_marker_is_proposed() -> None:
    """A typing error in a marker is answered with the item that was meant."""
    with pytest.raises(StageError) as caught:
        parse_script("Bees buzz. [f0012]\n", KNOWN)
    assert "[f012]" in caught.value.hint


SECTIONS = [
    Section("bees.md", heading, (Block("paragraph", heading, line, text="Bees buzz."),))
    for heading, line in (("Honey", 3), ("Wax (old)", 9), ("Swarms", 14))
]


def test_an_edited_plan_is_followed() -> None:
    """Parts may be moved, deleted and added with or without their source."""
    plan = Plan("Bees", 2.0, "children", (), (PlannedPart("Honey", "bees.md", 3),), ())
    text = print_plan(plan, {"Honey": "one sentence"}, ["left out: Swarms"])
    assert parse_plan(text, SECTIONS) == plan
    edited = text.replace("- Honey (bees.md:3)", "- swarms\n1. Wax (old) (bees.md)\n* Honey").replace(
        "Minutes: 2", "Minutes: 3 min"
    )
    parts = parse_plan(edited, SECTIONS)
    assert [part.heading for part in parts.parts] == ["Swarms", "Wax (old)", "Honey"]
    assert parts.minutes == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Parts:\n- Hony\n", "line 2.*Hony"),
        ("Parts:\nHoney please\n", "line 2.*neither"),
        ("Minutes: many\n", "not a length"),
    ],
)
def test_a_plan_that_no_source_holds_is_refused(text: str, expected: str) -> None:
    """A part that no source has cannot be told; the nearest heading is proposed."""
    with pytest.raises(StageError, match=expected) as caught:
        parse_plan(text, SECTIONS)
    assert caught.value.hint
