"""Short forms for the picture: what is left of a sentence on a card, and the words of it that stand out."""

from __future__ import annotations

import re
from collections.abc import Collection

from stages.clock import TIME
from stages.quantities import range_at
from stages.said_code import UNSAYABLE
from stages.sentences import clause_joints, points_back

CARD = 64
"""Characters that a card of a list holds on two lines."""
STATEMENT = 110
OPENERS = re.compile(
    r"^(?:however|so|therefore|thus|and|but|also|moreover|in addition|for example|for instance|first|"
    r"second|third|then|next|"
    r"finally|after that|last|as a result|of course|in fact|in practice|instead|again)\s*,\s*|^(?:so|and|"
    r"but|then)\s+",
    re.I,
)
TAILS = re.compile(
    r"(?:,\s+(?:which|who|where|so|because|since|although|while|as|and (?:it|they|he|she|you)|but)\b|;|"
    r"\s[–—]\s|:\s).*$",
    re.I,
)
CHANGES = re.compile(r"\b(?:unless|except|only|not|never|no|if|until|but)\b|n't\b", re.I)
"""Words in a tail that the head must not lose: without them it would say something else."""
NO_UNITS = (
    "and to of in at by or on for from the was were is are it they he she we you that which who this with as "
    "than but so if a an"
).split()
MEASURED = re.compile(
    r"[$€£]?\d[\d,.]*(?:[\s-]?(?:(?:thousand|million|billion)\s(?=[a-z]))?(?:%|[a-zA-Zµ°/]+\b"
    + "".join(rf"(?<!\b{word})" for word in NO_UNITS)
    + r")(?:\sand\sa\s(?:half|quarter))?)?"
)
STANDS_OUT = re.compile(f"{TIME.pattern}|{MEASURED.pattern}", re.IGNORECASE)
"""A time of day is one thing, whatever stands around its colon."""
YEAR = re.compile(r"(?:1[0-9]|20)\d\d(?!\s?[%°]|[.,]\d)")
DATED = re.compile(r"\b(?:in|since|until|by|of|from)\s+(?:[A-Z]\w+\s+)?$", re.I)
"""What stands before a number that is a year."""
NAMED = re.compile(r"\b[A-Z][\w+#-]*\s$")
"""A name before a number: "Python 3.11" is a version and measures nothing."""
ENDING = re.compile(
    r"\b(?:(?:the|an?|every|each|no|one|its|their|more than an?) )[\w’'-]+(?: [\w’'-]+){0,2}?"
    r"(?: of (?:(?:the|an?|its|their) )?[\w’'-]+)?$"
)
"""The last thing that a sentence names: what it is about stands there."""
CODE = re.compile(r"`([^`]+)`")
STRONG = re.compile(
    r"(?<=, )not (?:(?:to|on|in|with|by|for|from) )?(?:(?:an?|the) )?[\w-]+(?: of [\w-]+)?|"
    r"\b(?:(?:does|do|is|are|was|were|will|can) not|cannot|never|nothing|only) (?:be )?[\w-]{3,}",
    re.I,
)
CONDITION = re.compile(
    r"^(?:with|without|given|if|when|while|unless|until|before|after|once|as long as|whenever|to)\b", re.I
)
LEANS = re.compile(r"^(?:it|its|they|their|them|this|that|these|those|he|she|his|her|one|what|which)\b", re.I)
INSIDE = re.compile(r"\b(?:that it|of it|in it|them|they|their|both|those|these|this)\b", re.I)


def bare(text: str) -> str:
    """The text without the marks of the script: back quotes, pronunciations, what cannot be drawn."""
    text = re.sub(r"\{([^{}|]+)\|[^{}|]+\}", r"\1", text)
    return " ".join(UNSAYABLE.sub("", text).replace("`", "").split())


def headline(sentence: str, limit: int = CARD) -> str:
    """The sentence as a card shows it: without its opener, its brackets and side clauses that change nothing.

    It is cut only between clauses, so it may be longer than ``limit``.
    """
    text = OPENERS.sub("", bare(sentence))
    text = re.sub(r"\s+\([^()]+\)(?!\w)", "", text) if len(text) > limit else text
    if len(text) > limit:
        head = TAILS.sub("", text)
        if len(head.split()) >= 4 and not CHANGES.search(text[len(head) :]):
            text = head
    text = re.sub(r"(?<!\betc)(?<!\b[ap]\.m)[.;:,]+$", "", text)
    return (
        text[:1].upper() + text[1:]
        if text[:1].islower() and not _is_name(text.split()[0], sentence)
        else text
    )


