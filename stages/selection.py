"""Which items are told: the most telling ones that fit the length, none leaning on one that is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages.announced import announces, asks
from stages.dates import dated
from stages.figures import every_figures
from stages.items import Item
from stages.passages import opposed
from stages.rank import nearness
from stages.script_text import Line

STRUCTURE = {"steps": 1.6, "table": 0.6, "code": 0.5, "list": 1.0, "quote": 0.5, "number": 0.15, "fact": 0.0}
"""What a kind of item adds to its worth: pictures carry a video, numbers carry a claim."""
DATES, OPPOSED, FIGURES = 2.0, 2.0, 1.4
"""Tables that are drawn: a line of time, a comparison, a chart."""
SAME_SHAPE = 0.35
"""What each picture of the same shape before it takes from a picture."""
REPETITION = 0.35
NEXT_SENTENCE = 0.25
SKIPPED_SENTENCE = 0.1
ANNOUNCING = 8
"""A sentence this short announces the next one ("It has a second weakness.")."""
ANSWERS = re.compile(r"(?:if (?:so|not)|otherwise)\b", re.I)
"""A sentence that begins so says what the one before it left open ("checks whether ..." "If so, ...")."""
OPENS_PART = 0.3
EARLINESS = 0.1
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
        if asks(self.items[place].text) and not self._goes_on(place):
            return None  # a question that nothing answers
        needed = [place, *self._companions(place)]
        while not self._begins(place):
            before = place - 1
            if before < 0 or not self._adjoin(before, place):
                return None
            if before in self.taken:
                break
            needed.append(before)
            place = before
        return needed if all(self.told.get(self.items[each].id) for each in needed) else None

    def _begins(self, place: int) -> bool:
        """Whether nothing before it has to be told: a paragraph is told from its first sentence that can be."""
        before = place - 1
        inside = before >= 0 and self._paragraph(before) == self._paragraph(place)
        return self.items[place].alone and not (inside and self.told.get(self.items[before].id))

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
            and not asks(self.items[place + 1].text)
        ):
            found.append(place + 1)
        if self._continues(place) and ANSWERS.match(self.items[place + 1].text):
            found.append(place + 1)
        if self._goes_on(place) and (asks(item.text) or announces(item, self.items[place + 1])):
            found.append(place + 1)
        if item.kind in ("table", "list", "steps", "code") and not item.text.endswith(":"):
            found += [*self._opener(place), *self._lead(place)]
        return [other for other in dict.fromkeys(found) if other not in self.taken]

    def _continues(self, place: int) -> bool:
        """Whether another sentence of the same paragraph follows."""
        return place + 1 < len(self.items) and self._paragraph(place) == self._paragraph(place + 1)

    def _goes_on(self, place: int) -> bool:
        """Whether something follows in the same part, in this paragraph or the next."""
        return place + 1 < len(self.items) and self._adjoin(place, place + 1)

    def _opener(self, place: int) -> list[int]:
        """The first sentence of the part that can be said alone, if it stands before ``place``."""
        part = (self.items[place].source, self.items[place].section)
        for other in range(place):
            item = self.items[other]
            if (item.source, item.section) == part and item.alone and self.told.get(item.id):
                return [other]
        return []

    def _lead(self, place: int) -> list[int]:
        """The last sentence before a table that has no lead of its own, if it can be said alone."""
        before = place - 1
        near = before >= 0 and self._adjoin(before, place)
        item = self.items[before]
        plain = near and item.kind in ("fact", "number") and item.alone and self.told.get(item.id)
        if every_figures(self.items[place].columns, self.items[place].rows):
            return []  # its numbers are told with the names of their columns
        return [before] if plain else []

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
        value = item.score + _structure(item) - REPETITION * max(repeated, 0.0) + self.boost(item)
        value -= SAME_SHAPE * self._before(place)
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

    def _before(self, place: int) -> int:
        """How many pictures of the same shape are told already; a second line of time counts fourfold."""
        shape = _shape(self.items[place])
        count = sum(_shape(self.items[other]) == shape for other in self.taken) if shape else 0
        return 4 * count if shape == "dates" else count

    def take(self, places: Sequence[int]) -> None:
        self.used += self.cost(places)
        self.taken.update(places)

    def best(self, places: Sequence[int], room: float, longest: int = 1) -> list[int] | None:
        """The passage that is worth most a second among some places, if any fits."""
        found: list[tuple[float, list[int]]] = []
        for passage in self._passages(places, longest):
            if (seconds := self.cost(passage)) <= room:
                worth = sum(self.worth(each) for each in passage)
                found.append((worth / (seconds + SEPARATE) ** LENGTH_MATTERS, passage))
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _passages(self, places: Sequence[int], longest: int) -> Iterator[list[int]]:
        """What can be taken at once: an item with what it leans on, then also what its paragraph goes on with."""
        for place in places:
            passage = self.closure(place) if place not in self.taken else None
            last = place
            while passage:
                if longest == 1 or last > place or not self._continues(place):
                    yield passage
                last += 1
                follows = last < len(self.items) and self._paragraph(last) == self._paragraph(place)
                more = self.closure(last) if follows and last - place < longest else None
                passage = [*dict.fromkeys([*passage, *more])] if more else None

    def prefer(self, places: Sequence[int], room: float) -> None:
        """Take the best of some places before anything else, and more of them until ``room`` is used."""
        begun = self.used
        while chosen := self.best(places, self.budget - self.used):
            self.take(chosen)
            if self.used - begun >= room:
                break

    def _show_code(self, places: Sequence[int], room: float) -> None:
        """The code of a part that is told, with what explains it: what a manual is about is not only described."""
        coded = [place for place in places if self.items[place].kind == "code"]
        if any(place in self.taken for place in coded):
            return
        for place in coded:
            fitting = [each for each in self._explained(place) if self.cost(each) <= room]
            if fitting and self.worth(place) > 0:
                self.take(fitting[-1])
                return

    def _explained(self, code: int) -> Iterator[list[int]]:
        """A piece of code with more and more of the paragraph after it."""
        passage, last = self.closure(code), code + 1
        while passage:
            yield passage
            more = self.closure(last) if self._goes_on(last - 1) and last < code + 1 + PASSAGE else None
            same = more and self._paragraph(last) == self._paragraph(code + 1)
            passage = [*dict.fromkeys([*passage, *more])] if more and same else None
            last += 1

    def fill(self) -> None:
        """One passage a part first, so that none is empty; then whatever is worth most."""
        parts: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(self.items):
            parts.setdefault((item.source, item.section), []).append(place)
        richest = sorted(parts.values(), key=lambda places: -max(_structure(self.items[at]) for at in places))
        for number, places in enumerate(richest):
            left = self.budget - self.used
            share = left / (len(richest) - number)
            room = min(MOST_SHARES * share, left)
            if all(_shape(self.items[at]) == "dates" and self._before(at) for at in places):
                continue  # a part that is nothing but the dates once more
            begun = self.used
            chosen = self.best(places, room, PASSAGE) or self.best(places, room)
            if chosen:
                self.take(chosen)
            self._show_code(places, room - (self.used - begun))
        every = range(len(self.items))
        while chosen := self.best(every, self.budget - self.used + TOLERANCE * self.budget):
            self.take(chosen)


def _shape(item: Item) -> str:
    """What picture an item makes; empty for a sentence."""
    return "dates" if dated(item.parts, item.rows) else "" if item.kind in ("fact", "number") else item.kind


def _structure(item: Item) -> float:
    """What the shape of an item adds: dates make a line of time."""
    if dated(item.parts, item.rows):
        return DATES if item.parts else FIGURES
    if opposed(item.columns, item.rows):
        return OPPOSED
    return FIGURES if every_figures(item.columns, item.rows) else STRUCTURE[item.kind]


MOST_SHARES = 2.3
"""A part whose list, steps or table makes a picture may have twice its share; the plain ones come after."""
PASSAGE = 3
"""Sentences of a paragraph that a part may open with: one alone is seldom an idea."""
TOLERANCE = 0.02
"""How far the last sentence may overrun, as a share of the length."""
