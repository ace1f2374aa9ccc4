"""Whether a document is in the language that the voice speaks."""

from __future__ import annotations

import re
import unicodedata

from stages.contract import StageError
from stages.sources import Document

COMMON = {
    "English": "the of and to in is that it for was on are with as be at by this from have not but or they",
    "German": "der die und das ist nicht ein eine mit den von zu auf für im sich dem auch werden wird oder",
    "French": "le la les et des est une un dans pour que qui pas sur avec par sont au du ce",
    "Spanish": "el la los de y que en es un una por con para se las del al no su como",
    "Italian": "il la di e che un una per non con del sono è si della nel da le gli",
    "Portuguese": "o a de e que do da em um para com não uma os no se na por as dos",
    "Dutch": "de het een en van is dat niet op te met voor zijn er aan in ook als bij wordt",
}
"""The most frequent words of each language."""
AMBIGUOUS = set(
    "a as die do in is it no on or per an am at by con do en la de me son war was van of con les".split()
)
"""Small words of other languages that English sentences have too, in names or as words."""
SPOKEN = "English"
ENOUGH = 25
"""Fewer words than this tell no language."""


def refuse_unspoken(documents: list[Document]) -> None:
    """Raise StageError if the sources are not in English, the only language of the built-in voice."""
    for document in documents:
        found = language_of(_prose(document))
        if found != SPOKEN:
            raise StageError(
                f"{document.name} is in {found}; the built-in voice speaks {SPOKEN} only",
                f"give a source in {SPOKEN}, or translate it first",
            )


def language_of(text: str) -> str:
    """The language of a text by its most common words, or its script if that is not Latin."""
    letters = [character for character in text if character.isalpha()]
    foreign = [character for character in letters if "LATIN" not in unicodedata.name(character, "LATIN")]
    if letters and len(foreign) > 0.5 * len(letters):
        return f"the {unicodedata.name(foreign[0]).split()[0].capitalize()} script"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < ENOUGH:
        return SPOKEN
    counts = {name: sum(word in common.split() for word in words) for name, common in COMMON.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] > 1.5 * counts[SPOKEN] else SPOKEN


def foreign(sentence: str) -> bool:
    """Whether a sentence, by its small words, is in a language that the voice does not speak."""
    words = set(re.findall(r"[^\W\d_]+", sentence.lower()))
    english = len(words & set(COMMON[SPOKEN].split()))
    found = max(
        len(words & (set(common.split()) - AMBIGUOUS)) for name, common in COMMON.items() if name != SPOKEN
    )
    return found >= 3 and found > 2 * english


def latin_enough(sentence: str) -> bool:
    """Whether the voice can say a sentence: nearly all of its letters are Latin."""
    letters = [character for character in sentence if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    return bool(letters) and latin >= 0.95 * len(letters)


def _prose(document: Document) -> str:
    texts = [block.text for block in document.blocks if block.kind in ("paragraph", "quote")]
    parts = [part.text for block in document.blocks for part in block.parts]
    return " ".join([*texts, *parts])
