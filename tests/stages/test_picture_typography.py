"""No line ends where a reader would stumble, and no mark is shown that says nothing."""

from __future__ import annotations

import pytest

from stages import icons
from stages.layouts import statement, title
from stages.layouts.page import new_page
from stages.lettering import BOLD, block
from stages.scenes import Statement, Title
from stages.theme import load
from stages.typography import held_together

pytestmark = pytest.mark.video


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("It takes 180 ms now", "180 ms"),
        ("Weekly, 2 June 2026", "2 June"),
        ("Take zstd at level 3 for it", "level 3"),
        ("Bake at 4 °C for long", "4 °C"),
        ("In 3 months of it", None),
        ("Ask 12 May sisters", "12 May"),
        ("The levels 3", None),
    ],
)
def test_what_belongs_together_stays_on_one_line(text: str, held: str | None) -> None:
    """A number and its unit, a day and its month, a level and its number; "3 m" is no part of "3 months"."""
    assert held_together(text) == (text.replace(held, held.replace(" ", "\u00a0")) if held else text)


def test_a_line_does_not_end_between_a_number_and_its_unit() -> None:
    """At any width that holds both."""
    for width in range(260, 900, 20):
        lines = block("Start-up takes 180 ms instead of 1.2 s", BOLD, 60, width).lines
        assert not any(line.endswith(("180", "1.2")) for line in lines), lines


def test_what_is_too_wide_is_still_divided() -> None:
    """Where a column is narrower than both together, the space held gives way before a letter does."""
    assert block("12 June", BOLD, 60, 150).lines == ("12", "June")


def test_an_accent_is_found_across_a_held_space() -> None:
    """The emphasis is written with a plain space."""
    content = Statement(text="The thirty copies need 668 GB of it", emphasis="668 GB")
    made = statement.elements(content, new_page(1920, 1080, load()))
    assert any(element.name.startswith("emphasis_") for element in made)


def test_marks_that_say_nothing_do_not_decorate() -> None:
    """Around a title stand only icons of words; where no word has one, one mark stands alone."""
    page = new_page(1920, 1080, load(), words="a kernel and a qzxv")
    assert title._icons(Title(title="Qzxv"), page)[0] not in icons.FALLBACKS
    assert not set(title._icons(Title(title="Qzxv"), page)) & set(icons.FALLBACKS)
    bare = new_page(1920, 1080, load(), words="qzxv xqz")
    assert len(title._icons(Title(title="Qzxv"), bare)) == 1
