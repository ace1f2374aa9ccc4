"""Sentences: their ends, what they lean on, how they are divided and shortened."""

from __future__ import annotations

import pytest

from stages.cardtext import emphasis, headline, strongest_clause
from stages.figures import every_figures, figures_of, tell
from stages.sentences import count_words, is_sentence, points_back, points_elsewhere, shorten, split_sentences
from stages.sources_card import _listed


def texts(paragraph: str) -> list[str]:
    return [sentence.text for sentence in split_sentences(paragraph)]


def test_sentences_end_where_they_end() -> None:
    """Abbreviations, decimals and code do not end a sentence; names written small begin one."""
    paragraph = (
        "Use it, e.g. for logs. It needs 2.5 ms. inotify is small. Call `a. B`. Dr. Who came\nin 2005."
    )
    assert texts(paragraph) == [
        "Use it, e.g. for logs.",
        "It needs 2.5 ms.",
        "inotify is small.",
        "Call `a. B`.",
        "Dr. Who came in 2005.",
    ]


def test_a_sentence_knows_its_offset() -> None:
    """The offset counts the lines before it."""
    second = list(split_sentences("One is here.\nTwo is there."))[1]
    assert second.offset == len("One is here.\n")


@pytest.mark.parametrize(
    "sentence",
    ["This means trouble.", "It does not say what.", "However, it works.", "The latter wins.",
     "Linux has a better one.", "A program that follows this rule is safe."],
)  # fmt: skip
def test_sentences_that_lean_on_another(sentence: str) -> None:
    """No dangling "this": such a sentence is never said without the one before it."""
    assert points_back(sentence)


def test_sentences_that_stand_alone() -> None:
    """A sentence with its own subject leans on nothing."""
    assert not points_back("The kernel keeps a queue that holds 16,384 events.")
    assert points_elsewhere("See the table below.")
    assert not points_elsewhere("The table is made of wood.")


def test_a_long_sentence_is_divided_between_main_clauses() -> None:
    """No sentence over 25 words is spoken, and no part of it is a fragment."""
    long = (
        "Files that were created before that watch was in place are never reported, so the program must "
        "scan each new directory after it has added the watch."
    )
    parts = shorten(long)
    assert len(parts) == 2
    assert all(count_words(part) <= 25 for part in parts)
    assert parts[1].startswith("So the program must")


def test_what_cannot_be_divided_is_not_said() -> None:
    """A long sentence without a place to cut is left out and not cut anywhere."""
    assert shorten("The " + "very " * 30 + "long sentence of the author goes on.") == []


def test_a_card_never_turns_a_sentence_round() -> None:
    """What a card leaves out changes nothing: conditions and exceptions stay."""
    kept = "The kernel drops every event that comes after the limit, but never the last record of the queue."
    assert "never" in headline(kept)
    conditional = (
        "If the reader is too slow for the writers, the queue fills up, and the kernel drops events."
    )
    assert strongest_clause(conditional).startswith("If the reader is too slow")
    long = "The obvious answer is to look again and again, and the obvious answer does not scale."
    assert strongest_clause(long) == "The obvious answer does not scale"


def test_a_fragment_is_no_statement() -> None:
    """What follows "and" is shown alone only if it has a verb of its own."""
    text = (
        "A program that follows the rule uses inotify to wake up early, and a scan to decide what is there."
    )
    assert strongest_clause(text) == text.rstrip(".")


def test_emphasis_is_in_the_card() -> None:
    """The words that stand out are words of the card: a number first, then code."""
    card = "The kernel keeps at most 16,384 events"
    assert emphasis(card, card) == "16,384 events"
    assert emphasis("Call `read()` now.", "Call read() now") == "read()"
    assert emphasis("Plain words here.", "Plain words here") == ""
    for time in ("14:30", "9:00 a.m.", "6 p.m.", "6am", "14:30–15:00"):
        text = f"It starts every day at {time}"
        assert emphasis(f"{text}.", text) == time
    assert emphasis("It is 16:9.", "It is 16:9") == ""
    assert headline("It starts at 6 a.m.") == "It starts at 6 a.m."
    assert (
        emphasis("It costs 12 minutes and a half.", "It costs 12 minutes and a half")
        == "12 minutes and a half"
    )
    for number in ("1.5 to 3 kg", "5 to 10 files", "9:00–17:00", "2 or 3 spoons", "30-day"):
        assert emphasis(f"It is {number}.", f"It is {number}") == number
    assert emphasis("Between 5 and 10 files.", "Between 5 and 10 files") == "5 and 10 files"
    assert emphasis("From 1939 to 1945 it slept.", "From 1939 to 1945 it slept") == "1939 to 1945"
    assert emphasis("In 1960 the metre moved.", "In 1960 the metre moved") == "1960"
    assert emphasis("It came with Python 3.11 then.", "It came with Python 3.11 then") == ""
    assert emphasis("Nobody has such a chain.", "Nobody has such a chain") == "a chain"
    assert emphasis("They lie closer than their names.", "They lie closer than their names") == "their names"


def test_a_pointer_into_its_own_sentence_leans_on_nothing() -> None:
    """What "this" means was said a clause before."""
    assert not points_back(
        "The standard names one folder for mail of all users, but nobody moves to this place."
    )
    assert points_back("A program that follows this rule, and only this one, wakes up early.")


def test_reading_on_a_day_is_no_pointer() -> None:
    """ "Read on for details" speaks of the page; a backup that is read on a bad day does not."""
    assert points_elsewhere("Read on for more details.")
    assert not points_elsewhere("A backup is written every night and read on the worst day of the year.")


