"""The parts of a document: its headings with what stands under them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.callee import called
from stages.language import latin_enough
from stages.sentences import count_words, is_sentence, split_sentences
from stages.sources import Block, Document

OPENING = re.compile(
    r"^\W*(introduction|intro|overview|abstract|summary|about|background|motivation|preface|what is .*)\W*$",
    re.I,
)
CLOSING = re.compile(
    r"^\W*(conclusions?|summary|in short|tl;?dr|recap|takeaways?|key (takeaways|points|facts)|what to "
    r"remember|in summary|"
    r"to sum up|remember|closing|final (thoughts|words|remarks)|lessons( learned)?|wrap(ping)?[- ]up|"
    r"outlook|what remains|what to (take( away| home)?|do|choose)|what (it|this|that) means|the upshot|"
    r"the bottom line|verdict|recommendations?|our advice|the lesson)\W*$",
    re.I,
)
UNTITLED = "…"
"""A heading that ends so was made from a part's first words, and is not shown."""
WORDS_A_PART = 60


@dataclass(frozen=True)
class Section:
    """One part of a document."""

    source: str
    heading: str
    blocks: tuple[Block, ...]

    @property
    def line(self) -> int:
        return self.blocks[0].line

    @property
    def prose(self) -> str:
        """The section's paragraphs as one text."""
        return " ".join(" ".join(block.text.split()) for block in self.blocks if block.kind == "paragraph")


def sections_of(document: Document) -> list[Section]:
    """The sections of a document; a long one without headings is divided at its paragraphs."""
    grouped: dict[str, list[Block]] = {}
    for block in document.blocks:
        grouped.setdefault(block.section, []).append(block)
    if len(grouped) == 1 and sum(count_words(block.text) for block in document.blocks) > 2 * WORDS_A_PART:
        return _divided(document)
    return [
        Section(document.name, heading or document.title, tuple(blocks))
        for heading, blocks in grouped.items()
    ]


def _divided(document: Document) -> list[Section]:
    found: list[Section] = []
    held: list[Block] = []
    for block in document.blocks:
        held.append(block)
        if sum(count_words(each.text) for each in held) >= WORDS_A_PART:
            found.append(_untitled(document.name, held))
            held = []
    return [*found, _untitled(document.name, held)] if held else found


def _untitled(source: str, blocks: Sequence[Block]) -> Section:
    words = next((block.text.split() for block in blocks if block.text.split()), ["Part"])
    heading = " ".join(words[:7]).rstrip(".,;:") + UNTITLED
    return Section(source, heading, tuple(replace(block, section=heading) for block in blocks))


def shown_heading(heading: str) -> str:
    """The heading as the picture shows it; empty for a part that has none of its own."""
    if heading.endswith(UNTITLED):
        return ""
    name = called(heading)
    return f"{name}()" if name else re.sub(r"^[\d.]+\s+", "", heading.replace("`", ""))


def tellable(section: Section) -> int:
    """How many sentences of a section could be said."""
    return sum(
        is_sentence(s.text) and latin_enough(s.text)
        for b in section.blocks
        if b.kind == "paragraph"
        for s in split_sentences(b.text)
    )


def opens(section: Section, title: str) -> bool:
    """Whether a section introduces its document."""
    return bool(OPENING.match(section.heading)) or section.heading == title


def is_frame(heading: str) -> bool:
    """Whether a heading names a place in a document and not a subject."""
    return bool(OPENING.match(heading) or CLOSING.match(heading))


def closes(section: Section) -> bool:
    """Whether a section sums its document up."""
    return bool(CLOSING.match(section.heading))
