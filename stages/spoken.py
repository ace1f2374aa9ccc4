"""The spoken form: captions show each word as it is written, the voice says it as a person does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stages.said_code import UNSAYABLE, say_code
from stages.said_figures import NUMBER, VERSIONED, say_figure
from stages.said_numbers import MONTHS, fraction, is_unit, measure

CHUNK = re.compile(r"\{[^{}|]+\|[^{}|]+\}[)\]\"”’'.,;:!?…]*|(?:[^\s`{]|`[^`]*`|\{(?![^{}|]+\|))+|\S")
EDGES = re.compile(r"^([(\[\"“‘'«]*)(.*?)([)\]\"”’'».,;:!?…]*)$", re.S)
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
    aside = 0
    for place, chunk in enumerate(chunks):
        written, spoken = _say_chunk(chunk, chunks, place)
        opens = re.match(r"[\"“‘'«]*\(", chunk)
        if said and opens and not aside:
            said[-1] = _paused(said[-1])
        if not re.search(r"\w", spoken):
            said = _attach(said, written)
        else:
            said.append(Said(written, tuple(spoken.split())))
        within = aside or opens
        aside = max(aside + chunk.count("(") - chunk.count(")"), 0) if within else 0
        if said and within and not aside and place + 1 < len(chunks):
            said[-1] = _paused(said[-1])
    return tuple(said)


def _paused(word: Said) -> Said:
    """The word with a pause after it: a bracket is heard as one."""
    last = word.words[-1]
    return Said(word.written, (*word.words[:-1], f"{last}," if last[-1].isalnum() else last))


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
    core = core.removesuffix("(")
    if not core:
        return written, ""
    before = EDGES.sub(r"\2", chunks[place - 1]).strip("`") if place else ""
    earlier = chunks[place - 2] if place > 1 else ""
    if (before in ("is", "was") and earlier.lower() in VERSIONED) or (
        re.fullmatch(r"\d{1,2},", chunks[place - 1]) and earlier in MONTHS
    ):
        before = earlier  # "version is 3.11", "May 20, 1875"
    after = EDGES.sub(r"\2", chunks[place + 1]).strip("`") if place + 1 < len(chunks) else ""
    # What stands behind a comma belongs to something else: "3, May 1" is no third of May.
    spoken = (
        say_code(core.replace("`", "")) if "`" in core else _say_core(core, before, "" if heard else after)
    )
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
    elif is_unit(core) and fraction(before):
        # "half gram", but "one and a half hours".
        said = measure(core, "2" if before[0].isdigit() and len(before) == 2 else "1")
    elif any(character.isnumeric() for character in core):
        said = say_figure(core, before, after) or say_code(core)
    elif re.fullmatch(r"[A-Za-z]+(?:/[A-Za-z]+)+", core):
        said = " ".join(_say_core(part, "", "") for part in core.split("/"))
    else:
        said = say_code(core, plain=not NAME_OF_CODE.search(core))
    return said


NAME_OF_CODE = re.compile(r"[_/\\@#<>=|~^*]|\w\.\w|\(\)|::|^-|[a-z][A-Z]")
