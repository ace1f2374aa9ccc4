"""No line ends where a reader would stumble, and no mark is shown that says nothing."""

from __future__ import annotations

import pytest

from stages import icons
from stages.cues import cues
from stages.layouts import statement, title
from stages.layouts.page import new_page
from stages.lettering import BOLD, block
from stages.scenes import Statement, Title
from stages.theme import load
from stages.typography import held_together
from tests.stages.storyboards import spoken

pytestmark = pytest.mark.video


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("It takes 180 ms now", "180 ms"),
        ("Weekly, 2 June 2026", "2 June"),
        ("Take zstd at level 3 for it", "level 3"),
        ("Bake at 4 °C for long", "4 °C"),
        ("In 3 months of it", None),
        ("A loss of 1.5 to 3 kg", "1.5 to 3 kg"),
        ("One archive of 11.8 megabytes", "11.8 megabytes"),
        ("Between 5 and 10 of them", "5 and 10"),
        ("Take 5 and 10 of them", None),
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


def test_a_caption_does_not_part_a_range() -> None:
    """Neither between two lines nor between two captions, wherever in the sentence it stands."""
    for before in range(1, 24):
        said = ["word"] * before + "1.5 to 3 kg".split() + ["more"] * 9
        lines = [line for cue in cues(spoken(" ".join(said)), 30) for line in cue.lines]
        assert any("1.5 to 3 kg" in line for line in lines), lines


@pytest.mark.parametrize(
    ("text", "emphasis", "shown"),
    [
        ("A loss of 1.5 to 3 kg a week", "1.5", "1.5–3 kg"),
        ("A loss of 1.5 to 3 kg a week", "1.5 to 3 kg", "1.5–3 kg"),
        ("A loss of 1.5 kg a week", "1.5", "1.5 kg"),
        ("Between 5 and 10 files are lost", "5 and 10 files", "5–10 files"),
        ("It grew from 4.2 to 31 ms", "4.2 to 31 ms", "4.2 to 31 ms"),
        ("A bag of 500 g to 2 kg", "500 g", None),
        ("The 1960 metre", "The 1960 metre", None),
        ("Open 9:00–17:00 daily", "9:00–17:00", "9:00–17:00"),
    ],
)
def test_a_figure_shows_the_whole_range_and_the_unit(text: str, emphasis: str, shown: str | None) -> None:
    """Also where a person gave only its first number the accent; what has two units has no figure."""
    made = statement.elements(Statement(text=text, emphasis=emphasis), new_page(1920, 1080, load()))
    figure = [each.text for element in made if element.name.startswith("figure_") for each in element.texts]
    assert " ".join(figure) == (shown or "")


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1080), (1080, 1920)])
@pytest.mark.parametrize("variant", range(3))
def test_an_emphasis_that_is_not_in_the_text_is_not_shown(size: tuple[int, int], variant: int) -> None:
    """A person changed the text and left the emphasis of the old one."""
    content = Statement(text="The swarm leaves in May", emphasis="in the old hive")
    made = statement.elements(content, new_page(*size, load(), variant))
    assert " ".join(each.text for element in made for each in element.texts) == content.text


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1080), (1080, 1920)])
def test_a_statement_has_no_empty_bar(size: tuple[int, int]) -> None:
    """Nothing flat lies across the frame; what is beside the sentence is large."""
    page = new_page(*size, load(), 2, words="qzxv")
    made = statement.elements(Statement(text="The swarm leaves in May"), page)
    plain = [each.box for each in made if not each.texts and not each.name.endswith(("icon", "icon_0"))]
    assert all(max(box.w, box.h) < 5 * min(box.w, box.h) for box in plain if box.w > page.body.w / 2)
    assert max(box.w * box.h for box in plain) > page.body.w * page.body.h / 6


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
