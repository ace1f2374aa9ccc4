"""Written words are said as a person says them, and stay written in the captions."""

from __future__ import annotations

import pytest

from stages.said_numbers import cardinal, ordinal, year
from stages.spoken import narration, say, shown


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It holds 16,384 events.", "It holds sixteen thousand three hundred eighty-four events."),
        ("Since Linux 5.11 it grew.", "Since Linux five point eleven it grew."),
        ("It takes 5.11 seconds.", "It takes five point one one seconds."),
        ("Linux 2.6.13 has it.", "Linux two point six point thirteen has it."),
        ("It came in 2005.", "It came in two thousand five."),
        ("It came in August 1998.", "It came in August nineteen ninety-eight."),
        ("There are 1998 files.", "There are one thousand nine hundred ninety-eight files."),
        ("The 1990s ended.", "The nineteen nineties ended."),
        ("It took 0.4 ms.", "It took zero point four milliseconds."),
        ("It took 1 ms.", "It took one millisecond."),
        ("It took 3–5 ms.", "It took three to five milliseconds."),
        ("About 10 % of 4 KiB.", "About ten percent of four kibibytes."),
        ("It costs $5.50.", "It costs five dollars fifty."),
        ("A 64-bit machine.", "A sixty-four-bit machine."),
        ("The 2nd place.", "The second place."),
        ("On 2024-05-17.", "On May seventeenth, twenty twenty-four."),
        ("Set `IN_CLOSE_WRITE`.", "Set in close write."),
        ("Call `read()` first.", "Call read first."),
        ("In `/proc/sys/fs`.", "In slash prock slash sis slash FS."),
        ("Run `spork run --approve-all`.", "Run spork run dash dash approve all."),
        ("Cats, e.g. lions.", "Cats, for example lions."),
        ("One – two.", "One, two."),
        ("It has a value ... The rest follows.", "It has a value. The rest follows."),
        ("Say {nginx|engine x} now.", "Say engine x now."),
        ("From 14:30 to 6 a.m., or 9:05.", "From fourteen thirty to six A M, or nine oh five."),
        ("It opens at 9:00 and ends at 6 p.m.", "It opens at nine o'clock and ends at six P M."),
        ("Closed 14:00–15:30, then 7pm.", "Closed fourteen hundred to fifteen thirty, then seven P M."),
        ("The answer is no.", "The answer is no."),
        ("See no. 7, names, etc.", "See number seven, names, and so on."),
        ("Great 🎉 news ✅.", "Great news."),
        ("Take 1/3 of it, ½ g, or 1½ h.", "Take one third of it, one half gram, or one and a half hours."),
        (
            "Due 15 June, from 28–30 May.",
            "Due the fifteenth of June, from the twenty-eighth to the thirtieth of May.",
        ),
        ("It was 22 June 1799.", "It was the twenty-second of June seventeen ninety-nine."),
        ("Of 3, May took 1 and 30 may fail.", "Of three, May took one and thirty may fail."),
        ("Signed May 20, 1875.", "Signed May twentieth, eighteen seventy-five."),
        (
            "Heat to 250 °C (480 °F) now.",
            "Heat to two hundred fifty degrees Celsius, four hundred eighty degrees Fahrenheit, now.",
        ),
        ("It (slowly, that is) grows, see read() (above).", "It, slowly, that is, grows, see read, above."),
        ("Flour, type 00, on Ubuntu 24.04.", "Flour, type zero zero, on Ubuntu twenty-four point oh four."),
        (
            "The Python version is 3.11, the ratio is 3.11.",
            "The Python version is three point eleven, the ratio is three point one one.",
        ),
        ("Add 2 tbsp.", "Add two tablespoons."),
    ],
)
def test_spoken_form(written: str, spoken: str) -> None:
    """Numbers, versions, units, dates, code and signs."""
    assert narration(say(written)) == spoken


def test_captions_show_what_is_written() -> None:
    """Each shown word knows the words that say it, so that captions keep the numerals."""
    said = say("`inotify_init1()` needs 4,096 bytes.")
    assert [word.written for word in said] == ["inotify_init1()", "needs", "4,096", "bytes."]
    assert said[2].words == ("four", "thousand", "ninety-six")
    assert shown("Use `git commit -m x`.") == "Use git commit -m x."


def test_every_shown_word_is_said() -> None:
    """No word of the captions is without a time."""
    text = "— Well: `a | b` (see x) … 100 % “sure” & 3 × 4 = 12!"
    assert all(word.words for word in say(text))


@pytest.mark.parametrize("value", [0, 7, 13, 20, 21, 99, 100, 101, 999, 1000, 1_000_000, 12_345_678])
def test_cardinals_are_words(value: int) -> None:
    """No digit is left in a number that is said."""
    assert not any(character.isdigit() for character in cardinal(value) + ordinal(value))


def test_years() -> None:
    """Years have their own way of being said."""
    assert year(1905) == "nineteen oh five"
    assert year(1900) == "nineteen hundred"
    assert year(2026) == "twenty twenty-six"
