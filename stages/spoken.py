"""The spoken form: captions show each word as it is written, the voice says it as a person does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.clock import say_time
from stages.said_code import UNSAYABLE, say_code
from stages.said_numbers import MONTHS, cardinal, decimal, is_unit, measure, ordinal, version, year

CHUNK = re.compile(r"\{[^{}|]+\|[^{}|]+\}[)\]\"”’'.,;:!?…]*|(?:[^\s`{]|`[^`]*`|\{(?![^{}|]+\|))+|\S")
EDGES = re.compile(r"^([(\[\"“‘'«]*)(.*?)([)\]\"”’'».,;:!?…]*)$", re.S)
NUMBER = r"\d{1,3}(?:[,\u202f_]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
AMOUNT = re.compile(rf"^([~≈<>≤≥+±\-−]?)([$€£¥]?)({NUMBER})(k|M|bn|m(?=$))?$")
WITH_UNIT = re.compile(rf"^([~≈<>≤≥+±\-−]?)({NUMBER})([a-zA-Zµμ°%×²³/]+)$")
RANGE = re.compile(rf"^({NUMBER})[–—-]({NUMBER})(\D*)$")
VERSION = re.compile(r"^[vV]?(\d+(?:\.\d+){2,}|(?<=[vV])\d+(?:\.\d+)*)$")
SHORT_VERSION = re.compile(r"^\d+\.\d+$")
HYPHENATED = re.compile(r"^(\d[\d,.]*)-([a-zA-Z]+(?:-[a-z]+)*)$")
DATE = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$")
VERSIONED = {
    "version", "versions", "release", "linux", "kernel", "python", "debian", "ubuntu", "node", "java",
    "go", "rust", "postgresql", "postgres", "sqlite", "gcc", "glibc", "http", "tls", "php", "ruby", "usb",
    "bluetooth", "systemd", "kubernetes", "docker", "windows", "macos", "android", "ios", "django", "c++",
    "v",
}  # fmt: skip
BEFORE_YEAR = {
    "in", "since", "from", "until", "till", "by", "of", "before", "after", "during", "around", "early",
    "late", "year", "spring", "summer", "autumn", "fall", "winter", "to", "and", "between",
    *(month.lower() for month in MONTHS),
}  # fmt: skip
SIGNS = {
    "&": "and", "+": "plus", "=": "equals", "→": "to", "->": "to", "=>": "to", "≥": "at least",
    "≤": "at most", ">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "≈": "about",
    "~": "about", "±": "plus or minus", "×": "times", "%": "percent", "−": "minus", "/": "or",
    "*": "times", "§": "section", "№": "number", "°": "degrees",
}  # fmt: skip
SPELLED_OUT = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "and so on", "vs.": "versus", "vs": "versus",
    "cf.": "compare", "approx.": "approximately", "w/": "with", "w/o": "without", "no.": "number",
    "fig.": "figure", "and/or": "and or", "dr.": "doctor", "mr.": "mister", "mrs.": "missus",
    "st.": "saint", "a.m.": "A M", "p.m.": "P M", "u.s.": "U S",
}  # fmt: skip
MONEY = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
PREFIX = {
    "~": "about ", "≈": "about ",
    "<": "less than ", ">": "more than ", "≤": "at most ", "≥": "at least ", "+": "plus ",
    "±": "plus or minus ", "-": "minus ", "−": "minus ",
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One word as it is shown, and the words that say it."""

    written: str
    words: tuple[str, ...]


def say(text: str) -> tuple[Said, ...]:
    """Every written word of a text with the words that say it.

    Back quotes mark code and are not shown; ``{shown|said}`` gives a pronunciation by hand.
    """
    chunks = [chunk for match in CHUNK.finditer(_sayable(text)) for chunk in _pieces(match[0])]
    said: list[Said] = []
    for place, chunk in enumerate(chunks):
        written, spoken = _say_chunk(chunk, chunks, place)
        if not re.search(r"\w", spoken):
            said = _attach(said, written)
        else:
            said.append(Said(written, tuple(spoken.split())))
    return tuple(said)


