"""What a rejection asks for that can be done without a language model, and what cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.contract import StageError

SHORTER, LONGER = 0.8, 1.25
KINDS = {
    "code": "code",
    "table": "table",
    "chart": "table",
    "number": "number",
    "figure": "number",
    "list": "list",
    "quote": "quote",
    "quotation": "quote",
    "step": "steps",
    **dict.fromkeys(("recap", "summary", "conclusion", "close", "closing", "wrap-up"), "recap"),
}
"""The kinds of items, and the part that says it once more, by the words that people use for them."""

LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*-?\s*(seconds?|secs?|s\b|minutes?|mins?|m\b)", re.I)
SHORT = re.compile(r"\b(shorter|too long|shorten|tighten|cut it|condense|less long|trim)\b", re.I)
LONG = re.compile(r"\b(longer|too short|lengthen|more detail)\b", re.I)
WITHOUT = re.compile(
    r"\b(?:leave out|leave away|drop|remove|skip|omit|without|delete|exclude|cut|don'?t (?:mention|say|"
    r"show|use|talk about)|"
    r"do not (?:mention|say|show|use|talk about)|no more|no|less|fewer)\s+(?:the\s+|any\s+|all\s+|"
    r"of\s+)*(?P<what>.+)",
    re.I,
)
WITH = re.compile(
    r"\b(?:more (?:about|on|of)|add|include|mention|focus on|emphasi[sz]e|cover|talk about|explain|keep|"
    r"start with|show)\s+"
    r"(?:the\s+|something (?:about|on)\s+|a bit (?:about|on)\s+)*(?P<what>.+)",
    re.I,
)
BAD = re.compile(r"^(?:item )?\[?(?P<what>f\d{3,})\]?(?: is)?(?: wrong| false| bad| boring| out)?$", re.I)
ABOUT = re.compile(r"\b(?:mention|about|says?|claim|number)\b", re.I)
PLAIN = re.compile(
    r"\b(simpler|simple|easier|plain(er)?|less technical|less jargon|shorter sentences)\b", re.I
)
CLAUSES = re.compile(r"([.;:!?\n]+(?=\s|$)|,(?=\s)|\s+(?:and|but|then)\s+)", re.I)
"""Between two wishes; what is between is kept, since "the table and the list" is one verb's two objects."""
VERB = re.compile(
    r"^(?:please\s+)?(?:make|use|be|it|let|give|change|put|do|try|this|that|we|you|i|the (?:tone|pace|voice|style))\b",
    re.I,
)
OBJECT_WORDS = 6
POLITE = re.compile(r"^(?:please|thanks|thank you|thx|ok|okay|also|then|too|again)$", re.I)
IGNORED = set("the and for with that this about from are was its you how what".split())


@dataclass(frozen=True)
class Wish:
    """One thing the notes ask for."""

    text: str
    kind: str
    """length, shorter, longer, without, with, plain, or unknown."""
    what: str = ""
    earlier: bool = False
    """Whether an earlier rejection asked for it."""

    @property
    def names_something(self) -> bool:
        return bool(_stems(self.what))

    @property
    def words(self) -> bool:
        """Whether it names its subject in words, and no item or kind of item."""
        return not re.fullmatch(r"f\d{3,}", self.what) and self.what not in KINDS.values()


@dataclass(frozen=True)
class Feedback:
    """The notes of a rejection, understood clause by clause."""

    wishes: tuple[Wish, ...] = ()

    def minutes(self, asked: float, last: float | None = None) -> float:
        """The length that the notes leave of the one that was asked, or of the ``last`` attempt's.

        What an earlier rejection made shorter or longer stays as it is.
        """
        for wish in self.wishes:
            if wish.kind == "length":
                return float(wish.what)
        if last and any(wish.earlier and wish.kind in ("shorter", "longer") for wish in self.wishes):
            return last
        if self.asks("shorter"):
            asked = min(asked, last or asked) * SHORTER
        elif self.asks("longer"):
            asked = max(asked, last or asked) * LONGER
        return round(asked, 3)

    def leaves_out(self, text: str, item: str = "", kind: str = "") -> bool:
        """Whether a text, an item or a kind of item is to be left out."""
        return any(meets(wish, text, item, kind) for wish in self.wishes if wish.kind == "without")

    def wants(self, text: str, item: str = "", kind: str = "") -> bool:
        """Whether the notes ask for more of it."""
        return any(meets(wish, text, item, kind) for wish in self.wishes if wish.kind == "with")

    @property
    def wanted(self) -> tuple[Wish, ...]:
        """What the notes ask for."""
        return tuple(wish for wish in self.wishes if wish.kind == "with" and wish.names_something)

    @property
    def plain(self) -> bool:
        """Whether simpler sentences are asked for."""
        return any(wish.kind == "plain" for wish in self.wishes)

    def asks(self, kind: str) -> bool:
        return any(wish.kind == kind for wish in self.wishes)


