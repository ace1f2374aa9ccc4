"""Sentences: where they end, whether they can be said alone, and how a long one is divided."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.said_code import LEXICON
from stages.said_numbers import MONTHS

MAX_WORDS = 25
"""A listener loses the beginning of anything longer."""

ABBREVIATIONS = re.compile(
    r"\b(?:(?i:e\.g|i\.e|etc|cf|vs|approx|resp|ca|inc|ltd|co|al|u\.s|u\.k|a\.m|p\.m)|"
    r"Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[A-Z])\.$"
)
NUMBERED = re.compile(r"\b(?:no|figs?|sec|ch|vol|pp?)\.$", re.I)
"""Abbreviations only before a number: "no. 7"."""
SHORTENED = re.compile(
    r"\b(?:incl|excl|dept|govt|univ|assn|misc|spec|temp|tech|appl|abbr|appr|illus|introd)\.$", re.I
)
CALENDAR = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|[A-Z]{2,4}\b|" + "|".join(MONTHS)
"""What may follow a.m. within a sentence: a day, a zone of time."""
PARTICLE = re.compile(
    r"(?:a|an|and|as|at|but|by|for|from|in|is|it|of|on|or|so|than|that|the|to|was|with|are|were|has|had|have)"
)
BOUNDARY = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[`]?[\w`])")
POINTS_BACK = re.compile(
    r"^(?:(?:this|that|these|those|it|its|they|their|them|he|she|his|her|such|both|either|neither|each "
    r"of them|"
    r"all of (?:this|these|them)|here|there(?:fore|by)|the (?:former|latter|above|following|same|other|"
    r"others|result|"
    r"rest|first two|first three|last two|two|three|table|figure|list|example|diagram|code)|some of "
    r"(?:them|these)|"
    r"one of (?:them|these)|but|so|and|or|nor|yet|also|then|thus|hence|however|instead|otherwise|moreover|"
    r"furthermore|besides|nevertheless|still|similarly|likewise|conversely|consequently|accordingly|meanwhile|"
    r"again|in turn|finally|next|second|third|secondly|as (?:above|before|shown|a result)|for (?:example|"
    r"instance|this)|"
    r"in (?:other words|addition|contrast|this|that|such|these|those)|on the (?:same|other)|because of "
    r"(?:this|that)|"
    r"by contrast|at (?:this|that)|after (?:this|that)|with (?:this|that|these)|if (?:so|it|they|this|"
    r"that|not)|"
    r"when (?:it|they|this|that)|we|in the end|at last|eventually|another|what is more|even so|"
    r"that is why|to do (?:so|this|that))\b|"
    r"most of (?:them|these))",
    re.IGNORECASE,
)
ONE = re.compile(
    r"\b(?:a|the) (?:better|simpler|second|different|new|third|faster|cheaper|good|bad|last) one\b", re.I
)
DEMONSTRATIVE = re.compile(
    r"\b(?:this|these|those)\b|\b(?:on|in|of|by|from|with|to|at|before|after|without|for|until) that \w+|"
    r"\bsuch an?\b",
    re.I,
)
POINTS_ELSEWHERE = re.compile(
    r"\b(?:read on (?:for|to learn)|for (?:more|further) (?:details?|information)|please note|"
    r"see (?:also|the|section|below|above|figure|table)|(?:as|is|are|shown|described|listed|"
    r"discussed) (?:above|below)|"
    r"(?:the )?(?:following|next|previous) (?:section|chapter|table|figure|example|code|paragraph)|"
    r"(?:figure|fig\.|table|section|chapter|appendix|listing) \d+|click|this (?:document|page|article|"
    r"section|chapter|paper|report|study|book|manual|text|overview|"
    r"guide|tutorial|post|readme)|in this (?:article|post)|the table shows|the table below|et al)\b",
    re.IGNORECASE,
)
CLAUSE = re.compile(
    r"(?:;\s+|,\s+(?P<joint>and|but|so|or|yet)\s+|\s+[–—]\s+|:\s+)"
    r"(?=(?:it|they|he|she|we|you|the|a|an|this|that|these|those|each|every|no|there|its|their|one|most|many|some|all|"
    r"its|nobody|nothing)\b)",
    re.IGNORECASE,
)
CLAUSE_WORDS = 8
BRACKETS = re.compile(r"\s*\((?![^)]*`[^)]*\()[^()]*\)")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a paragraph: as it is written, and its offset in the paragraph."""

    text: str
    offset: int