def test_a_colon_divides_what_it_announces() -> None:
    """A speaker pauses there; the announcement has to be a sentence of its own."""
    text = (
        "Every nightly backup pays twice for its compressor: once in processor time while it is made, and "
        "once in disk space for as long as it is kept."
    )
    first, second = shorten(text)
    assert first == "Every nightly backup pays twice for its compressor."
    assert second.startswith("Once in processor time")
    assert shorten("In short: " + "very " * 26 + "long.") == []


def test_a_sentence_may_begin_with_a_small_name() -> None:
    """zstd and curl are written small; what only looks like an end is none."""
    text = "Both leave the same size. zstd is faster, incl. its start. The rest follows, approx. in order."
    assert [sentence.text for sentence in split_sentences(text)] == [
        "Both leave the same size.",
        "zstd is faster, incl. its start.",
        "The rest follows, approx. in order.",
    ]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("pyenv lets you switch between versions.", True),
        ("is set to a value that nobody knows.", False),
        ("and the rest of it was lost.", False),
        ("The file has lines of the form name value ...", False),
    ],
)
def test_the_end_of_a_sentence_is_none(text: str, whole: bool) -> None:
    """What begins with a small particle has its beginning elsewhere; a small name may begin a sentence."""
    assert is_sentence(text) is whole


def test_figures_come_from_cells_only() -> None:
    """A chart needs numbers of one unit in every cell; anything else stays a table."""
    figures = figures_of(["Files", "Time (ms)"], [["100", "0.4"], ["1,000", "4.2"]])
    assert figures is not None
    assert (figures.unit, figures.values) == ("ms", (0.4, 4.2))
    assert tell(figures) == ["With 100 files, the time is 0.4 ms.", "With 1,000, it is 4.2 ms."]
    assert figures_of(["Name", "Value"], [["a", "1"], ["b", "many"]]) is None
    assert figures_of(["Name", "Value"], [["a", "1 ms"], ["b", "2 s"]]) is None


def test_named_figures_are_told_by_their_ends() -> None:
    """The highest and the lowest are computed, not judged, and told in the order of the rows."""
    figures = figures_of(["Place", "Range (m)"], [["Fundy", "16.3"], ["Hamburg", "3.7"], ["Bristol", "12.3"]])
    assert figures is not None
    assert tell(figures) == ["The highest range is 16.3 m, for Fundy.", "The lowest is 3.7 m, for Hamburg."]


def test_figures_that_stand_beside_are_told_with_them() -> None:
    """A table of two measures is told by the ends of the first, with what the second says there."""
    columns = ["Tool", "Time (s)", "Size left (%)"]
    figures = every_figures(columns, [["a", "0.1", "30"], ["b", "7", "16"], ["c", "1", "22"]])
    assert tell(*figures) == [
        "The lowest time is 0.1 s, for a, with size left at 30 %.",
        "The highest is 7 s, for b, with size left at 16 %.",
    ]
    assert every_figures(columns, [["a", "0.1", "much"], ["b", "7", "16"]]) == []


def test_years_and_plurals_are_told_as_a_person_says_them() -> None:
    """A year is a time and no amount; a heading in the plural takes a plural verb."""
    years = figures_of(["Year", "Bicycles a day"], [["2019", "8,120"], ["2023", "16,210"]])
    places = figures_of(["Town", "Bicycles"], [["Halden", "9,000"], ["Moss", "700"]])
    amounts = figures_of(["Watches", "Errors"], [["10", "3"], ["90", "8"]])
    assert years is not None
    assert places is not None
    assert amounts is not None
    assert tell(years) == ["Bicycles a day went from 8,120 in 2019 to 16,210 in 2023."]
    peak = figures_of(["Year", "Share (%)"], [["2019", "8"], ["2021", "19"], ["2023", "16"]])
    assert peak is not None
    assert tell(peak) == ["The share went from 8 % in 2019 to 19 % in 2021, and then to 16 % in 2023."]
    assert tell(places) == [
        "The bicycles are highest for Halden, at 9,000.",
        "They are lowest for Moss, at 700.",
    ]
    assert tell(amounts) == ["With 10 watches, the errors are 3.", "With 90, they are 8."]


def test_an_amount_stands_out_with_its_unit() -> None:
    """A number alone says little: its unit stands out with it, a preposition does not."""
    card = "The tunnel cost 118 million euros for 900 metres"
    assert emphasis(card, card) == "118 million euros"
    card = "With zstd at level 3 they need 659 gigabytes"
    assert emphasis(card, card) == "659 gigabytes"
    assert emphasis("It fell from 214 in a year.", "It fell from 214 in a year") == "214"


def test_what_a_statement_is_true_of_is_shown_with_it() -> None:
    """ "With gzip ... each night costs 55 minutes" is no statement about every night."""
    sentence = "With gzip the copies need 668 gigabytes, and each night costs 55 minutes of processor time."
    assert strongest_clause(sentence) == sentence.rstrip(".")


def test_a_time_of_day_ends_a_sentence_where_one_begins() -> None:
    """ "6 a.m. The" are two sentences, "6 a.m. Monday" and "6 a.m. UTC" are one."""
    text = "It starts at 6 a.m. The next one is at 7 p.m. Monday. It ends at 8 a.m. UTC."
    assert [each.text for each in split_sentences(text)] == [
        "It starts at 6 a.m.",
        "The next one is at 7 p.m. Monday.",
        "It ends at 8 a.m. UTC.",
    ]


def test_the_sources_card_keeps_the_mark_of_a_question() -> None:
    """A heading is quoted as it stands; after its mark there is no comma."""
    assert (
        _listed("What does a swarm look like?", "lines 60–67") == "What does a swarm look like? Lines 60–67"
    )
    assert _listed("In short", "line 11") == "In short, line 11"