def narration(said: Sequence[Said]) -> str:
    """The words that the voice is given."""
    return " ".join(word for word_group in said for word in word_group.words)


def shown(text: str) -> str:
    """The text as captions and cards show it."""
    return " ".join(word.written for word in say(text))


def _sayable(text: str) -> str:
    """The text without emoji and the like, and without the gaps they leave."""
    return re.sub(r"(?<=\w)\s+(?=[.,;!?](?:\s|$))", "", UNSAYABLE.sub("", text))


def _pieces(chunk: str) -> list[str]:
    """A chunk as its words: code with spaces in it is several."""
    if "`" not in chunk or " " not in chunk:
        return [chunk]
    words = chunk.split(" ")
    opened = False
    pieces: list[str] = []
    for word in words:
        before = opened
        opened ^= word.count("`") % 2 == 1
        pieces.append(("`" if before else "") + word + ("`" if opened else ""))
    return [piece for piece in pieces if piece.strip("`")]


def _attach(said: list[Said], sign: str) -> list[Said]:
    """A lone sign (a dash, dots) belongs to the word before it, and is heard as a pause."""
    if not said:
        return said
    last = said[-1]
    words = last.words
    if words[-1][-1].isalnum() and (sign in "–—-" or sign[-1] in ".!?…"):
        words = (*words[:-1], words[-1] + ("," if sign in "–—-" else "."))
    return [*said[:-1], Said(f"{last.written} {sign}", words)]


def _say_chunk(chunk: str, chunks: Sequence[str], place: int) -> tuple[str, str]:
    if by_hand := re.fullmatch(r"\{([^|]+)\|([^|]+)\}(.*)", chunk):
        return by_hand[1] + by_hand[3], by_hand[2] + re.sub(r"[^.,;:!?]", "", by_hand[3])
    written = chunk.replace("`", "")
    _, core, closing = EDGES.match(chunk).groups()  # type: ignore[union-attr]
    last = place + 1 == len(chunks)
    if (whole := spelled_out(chunk, core, closing, "" if last else chunks[place + 1])) is not None:
        return written, whole
    if core.endswith("'s") and "`" in core:
        core, closing = core[:-2], "'s" + closing
    heard = "".join(sign for sign in closing if sign in ".,;:!?" or closing.startswith("'s"))
    if not core:
        return written, ""
    before = EDGES.sub(r"\2", chunks[place - 1]).strip("`") if place else ""
    after = EDGES.sub(r"\2", chunks[place + 1]).strip("`") if place + 1 < len(chunks) else ""
    spoken = say_code(core.replace("`", "")) if "`" in core else _say_core(core, before, after)
    heard = re.sub(r"(?<=[.!?…])[.,;:]+|…", "", heard)
    return written, spoken + heard if spoken else ""


def spelled_out(chunk: str, core: str, closing: str, after: str) -> str | None:
    """What an abbreviation stands for, with the pause that follows it; None if the chunk is none.

    Its own stop ends the sentence where nothing comes ``after`` it.
    """
    if chunk.lower() in SPELLED_OUT:
        said, closing = SPELLED_OUT[chunk.lower()], "." if chunk.endswith(".") and not after else ""
    elif closing.startswith(".") and f"{core.lower()}." in SPELLED_OUT:
        said, closing = SPELLED_OUT[f"{core.lower()}."], re.sub(r"[^,;:!?]", "", closing)
    else:
        return None
    # "The answer is no." is a word, and so is whatever is not followed by a figure.
    number = core.lower() in ("no", "fig")
    return None if number and not re.match(r"\W*\d", after) else said + (closing or ("" if after else "."))


