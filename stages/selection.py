"""Which items are told: the most telling ones that fit the length, none leaning on one that is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.items import Item
from stages.rank import nearness
from stages.script_text import Line

STRUCTURE = {"steps": 1.2, "table": 0.9, "code": 0.3, "list": 0.7, "quote": 0.5, "number": 0.15, "fact": 0.0}
"""What a kind of item adds to its worth: pictures carry a video, numbers carry a claim."""
REPETITION = 0.35
NEXT_SENTENCE = 0.25
SKIPPED_SENTENCE = 0.1
ANNOUNCING = 6
"""A sentence this short announces the next one ("It has a second weakness.")."""
ANSWERS = re.compile(r"(?:if (?:so|not)|otherwise)\b", re.I)
"""A sentence that begins so says what the one before it left open ("checks whether ..." "If so, ...")."""
OPENS_PART = 0.3
EARLINESS = 0.03
"""What each paragraph before it takes from a sentence: authors say the main thing first."""
LENGTH_MATTERS = 0.3
"""0: only worth counts, and long passages win; 1: worth a second, and scraps win."""
SEPARATE = 1.5
"""Seconds that a new paragraph costs beyond its sentences: few ideas told well beat many touched."""
FIRST_SENTENCE = 0.12
PART_SECONDS = 16
"""A part that has had this much time is worth half as much more of it."""
PARAGRAPH_SECONDS = 0.7
"""What a new scene adds in silence."""

Told = Mapping[str, tuple[Line, ...]]


@dataclass
class Selection:
    """The items taken so far, and what is left of the length."""

    items: Sequence[Item]
    told: Told
    seconds: Mapping[str, float]
    budget: float
    boost: Callable[[Item], float]
    earliness: float = EARLINESS
    near: Any = None
    taken: set[int] = field(default_factory=set)
    used: float = 0.0

    def __post_init__(self) -> None:
        self.near = nearness([" ".join([item.text, *item.parts]) for item in self.items])

    def closure(self, place: int) -> list[int] | None:
        """The item and what it leans on, as far as that is not taken yet; None if it is missing."""
        needed = [place, *self._companions(place)]
        while not self.items[place].alone:
            before = place - 1
            if before < 0 or not self._adjoin(before, place):
                return None
            if before in self.taken:
                break
            needed.append(before)
            place = before
        return needed if all(self.told.get(self.items[each].id) for each in needed) else None

    def _companions(self, place: int) -> list[int]:
        """What an item needs: code its explanation, a bare list or table the opening of its part."""
        item = self.items[place]
        found: list[int] = []
        if item.kind == "code" and place + 1 < len(self.items) and self._adjoin(place, place + 1):
            found.append(place + 1)
        if (
            item.kind in ("fact", "number")
            and len(item.text.split()) <= ANNOUNCING
            and self._continues(place)
        ):
            found.append(place + 1)
        if self._continues(place) and ANSWERS.match(self.items[place + 1].text):
            found.append(place + 1)
        if item.kind in ("table", "list", "steps", "code") and not item.text.endswith(":"):
            found += self._opener(place)
        return [other for other in found if other not in self.taken]

    def _continues(self, place: int) -> bool:
        """Whether another sentence of the same paragraph follows."""
        return place + 1 < len(self.items) and self._paragraph(place) == self._paragraph(place + 1)

    def _opener(self, place: int) -> list[int]:
        """The first sentence of the part that can be said alone, if it stands before ``place``."""
        part = (self.items[place].source, self.items[place].section)
        for other in range(place):
            item = self.items[other]
            if (item.source, item.section) == part and item.alone and self.told.get(item.id):
                return [other]
        return []

    def _adjoin(self, before: int, place: int) -> bool:
        first, second = self.items[before], self.items[place]
        together = (first.section, first.source) == (second.section, second.source)
        return together and second.paragraph - first.paragraph in (0, 1)

    def cost(self, places: Sequence[int]) -> float:
        total = sum(self.seconds[self.items[place].id] for place in places)
        paragraphs = {self._paragraph(place) for place in places} - {
            self._paragraph(place) for place in self.taken
        }
        return total + PARAGRAPH_SECONDS * len(paragraphs)

    def _paragraph(self, place: int) -> tuple[str, str, int]:
        item = self.items[place]
        return item.source, item.section, item.paragraph

    def worth(self, place: int) -> float:
        """How much the item would add to what is taken."""
        item = self.items[place]
        repeated = max((float(self.near[place][other]) for other in self.taken), default=0.0)
        value = item.score + STRUCTURE[item.kind] - REPETITION * max(repeated, 0.0) + self.boost(item)
        if place - 1 in self.taken and self._adjoin(place - 1, place):
            value += NEXT_SENTENCE
        if item.paragraph == 0 or place == 0 or self._paragraph(place - 1) != self._paragraph(place):
            value += FIRST_SENTENCE
        elif place - 1 not in self.taken:
            value -= SKIPPED_SENTENCE
        if self._opener(place) == []:
            value += OPENS_PART
        value -= self.earliness * item.paragraph
        given = sum(
            self.seconds[self.items[other].id]
            for other in self.taken
            if self.items[other].section == item.section
        )
        return value / (1 + given / PART_SECONDS)

    def take(self, places: Sequence[int]) -> None:
        self.used += self.cost(places)
        self.taken.update(places)

    def best(self, places: Sequence[int], room: float) -> list[int] | None:
        """The closure that is worth most a second among some places, if any fits."""
        found: list[tuple[float, list[int]]] = []
        for place in places:
            needed = self.closure(place) if place not in self.taken else None
            if needed and (seconds := self.cost(needed)) <= room:
                found.append(
                    (
                        sum(self.worth(each) for each in needed) / (seconds + SEPARATE) ** LENGTH_MATTERS,
                        needed,
                    )
                )
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def fill(self) -> None:
        """One passage a part first, so that none is empty; then whatever is worth most."""
        parts: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(self.items):
            parts.setdefault((item.source, item.section), []).append(place)
        share = 1.6 * self.budget / max(len(parts), 1)
        for places in parts.values():
            chosen = self.best(places, min(share, self.budget - self.used))
            if chosen:
                self.take(chosen)
        every = range(len(self.items))
        while chosen := self.best(every, self.budget - self.used + TOLERANCE * self.budget):
            self.take(chosen)


TOLERANCE = 0.02
"""How far the last sentence may overrun, as a share of the length."""