def split_sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a paragraph; line breaks in them become spaces."""
    start = 0
    for match in BOUNDARY.finditer(text):
        before = text[start : match.start()].rstrip("\"'”’)]")
        after = text[match.end() :]
        inside_code = text[start : match.start()].count("`") % 2
        etc = before.lower().endswith("etc.") and not after[:1].islower()
        abbreviated = ABBREVIATIONS.search(before) or (NUMBERED.search(before) and after[:1].isdigit())
        noon = re.search(r"\b[ap]\.m\.$", before) and re.match(rf"(?!{CALENDAR})[A-Z]", after)
        if inside_code or (abbreviated and not etc and not noon):
            continue
        if after[:1].islower() and not _is_name(after.split()[0]) and not _ends(before, after.split()[0]):
            continue
        yield _sentence(text, start, match.start() + len(match[0].rstrip()))
        start = match.end()
    if text[start:].strip():
        yield _sentence(text, start, len(text))


def begins_small(text: str) -> bool:
    """Whether a text begins with a small word that is no known name of code: in a PDF the end of something."""
    return text[:1].islower() and not _is_name(text.split(maxsplit=1)[0])


def _is_name(word: str) -> bool:
    """Whether a small word may begin a sentence: it is a name of code (inotify, epoll, sqlite3)."""
    bare = word.strip(".,;:!?'\"")
    return bare.lower() in LEXICON or bool(re.search(r"[_\d]", bare))


def _ends(before: str, word: str) -> bool:
    """Whether a full stop before a small word ends a sentence all the same: a name follows (zstd, curl)."""
    last = re.search(r"(\w+)[.!?…]$", before)
    long = last is not None and (len(last[1]) >= 4 or last[1].isdigit())
    return long and not SHORTENED.search(before) and not PARTICLE.fullmatch(word)


def _sentence(text: str, start: int, end: int) -> Sentence:
    piece = text[start:end]
    return Sentence(" ".join(piece.split()), start + len(piece) - len(piece.lstrip()))


def count_words(text: str) -> int:
    """The words of a text as it is written."""
    return len([word for word in text.split() if re.search(r"\w", word)])


def points_back(sentence: str) -> bool:
    """Whether a sentence leans on the one before it ("This means ...")."""
    if POINTS_BACK.match(sentence.lstrip("\"'“(")) or ONE.search(sentence):
        return True
    pointing = DEMONSTRATIVE.search(sentence)
    before = sentence[: pointing.start()] if pointing else ""
    # After a whole clause it points into its own sentence ("..., and nobody moves to this place").
    return bool(pointing) and not ("," in before and count_words(before) >= CLAUSE_WORDS)


def points_elsewhere(sentence: str) -> bool:
    """Whether a sentence speaks of the page it stands on ("see below"), which nobody hears."""
    return bool(POINTS_ELSEWHERE.search(sentence))


def is_sentence(text: str) -> bool:
    """Whether a text is a whole sentence that can be said: not a fragment, a link or a formula."""
    words = text.split()
    if words and (PARTICLE.fullmatch(words[0]) or words[-1] in ("...", "…")):
        return False  # its beginning is elsewhere, or the rest of a syntax is
    if not 3 <= len(words) <= 80 or not re.search(r"[.!?…][\"'”’)\]]*$", text):
        return False
    letters = sum(character.isalpha() or character.isspace() for character in text)
    return letters / len(text) > 0.6 and not re.search(
        r"https?://\S{30,}|[{}<>|]{2,}|\s\*\s|\s[=+*/]\s\S+\s[=+*/]\s", text
    )


def shorten(sentence: str, limit: int = MAX_WORDS) -> list[str]:
    """The sentence as one or more sentences of at most ``limit`` words; empty if that would change it.

    Nothing is dropped but brackets; a long sentence is divided only between main clauses.
    """
    if count_words(sentence) <= limit:
        return [sentence]
    without = BRACKETS.sub("", sentence)
    if count_words(without) <= limit:
        return [without]
    cuts = sorted(clause_joints(without), key=lambda cut: abs(cut.start() - len(without) / 2))
    for cut in cuts:
        left = without[: cut.start()].rstrip(" ,;:") + "."
        joint = (cut["joint"] or "").capitalize()
        right = (
            f"{joint} {without[cut.end() :]}" if joint and joint != "And" else _capital(without[cut.end() :])
        )
        if count_words(left) >= 4 and count_words(right) >= 4:
            parts = [*shorten(left, limit), *shorten(right, limit)]
            if all(count_words(part) <= limit for part in parts) and len(parts) >= 2:
                return parts
    return _at_colon(without, limit)


def _at_colon(sentence: str, limit: int) -> list[str]:
    """A statement and what its colon announces, as a speaker pauses there; empty if there is none such."""
    left, colon, right = sentence.partition(": ")
    if not colon or left.count("`") % 2 or not has_verb(left) or count_words(left) < 4:
        return []
    parts = [f"{left}.", _capital(right)]
    return parts if all(3 <= count_words(part) <= limit for part in parts) else []


def clause_joints(text: str) -> list[re.Match[str]]:
    """Where a main clause begins after another one: what follows has a subject and a verb of its own."""
    return [match for match in CLAUSE.finditer(text) if has_verb(text[match.end() :])]


def has_verb(clause: str) -> bool:
    """Whether a clause that begins with its subject has a finite verb, as far as its words' forms tell."""
    words = re.split(r",|;|\b(?:to|what|which|that|who|where|when|for|of)\b", clause, maxsplit=1)[0].split()
    if len(words) > 1 and SUBJECT.fullmatch(words[0]):
        return True
    return any(FINITE.fullmatch(word) for word in words) or any(
        re.fullmatch(r"[a-z]{2,}(?:[^s]s|ed)", word) for word in words[2:]
    )


SUBJECT = re.compile(r"it|they|he|she|we|you|there|nobody|nothing", re.I)
FINITE = re.compile(
    r"is|are|was|were|has|have|had|can|cannot|could|will|would|may|might|must|should|does|do|did|"
    r"went|came|took|made|gave|got|saw|knew|said|became|began|fell|rose|grew|kept|held|ran|sent|wrote",
    re.I,
)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