def _say_core(core: str, before: str, after: str) -> str:
    """One word without the punctuation around it."""
    if core in SIGNS:
        said = SIGNS[core]
    elif core.lower() in SPELLED_OUT:
        said = SPELLED_OUT[core.lower()]
    elif is_unit(core) and re.fullmatch(rf"[~≈<>≤≥$€£]*(?:{NUMBER}[–-])?(?:{NUMBER})", before):
        said = measure(core, before.lstrip("~≈<>≤≥"))
    elif any(character.isdigit() for character in core):
        said = next((said for read in FIGURES if (said := read(core, before, after))), "") or say_code(core)
    elif re.fullmatch(r"[A-Za-z]+(?:/[A-Za-z]+)+", core):
        said = " ".join(_say_core(part, "", "") for part in core.split("/"))
    else:
        said = say_code(core, plain=not NAME_OF_CODE.search(core))
    return said


NAME_OF_CODE = re.compile(r"[_/\\@#<>=|~^*]|\w\.\w|\(\)|::|^-|[a-z][A-Z]")


def _date(core: str, before: str, after: str) -> str:
    match = DATE.match(core)
    if not match or not 1 <= int(match[2]) <= 12 or not 1 <= int(match[3]) <= 31:
        return ""
    return f"{MONTHS[int(match[2]) - 1]} {ordinal(int(match[3]))}, {year(int(match[1]))}"


def _version(core: str, before: str, after: str) -> str:
    if match := VERSION.match(core):
        return ("version " if core[0] in "vV" and before.lower() != "version" else "") + version(match[1])
    return version(core) if SHORT_VERSION.match(core) and before.lower() in VERSIONED else ""


def _year(core: str, before: str, after: str) -> str:
    if match := re.fullmatch(r"(1[1-9]\d|20\d)0s", core):
        decade = year(int(match[1] + "0"))
        return re.sub(r"y$", "ies", decade) if decade.endswith("y") else f"{decade}s"
    plain = re.fullmatch(r"1[1-9]\d\d|20\d\d", core) and before.lower() in BEFORE_YEAR
    return year(int(core)) if plain and not is_unit(after) else ""


def _ordinal(core: str, before: str, after: str) -> str:
    match = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", core)
    return ordinal(int(match[1])) if match else ""


def _number(core: str, before: str, after: str) -> str:
    match = AMOUNT.match(core)
    return _amount(match) if match else ""


def _range(core: str, before: str, after: str) -> str:
    match = RANGE.match(core)
    if not match:
        return ""
    years = before.lower() in BEFORE_YEAR and re.fullmatch(r"[12]\d{3}", match[1])
    ends = [year(int(end)) if years and len(end) == 4 else decimal(end) for end in (match[1], match[2])]
    return " to ".join(ends) + (f" {measure(match[3], match[2])}" if is_unit(match[3]) else "")


def _measured(core: str, before: str, after: str) -> str:
    match = WITH_UNIT.match(core)
    if not match or not is_unit(match[3]):
        return ""
    return f"{PREFIX.get(match[1], '')}{decimal(match[2])} {measure(match[3], match[2])}"


def _hyphenated(core: str, before: str, after: str) -> str:
    match = HYPHENATED.match(core)
    if not match:
        return ""
    joint = "-" if match[1].replace(",", "").isdigit() else " "
    return f"{decimal(match[1].rstrip('.,'))}{joint}{match[2]}"


def _clock(core: str, before: str, after: str) -> str:
    return say_time(core, after)


FIGURES: tuple[Callable[[str, str, str], str], ...] = (
    _date, _version, _year, _ordinal, _number, _range, _measured, _hyphenated, _clock,
)  # fmt: skip
"""What a word with digits may be, in the order of trying; each answers "" if it is something else."""


def _amount(match: re.Match[str]) -> str:
    sign, money, number, scale = match.groups("")
    words = PREFIX.get(sign, "") + decimal(number)
    if money and (cents := re.fullmatch(r"(.*)\.(\d\d)", number)) and not scale and money != "¥":
        return f"{PREFIX.get(sign, '')}{decimal(cents[1])} {MONEY[money]}s {cardinal(int(cents[2]))}"
    words += {"k": " thousand", "M": " million", "m": " million", "bn": " billion"}.get(scale, "")
    if money:
        words += f" {MONEY[money]}" + ("" if number == "1" or money == "¥" else "s")
    return words