def meets(wish: Wish, text: str, item: str = "", kind: str = "") -> bool:
    """Whether a text, an item or a kind of item is what a wish is about."""
    if not wish.words:
        return wish.what in (item, kind)
    return bool(_stems(wish.what)) and _stems(wish.what) <= _stems(text)


def read_feedback(notes: str, earlier: str = "") -> Feedback:
    """Understand the notes of a rejection, as far as rules can; wishes of ``earlier`` ones live on.

    A later wish about the same thing, or about the length, replaces an earlier one.
    """
    wishes: list[Wish] = []
    for wish in (*(replace(each, earlier=True) for each in _wishes(earlier)), *_wishes(notes)):
        wishes = [other for other in wishes if not _replaces(wish, other)]
        wishes.append(wish)
    # What could not be understood was said when it was asked for.
    return Feedback(tuple(wish for wish in wishes if not (wish.earlier and wish.kind == "unknown")))


LENGTHS = ("length", "shorter", "longer")


def _replaces(later: Wish, before: Wish) -> bool:
    if not before.earlier:
        return False
    if later.kind in LENGTHS:
        return before.kind in LENGTHS
    about = ("with", "without")
    same = later.what == before.what or _stems(later.what) == _stems(before.what)
    return later.kind in about and before.kind in about and same


def _wishes(notes: str) -> Iterator[Wish]:
    lines = " ".join(line.strip(" -*") + "\n" for line in notes.splitlines())
    pieces = [" ".join(piece.split()) for piece in ["", *CLAUSES.split(lines)]]
    last: Wish | None = None
    for joint, piece in zip(pieces[0::2], pieces[1::2], strict=True):
        text = piece.strip(" .")
        if len(text) <= 2 or POLITE.match(text):
            continue
        for wish in _wishes_of(text):
            last = _shared_verb(wish, last, joint) or wish
            yield last


def _wishes_of(text: str) -> Iterator[Wish]:
    """The wishes of one clause: "shorter without the table" has two."""
    rest = SHORT.sub("", text)
    if SHORT.search(text) and WITHOUT.search(rest) and not LENGTH.search(text):
        yield Wish(text, "shorter")
        text = " ".join(rest.split())
    yield _wish(text)


def _shared_verb(wish: Wish, last: Wish | None, joint: str) -> Wish | None:
    """The second object of the verb before it, as in "drop the table and the quote"; None if it is not one."""
    shares = last is not None and last.kind in ("with", "without") and joint.lower() in ("and", ",")
    if wish.kind != "unknown" or not shares or VERB.match(wish.text) or len(wish.text.split()) > OBJECT_WORDS:
        return None
    assert last is not None
    return Wish(
        wish.text, last.kind, _subject(re.sub(r"^(?:and\s+)?(?:the|all|any)\s+", "", wish.text, flags=re.I))
    )


def _wish(text: str) -> Wish:
    if (match := LENGTH.search(text)) and not ABOUT.search(text):
        return Wish(text, "length", str(_minutes(match)))
    if SHORT.search(text):
        return Wish(text, "shorter")
    for kind, pattern in (("longer", LONG), ("plain", PLAIN)):
        if pattern.search(text):
            return Wish(text, kind)
    for kind, pattern in (("without", WITHOUT), ("with", WITH), ("without", BAD)):
        if match := pattern.search(text):
            return Wish(text, kind, _subject(match["what"]))
    return Wish(text, "unknown")


def _minutes(match: re.Match[str]) -> float:
    minutes = float(match[1]) / (60 if match[2].lower().startswith("s") else 1)
    if not 0.1 <= minutes <= 60:
        raise StageError(
            f"the notes ask for {match[0]}, which is no length for a video",
            "ask for 10 seconds to 60 minutes",
        )
    return minutes


def _subject(what: str) -> str:
    """What a wish is about: an item, a kind of item, or words."""
    what = re.sub(
        r"\b(parts?|sections?|sentences?|bits?|paragraphs?|please|at all|again|too|scenes?)\b",
        "",
        what,
        flags=re.I,
    )
    what = what.strip(" .\"'“”`[]")
    if item := re.search(r"\bf\d{3,}\b", what, re.I):
        return item[0].lower()
    return KINDS.get(re.sub(r"s$", "", what.lower()), what)


def _stems(text: str) -> set[str]:
    """The words that carry meaning, without their endings."""
    words = re.findall(r"[a-z0-9_]{3,}", text.lower())
    return {re.sub(r"(ing|ed|es|s|ies|y)$", "", word) for word in words if word not in IGNORED}
