"""Numbers, years, versions and measures in English words."""

from __future__ import annotations

import re

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
IRREGULAR = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
MONTHS = ("January February March April May June July August September October November December").split()
UNITS = {
    "ns": "nanosecond", "µs": "microsecond", "μs": "microsecond", "us": "microsecond", "ms": "millisecond",
    "s": "second", "sec": "second", "min": "minute", "h": "hour", "hr": "hour", "d": "day", "B": "byte",
    "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte",
    "PB": "petabyte", "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte", "TiB": "tebibyte",
    "Kbit": "kilobit", "Mbit": "megabit", "Gbit": "gigabit", "Mbps": "megabit per second",
    "Gbps": "gigabit per second", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "mm": "millimeter", "cm": "centimeter", "m": "meter", "km": "kilometer",
    "g": "gram", "kg": "kilogram", "t": "ton", "l": "liter", "L": "liter", "ml": "milliliter", "V": "volt",
    "A": "ampere", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "Wh": "watt-hour",
    "kWh": "kilowatt-hour", "MWh": "megawatt-hour", "mAh": "milliamp-hour", "°C": "degree Celsius",
    "°F": "degree Fahrenheit", "K": "kelvin", "Pa": "pascal", "hPa": "hectopascal", "dB": "decibel",
    "px": "pixel", "fps": "frame per second", "rpm": "revolution per minute", "%": "percent", "x": "times",
    "×": "times", "km/h": "kilometer per hour", "m/s": "meter per second", "MB/s": "megabyte per second",
    "GB/s": "gigabyte per second", "req/s": "request per second", "ha": "hectare",
    "km²": "square kilometer", "m²": "square meter", "m³": "cubic meter",
    "tbsp": "tablespoon", "tsp": "teaspoon", "cl": "centiliter", "dl": "deciliter", "oz": "ounce",
    "lb": "pound", "kcal": "kilocalorie",
}  # fmt: skip
VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
DENOMINATORS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth"}
UNCHANGED = {"percent", "times", "hertz", "kilohertz", "megahertz", "gigahertz", "kelvin"}


def cardinal(value: int) -> str:
    """A whole number in words: 16384 is "sixteen thousand three hundred eighty-four"."""
    if value < 0:
        return f"minus {cardinal(-value)}"
    if value < 20:
        return ONES[value]
    if value < 100:
        tens, ones = divmod(value, 10)
        return TENS[tens] + (f"-{ONES[ones]}" if ones else "")
    for size, name in SCALES:
        if value >= size:
            count, rest = divmod(value, size)
            return f"{cardinal(count)} {name}" + (f" {cardinal(rest)}" if rest else "")
    raise AssertionError(value)


def ordinal(value: int) -> str:
    """21 is "twenty-first"."""
    head, joint, last = re.fullmatch(r"(?:(.*)([ -]))?([a-z]+)", cardinal(value)).groups("")  # type: ignore[union-attr]
    ending = IRREGULAR.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head}{joint}{ending}"


def year(value: int) -> str:
    """2005 is "two thousand five", 1998 is "nineteen ninety-eight"."""
    century, rest = divmod(value, 100)
    if 2000 <= value < 2010 or (rest == 0 and century % 10 == 0):
        return cardinal(value)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {cardinal(rest) if rest > 9 else 'oh ' + ONES[rest]}"


def fraction(text: str) -> str:
    """ "1/3" is "one third", "2½" is "two and a half"; empty for what is no fraction of everyday life."""
    if match := re.fullmatch(r"(\d*)\s?([½⅓⅔¼¾⅕⅛])", text):
        whole, part = match[1], VULGAR[match[2]]
    elif re.fullmatch(r"\d{1,2}/\d{1,2}", text):
        whole, part = "", text
    else:
        return ""
    top, bottom = (int(number) for number in part.split("/"))
    if not 0 < top < bottom or bottom not in DENOMINATORS:
        return ""
    said = f"{cardinal(top)} {DENOMINATORS[bottom]}{'s' if top > 1 else ''}"
    if not whole:
        return said
    return f"{cardinal(int(whole))} and {re.sub('^one', 'a', said)}"


def decimal(text: str) -> str:
    """ "0.25" is "zero point two five"; a comma groups thousands."""
    whole, _, fraction = text.replace(",", "").replace("\u202f", "").replace("_", "").partition(".")
    words = cardinal(int(whole or "0"))
    return words + (" point " + " ".join(ONES[int(digit)] for digit in fraction) if fraction else "")


def version(text: str) -> str:
    """ "2.6.13" is "two point six point thirteen", "24.04" is "twenty-four point oh four"."""
    parts = text.split(".")
    return " point ".join(
        f"{'oh ' * (len(part) > 1 and part[0] == '0')}{cardinal(int(part))}" for part in parts
    )


def is_unit(text: str) -> bool:
    """Whether a text is a unit of measure, such as "ms" or "MiB/s"."""
    return text in UNITS or (text.endswith("/s") and text[:-2] in UNITS)


def measure(unit: str, amount: str) -> str:
    """The unit as it is said after that amount: "ms" after "4" is "milliseconds"."""
    name = UNITS[unit] if unit in UNITS else f"{UNITS[unit[:-2]]} per second"
    if amount.replace(",", "") == "1" or name in UNCHANGED:
        return name
    if name.startswith("degree"):
        return name.replace("degree", "degrees")
    head, per, tail = name.partition(" per ")
    return f"{head}s{per}{tail}"