def strongest_clause(sentence: str, limit: int = STATEMENT) -> str:
    """The main clause that a statement shows: true by itself, with the number or the "not" if there is one.

    A sentence with a condition is never divided: without it the rest would claim too much.
    """
    whole = headline(sentence, limit)
    if len(whole) <= CARD or CONDITION.match(whole):
        return whole
    clauses = _clauses(whole)
    fit = [
        clause
        for clause in clauses
        if len(clause.split()) >= 4 and not LEANS.match(clause) and not points_back(clause)
    ]
    fit = [clause for clause in fit if clause == clauses[0] or not INSIDE.search(clause)]
    if len(clauses) < 2 or not fit or any(CONDITION.match(clause) for clause in clauses):
        return whole
    best = max(fit, key=_strength)
    if any(_strength(clause) > _strength(best) for clause in clauses):
        return whole
    best = max((clause for clause in fit if _strength(clause) == _strength(best)), key=clauses.index)
    return best if _is_name(best.split()[0], sentence) else best[:1].upper() + best[1:]


def _clauses(sentence: str) -> list[str]:
    found, at = list[str](), 0
    for joint in clause_joints(sentence):
        found.append(sentence[at : joint.start()].strip(" ,;:."))
        at = joint.end()
    return [*found, sentence[at:].strip(" ,;:.")]


def _strength(clause: str) -> tuple[bool, bool]:
    return bool(re.search(r"\d", clause)), bool(STRONG.search(clause))


def _is_name(word: str, sentence: str) -> bool:
    """Whether a word that is written small is a name (code, or it begins the sentence so)."""
    return f"`{word}" in sentence or sentence.lstrip().startswith(word) or bool(re.search(r"[_()./\d]", word))


def emphasis(sentence: str, card: str) -> str:
    """The words of a card that stand out: a number, else code, a strong phrase, what it ends with; or none."""
    for match in STANDS_OUT.finditer(card):
        span = range_at(card, *match.span())
        if TIME.fullmatch(match[0]) or span:
            return _range(card, span) if span else match[0]
        found, before = match[0].strip(" .,"), card[: match.start()]
        if (dated := YEAR.match(found)) and DATED.search(before):
            return dated[0]
        year = re.fullmatch(r"(?:1[0-9]|20)\d\d", found)
        ratio = re.search(r"\d:$", before) or re.match(r":\d", card[match.end() :])
        if len(found) > 1 and not year and not ratio and not NAMED.search(before):
            return found
    for match in CODE.finditer(sentence):
        if match[1] in card:
            return match[1]
    strong = STRONG.search(card)
    if strong and len(strong[0]) < 0.7 * len(card):
        return strong[0]
    ending = ENDING.search(card)
    return ending[0] if ending and len(ending[0]) < 0.6 * len(card) else ""


def _range(card: str, span: re.Match[str]) -> str:
    """A range with what it counts; one of years counts nothing."""
    low, high = span.start("low"), span.start("high")
    years = YEAR.fullmatch(span["low"]) and YEAR.fullmatch(span["high"])
    last = None if years and (span["between"] or DATED.search(card[:low])) else MEASURED.match(card, high)
    return card[low : max(last.end() if last else 0, span.end("high"))].strip(" .,")


def names(text: str, label: str) -> bool:
    """Whether a text says a label or a number as it is written, and not only a part of a longer one."""
    return bool(label) and bool(re.search(rf"(?<![\w,.]){re.escape(label)}(?![\w]|[,.]\d)", bare(text)))


def overlap(first: str, second: str) -> float:
    """The share of the shorter text's words that the other one has, 0 to 1."""
    words: list[Collection[str]] = [set(re.findall(r"\w+", bare(text).lower())) for text in (first, second)]
    smaller = min(words, key=len)
    return len(set(words[0]) & set(words[1])) / len(smaller) if smaller else 0.0
