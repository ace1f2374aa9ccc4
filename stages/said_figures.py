"""A word with digits in it: which of a date, a version, an amount, a range it is, and how that is said."""

from __future__ import annotations

import re
from collections.abc import Callable

from stages.clock import say_time
from stages.said_numbers import MONTHS, cardinal, decimal, fraction, is_unit, measure, ordinal, version, year

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
MONEY = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
PREFIX = {
    "~": "about ", "≈": "about ",
    "<": "less than ", ">": "more than ", "≤": "at most ", "≥": "at least ", "+": "plus ",
    "±": "plus or minus ", "-": "minus ", "−": "minus ",
}  # fmt: skip


def say_figure(core: str, before: str, after: str) -> str:
    """The word as it is said between its neighbours; empty if it is nothing that is known."""
    return next((said for read in FIGURES if (said := read(core, before, after))), "")


def _amount(match: re.Match[str]) -> str:
    sign, money, number, scale = match.groups("")
    words = PREFIX.get(sign, "") + decimal(number)
    if money and (cents := re.fullmatch(r"(.*)\.(\d\d)", number)) and not scale and money != "¥":
        return f"{PREFIX.get(sign, '')}{decimal(cents[1])} {MONEY[money]}s {cardinal(int(cents[2]))}"
    words += {"k": " thousand", "M": " million", "m": " million", "bn": " billion"}.get(scale, "")
    if money:
        words += f" {MONEY[money]}" + ("" if number == "1" or money == "¥" else "s")
    return words


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


def _day(core: str, before: str, after: str) -> str:
    """A day beside its month: "the fifteenth of" June, June "fifteenth"."""
    match = re.fullmatch(r"(?:(\d{1,2})[–-])?(\d{1,2})", core)
    if not match or not 1 <= int(match[2]) <= 31:
        return ""
    days = [ordinal(int(day)) for day in match.groups() if day]
    if after in MONTHS:
        return " to ".join(("" if before.lower() == "the" else "the ") + day for day in days) + " of"
    ends = not after or re.fullmatch(r"[12]\d{3}", after)
    return " to ".join(days) if before in MONTHS and ends else ""


def _fraction(core: str, before: str, after: str) -> str:
    return fraction(core)


def _ordinal(core: str, before: str, after: str) -> str:
    match = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", core)
    return ordinal(int(match[1])) if match else ""


def _digits(core: str, before: str, after: str) -> str:
    """A number that begins with zeros is a name: type "00"."""
    return " ".join(cardinal(int(digit)) for digit in core) if re.fullmatch(r"0\d+", core) else ""


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
    _date, _day, _fraction, _version, _year, _ordinal, _digits, _number, _range, _measured, _hyphenated, _clock,
)  # fmt: skip
"""What a word with digits may be, in the order of trying; each answers "" if it is something else."""
