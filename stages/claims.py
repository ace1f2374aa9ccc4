"""Whether a sentence says no more than the research items it names: figures, names, code, denials, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from stages.announced import asks
from stages.items import Item
from stages.said_numbers import cardinal
from stages.sentences import MAX_WORDS, count_words

ENOUGH = 0.6
"""The share of a sentence's telling words that its items must have."""
FREE = 12
"""Words that a sentence without an item may have: it greets, leads over or asks."""
CODE = re.compile(r"`([^`]+)`|\b(\w*[a-z]\w*_\w+|[A-Z]{2,}_[A-Z_]+|\w+\(\)|/[\w./-]+|--?[a-z][\w-]+)")
DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
DENIES = re.compile(r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot)\b|n['’]t\b", re.I)
NAME = re.compile(r"(?<=[\w,;:] )[A-Z][\w’'-]*[a-z]\w*")
COMMON = set(
    "a about after again all along already also although always among an and another any anybody are "
    "around as ask asks at away back be because become becomes been before begin begins being best "
    "better between both but by call called can come comes could did do does doing done down during "
    "each either else end enough even ever every everything few find first follow follows for from "
    "get gets give gives go goes good had happen happens has have having he her here him his how "
    "however if in instead into is it its itself just keep keeps know large last later least less let "
    "lets like little long look looks lot made make makes many may me mean means might minute minutes "
    "more most much must need needs new next no not nothing now of off often on once one only open or "
    "other others our out over own part parts people place point points put question rather really "
    "reason right said same say says screen second see seen set several shall she short should show "
    "shows simple since small so some somebody something soon source sources start starts step steps "
    "still story such sum take takes tell tells than that the their them then there these they thing "
    "things think this those three through time to today together too two under until up us use used "
    "uses using very video want wants was watch way we well were what when where whether which while "
    "who whole whose why will with within without word words work works would yet you your".split()
)
SMALL = {word: number for number in range(2, 21) for word in [cardinal(number)]} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000,
    "half": 2, "twice": 2, "double": 2, "triple": 3, "dozen": 12, "quarter": 4, "percent": -1,
}  # fmt: skip


def fault_of(text: str, items: Sequence[Item], everything: str) -> str:
    """What a sentence says beyond its items, in words for its writer; empty if nothing.

    ``everything`` is all that the sources and the plan say: a sentence without items may use its words.
    """
    if count_words(text) > MAX_WORDS:
        return f"it has {count_words(text)} words; at most {MAX_WORDS} can be followed"
    return next(_claimed(text, items, everything) if items else _free(text, everything), "")


def _claimed(text: str, items: Sequence[Item], everything: str) -> Iterator[str]:
    """What is wrong with a sentence that names items."""
    known, named = " ".join(text_of(item) for item in items), _named(items)
    if strange := _strange_number(text, known):
        yield f"{strange!r} is not a number of {named}"
    for first, second in CODE.findall(text):
        if (first or second).strip("()") not in known.replace("`", ""):
            yield f"{first or second!r} does not occur in {named}"
    for name in NAME.findall(text):
        if not _has(everything, name):
            yield f"the name {name!r} occurs in no source"
    denies, denied = bool(DENIES.search(text)), bool(DENIES.search(known))
    if denies and not denied:
        yield f"it denies what {named} says"
    if denied and not denies and len(items) == 1 and items[0].kind in ("fact", "number", "quote"):
        yield f"it leaves out the denial in {named}"
    if all(asks(item.text) for item in items) and not asks(text):
        yield f"{named} only asks: it claims nothing"
    words = telling(text)
    shared = words & telling(known)
    if words and len(shared) < ENOUGH * len(words):
        yield f"too little of it stands in {named}: {', '.join(sorted(words - shared)[:6])}"


def text_of(item: Item) -> str:
    """All that an item says."""
    cells = [cell for row in item.rows for cell in row]
    return " ".join([item.text, item.section, *item.parts, *item.columns, *cells])


def _free(text: str, everything: str) -> Iterator[str]:
    """What is wrong with a sentence without an item: it claims nothing, so it is short, without figures and code."""
    if count_words(text) > FREE:
        yield f"it names no item and has more than {FREE} words: whatever claims something names its item"
    if DIGITS.search(text) or CODE.search(text) or _words(text) & (SMALL.keys() - {"two", "three"}):
        yield "it names no item but holds a figure or code"
    for strange in sorted(telling(text) - telling(everything)):
        yield f"it names no item, and no source speaks of {strange!r}"


def _strange_number(text: str, known: str) -> str:
    """The first number of a text, in digits or words, that is not among the known ones."""
    digits = {_plain(number) for number in DIGITS.findall(known)}
    values = digits | {str(SMALL[word]) for word in _words(known) if word in SMALL}
    for number in map(str, DIGITS.findall(text)):
        if _plain(number) not in values:
            return number
    said = _words(known)
    percent = "%" in known or "percent" in said
    for word in sorted(_words(text) & SMALL.keys()):
        if word == "percent":
            if not percent:
                return word
        elif word not in said and str(SMALL[word]) not in values:
            return word
    return ""


def _plain(number: str) -> str:
    return re.sub(r"\.0+$", "", number.replace(",", "").rstrip("."))


def telling(text: str) -> set[str]:
    """The stems of the words that carry meaning."""
    return {
        _stem(word) for word in _words(text) if len(word) > 2 and word not in COMMON and word not in SMALL
    }


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", text.lower()))


@cache
def _stem(word: str) -> str:
    return (
        re.sub(r"(?:ations?|ing|edly|ed|ies|ers?|es|ly|s|e|y)$", "", word)
        if len(word) > 4
        else word.rstrip("s")
    )


def _has(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(name.rstrip('’s').rstrip(chr(39)))}", text, re.I))


def _named(items: Iterable[Item]) -> str:
    return " and ".join(f"[{item.id}]" for item in items)
