"""Whether the wishes of a rejection are met: each is held against what the new attempt tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stages.feedback import Feedback, Wish, meets
from stages.items import Research
from stages.script_text import Script
from stages.sections import Section, closes
from stages.sentences import count_words

NEAR = 0.1
"""A length counts as the one asked for within this share of it."""
FRAME, RECAP = "frame", "recap"
"""The kinds of what rests on no item, and of what is said once more at the end."""
MORE = re.compile(r"\bmore\b", re.I)
LACKING = {
    "script.txt": ("no research item speaks of it", "Reject with from: outline to plan it"),
    "outline.txt": ("no source speaks of it", "Add a document that does"),
}
"""For each file that is made by wishes: why it cannot tell something, and what helps."""


@dataclass(frozen=True)
class Told:
    """One thing that an attempt tells, or that a source says: its words, its item and what kind that is."""

    text: str
    item: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Attempt:
    """All that one attempt tells, and in how many seconds."""

    told: tuple[Told, ...]
    seconds: float | None = None

    def speaking(self, wish: Wish) -> int:
        """How many things in it are what the wish is about."""
        framed = wish.kind == "without"
        return len(
            {
                (told.text, told.item)
                for told in self.told
                if (framed or told.kind not in (FRAME, RECAP) or wish.what == RECAP)
                and meets(wish, told.text, told.item, told.kind)
            }
        )

    @property
    def hardness(self) -> float:
        """Words a sentence, and its code: simpler sentences have less of both."""
        texts = {told.text for told in self.told if told.kind not in (FRAME, RECAP)}
        return sum(count_words(text) + text.count("`") for text in texts) / max(len(texts), 1)


def script_told(script: Script, research: Research, seconds: float | None = None) -> Attempt:
    """What a script tells: each sentence with the heading that its item stands under."""
    told: list[Told] = []
    for _, paragraph in script.paragraphs:
        for line in paragraph.lines:
            items = [item for name in line.items if (item := research.item(name))]
            if paragraph.show == RECAP:
                told.append(Told(line.text, kind=RECAP))
            elif not items:
                told.append(Told(line.text, kind=FRAME))
            told += [Told(f"{item.section} {line.text}", item.id, item.kind) for item in items]
    return Attempt(tuple(told), seconds)


def items_told(research: Research) -> tuple[Told, ...]:
    """What the research items could tell."""
    return tuple(Told(f"{item.section} {item.text}", item.id, item.kind) for item in research.items)


def sections_told(sections: Sequence[Section]) -> tuple[Told, ...]:
    """What some sections of the sources hold: their prose, and each list, table or code in them."""
    told: list[Told] = []
    for section in sections:
        told.append(Told(f"{section.heading} {section.prose}", kind=RECAP if closes(section) else "section"))
        told += [
            Told(section.heading, kind=block.kind) for block in section.blocks if block.kind != "paragraph"
        ]
    return tuple(told)


def report(
    feedback: Feedback,
    file: str,
    now: Attempt,
    sources: Sequence[Told],
    earlier: Sequence[Attempt] = (),
) -> list[str]:
    """What was done and what could not be, wish by wish.

    ``file`` is what the attempt made, ``earlier`` are the attempts before it, the newest first. A wish of an
    earlier rejection is held against the first of them.
    """
    lines = []
    for wish in feedback.wishes:
        before = earlier[1:] if wish.earlier else earlier
        since = before[-1 if wish.earlier else 0] if before else None
        lines.append(_line(wish, *_hindrance(wish, file, now, Attempt(tuple(sources)), since)))
    return lines


def _line(wish: Wish, why: str = "", helps: str = "") -> str:
    if not why:
        return f"{'still honoured, from an earlier rejection' if wish.earlier else 'honoured'}: {wish.text!r}"
    asked = ", though an earlier rejection asked for it" if wish.earlier else ""
    return f"could not be honoured{asked}{why}: {wish.text!r}" + (f". {helps}" if helps else "")


def _hindrance(
    wish: Wish, file: str, now: Attempt, sources: Attempt, since: Attempt | None
) -> tuple[str, ...]:
    """Why a wish is not met and what helps; nothing if it is met."""
    if wish.kind == "unknown":
        return (" without a writer",)
    if wish.kind in ("with", "without"):
        told = _told if wish.kind == "with" else _left
        return told(wish, file, now, sources, since) if wish.names_something else (", it names nothing",)
    if wish.kind == "length":
        return _length(float(wish.what) * 60, now.seconds)
    if wish.kind == "plain" and file == "outline.txt":
        return ", an outline has no sentences", "Reject the script with it"
    return _changed(wish, now, since) if since else ()


def _changed(wish: Wish, now: Attempt, since: Attempt) -> tuple[str, ...]:
    """Whether an attempt is shorter, longer or simpler than the one that was rejected."""
    if wish.kind == "plain":
        harder = now.hardness >= since.hardness
        return (", the sources have no simpler sentences that fit",) if harder else ()
    change = (now.seconds or 0.0) - (since.seconds or 0.0)
    missed = change >= 0 if wish.kind == "shorter" else change <= 0
    return (f", the sources and the outline leave no {wish.kind} script",) if missed else ()


def _length(asked: float, seconds: float | None) -> tuple[str, ...]:
    if seconds is None or abs(seconds - asked) <= NEAR * asked:
        return ()
    return (f", it takes {seconds:.0f} seconds",)


def _told(wish: Wish, file: str, now: Attempt, sources: Attempt, since: Attempt | None) -> tuple[str, ...]:
    """Whether what a person wants told is: more of it than before, where more was asked for."""
    have, had = now.speaking(wish), since.speaking(wish) if since else 0
    if have > had or (have and not MORE.search(wish.text)):
        return ()
    if not have and not sources.speaking(wish):
        why, helps = LACKING[file]
        return f", {why}", helps
    return (
        f", {'no more' if have else 'nothing'} of it fits the length or can be said",
        "Ask for a longer video",
    )


def _left(wish: Wish, file: str, now: Attempt, sources: Attempt, since: Attempt | None) -> tuple[str, ...]:
    """Whether what a person wants left out is gone."""
    if left := now.speaking(wish):
        return f", {left} {'places have' if left > 1 else 'place has'} it", f"Take it out of {file}"
    known = since is None or sources.speaking(wish) or since.speaking(wish)
    return () if known else (", nothing speaks of it",)
