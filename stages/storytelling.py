"""The story: an opening that says why to watch, one idea a paragraph, a close."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import groupby

from stages.announced import asks, without_leads
from stages.callee import named_once
from stages.feedback import Feedback, meets
from stages.items import Item, Research
from stages.passages import tell_item
from stages.plan import Plan, PlannedPart
from stages.said_numbers import cardinal
from stages.script_text import Line, Paragraph, Script, ScriptPart
from stages.sections import is_frame, shown_heading
from stages.selection import Selection
from stages.sentences import MAX_WORDS, count_words
from stages.timing import FIRST_LEAD, LAST_TAIL, estimate

OPENING_SHARE, CLOSE_SHARE = 0.2, 0.16
ASKED_SHARE = 0.3
"""Of the length that a subject gets first which a rejection asks more about."""
PROMISED = 5
PROMISE_SECONDS = 110
"""A shorter video is over before a list of its parts is worth hearing."""
OPENING_EARLINESS = 0.3
"""An author opens with the reason to read: what comes later in an introduction is worth less."""
CODE_WORDS = 45
SHOWN_KINDS = ("steps", "list", "table", "code", "quote")


class Story:
    """One way to tell the research items of a plan in a number of seconds."""

    def __init__(
        self, plan: Plan, research: Research, feedback: Feedback, seconds: float, promised: float
    ) -> None:
        self.plan = plan
        self.research = research
        self.feedback = feedback
        self.seconds = seconds
        self.promised = promised

    @cached_property
    def items(self) -> list[Item]:
        """What may be told, without what the notes leave out."""
        kept = [
            item
            for item in self.research.items
            if not self.feedback.leaves_out(f"{item.section} {item.text}", item.id, item.kind)
        ]
        return without_leads(self.research.items, kept)

    @cached_property
    def told(self) -> dict[str, tuple[Line, ...]]:
        return {item.id: tell_item(item) for item in self.items}

    @cached_property
    def names(self) -> set[str]:
        """The words that the sources write with a capital inside a sentence."""
        return {
            name for item in self.research.items for name in re.findall(r"(?<=[a-z,] )[A-Z][a-z]+", item.text)
        }

    def script(self) -> Script:
        """Opening and close first, since no video is without them; the parts get the rest."""
        framed = [self._sources_line()]
        opening = self._chosen(self.plan.opening, OPENING_SHARE * self.seconds, first=True)
        summed = not self.feedback.leaves_out("", kind="recap")
        close = self._chosen(self.plan.close, CLOSE_SHARE * self.seconds) if summed else []
        promise = self._promise([part.heading for part in self.plan.parts])
        frame = [*promise, *framed]
        spent = sum(self._cost(item) for item in (*opening, *close)) + sum(
            estimate(line.text) + 0.7 for line in frame
        )
        middle = self._chosen(self.plan.parts, self.seconds - spent - FIRST_LEAD - LAST_TAIL)
        promise = self._promise([item.section for item in middle])
        recap = self._recap(middle) if summed and not close else []
        section = close[0].section if close else "Close"
        parts = [
            ScriptPart("Opening", self._opening(opening, promise)),
            *self._parts(middle),
            ScriptPart(
                section,
                (
                    *_asked(section, self._paragraphs(close, closing=True)),
                    *recap,
                    Paragraph((framed[0],), "sources"),
                ),
            ),
        ]
        return Script(self.plan.title, tuple(part for part in parts if part.paragraphs))

    def _chosen(self, parts: Sequence[PlannedPart], seconds: float, first: bool = False) -> list[Item]:
        """The items of some parts that fit the seconds, in the plan's order."""
        order = {(part.source, part.heading): place for place, part in enumerate(parts)}
        loose = {part.heading: place for place, part in enumerate(parts) if not part.source}

        def place(item: Item) -> int | None:
            return order.get((item.source, item.section), loose.get(item.section))

        candidates = sorted(
            (item for item in self.items if place(item) is not None), key=lambda item: place(item) or 0
        )
        seconds_of = {item.id: self._cost(item) for item in candidates}
        selection = Selection(candidates, self.told, seconds_of, max(seconds, 0.0), self._boost)
        if first:
            selection.earliness = OPENING_EARLINESS
        if first and candidates and candidates[0].alone and self.told[candidates[0].id]:
            # The author's first sentence is the one that was written to open.
            selection.take([0])
        for wish in self.feedback.wanted:
            asked = [
                place
                for place, item in enumerate(candidates)
                if meets(wish, f"{item.section} {item.text}", item.id, item.kind)
            ]
            # One picture of a kind is what "the table" asks for; of a subject there may be much to say.
            selection.prefer(asked, ASKED_SHARE * max(seconds, 0.0) if wish.words else 0.0)
        selection.fill()
        return [candidates[index] for index in sorted(selection.taken)]

    def _cost(self, item: Item) -> float:
        return sum(estimate(line.text) for line in self.told[item.id])

    def _boost(self, item: Item) -> float:
        value = 0.6 if self.feedback.wants(f"{item.section} {item.text}", item.id, item.kind) else 0.0
        if self.feedback.plain:
            value -= 0.02 * max(count_words(item.text) - 12, 0) + 0.1 * item.text.count("`")
        return value

    def _opening(self, items: Sequence[Item], promise: Sequence[Line]) -> tuple[Paragraph, ...]:
        paragraphs = list(self._paragraphs(items))
        if paragraphs and not paragraphs[0].show:
            paragraphs[0] = Paragraph(paragraphs[0].lines, "title")
            return (*paragraphs, *([Paragraph(tuple(promise), "list")] if promise else []))
        title = Line(self.plan.title.rstrip(".") + ".")
        return (Paragraph((title, *promise), "title"), *paragraphs)

    def _promise(self, parts: Sequence[str]) -> list[Line]:
        """What comes, by the headings of the parts; said only when they can be."""
        headings = [shown_heading(heading) for heading in dict.fromkeys(parts)]
        said = [
            _inside(heading, self.names)
            for heading in headings
            if heading and count_words(heading) <= 7 and not _is_clause(heading) and not is_frame(heading)
        ]
        if len(said) < 2 or self.promised < PROMISE_SECONDS:
            return []
        lead = f"In the next {length(self.promised)}:"
        for count in range(min(len(said), PROMISED), 1, -1):
            told = said[:count] if count == len(said) else [*said[: count - 1], "more"]
            joint = "; " if any(re.search(r"[,:]| and ", heading) for heading in told) else ", "
            line = f"{lead} {joint.join(told[:-1])}{joint}and {told[-1]}."
            if count_words(line) <= MAX_WORDS:
                return [Line(line)]
        return []

    def _parts(self, items: Sequence[Item]) -> list[ScriptPart]:
        grouped = groupby(items, key=lambda item: (item.source, item.section))
        return [
            ScriptPart(section, _asked(section, self._paragraphs(list(group))))
            for (_, section), group in grouped
        ]

    def _paragraphs(self, items: Sequence[Item], closing: bool = False) -> tuple[Paragraph, ...]:
        """One paragraph a paragraph of the source; a list, table, code or quote is one of its own."""
        found: list[Paragraph] = []
        last: Item | None = None
        for _, group in groupby(items, key=lambda item: (item.source, item.section, item.paragraph)):
            held = list(group)
            lines = named_once([line for item in held for line in self.told[item.id]])
            kind = held[0].kind
            before = found[-1] if found else None
            if (
                before
                and last
                and last.kind == "code"
                and _follows(last, held[0])
                and count_words(before.text) < CODE_WORDS
            ):
                # The code stays while it is explained.
                found[-1] = Paragraph((*before.lines, *lines), before.show)
                last = None
                continue
            last = held[0]
            sums_up = closing and kind == "list" and not any(map(asks, held[0].parts))
            show = "recap" if sums_up else held[0].id if kind in SHOWN_KINDS else ""
            found.append(Paragraph(lines, show))
        return tuple(found)

    def _recap(self, items: Sequence[Item]) -> list[Paragraph]:
        """The shortest strong sentence of up to three parts, said once more."""
        best: dict[str, Item] = {}
        firsts: dict[tuple[str, str, int], str] = {}
        for item in self.items:
            firsts.setdefault((item.source, item.section, item.paragraph), item.id)
        for item in items:
            single = len(self.told[item.id]) == 1 and item.kind in ("fact", "number") and not asks(item.text)
            short = single and item.alone and count_words(self.told[item.id][0].text) <= 14
            # What does not open its paragraph may need the sentence before it to be understood.
            opens = firsts[item.source, item.section, item.paragraph] == item.id
            if short and opens and (item.section not in best or item.score > best[item.section].score):
                best[item.section] = item
        if len(best) < 2:
            return []
        strongest = sorted(best.values(), key=lambda item: -item.score)[:3]
        told = [self.told[item.id][0] for item in items if item in strongest]
        return [Paragraph((Line("To sum up."), *told), "recap")]

    def _sources_line(self) -> Line:
        title = self.plan.title.rstrip(".?!")
        single = len(self.research.documents) == 1
        if re.match(r"(how|why|what|when|where)\b", title, re.I):
            return Line(
                f"That is {_inside(title, self.names)}. The {'source is' if single else 'sources are'} "
                f"on screen."
            )
        # No "everything comes from": a person may add sentences of their own, here or in the storyboard.
        return Line(f"The {'source of this video is' if single else 'sources of this video are'} on screen.")


def _asked(section: str, paragraphs: tuple[Paragraph, ...]) -> tuple[Paragraph, ...]:
    """The paragraphs of a part, after its heading where that is a question: they are the answer."""
    question = shown_heading(section)
    if not paragraphs or not question.endswith("?") or count_words(question) > MAX_WORDS:
        return paragraphs
    first, *rest = paragraphs
    return (Paragraph((Line(question), *first.lines), first.show), *rest)


def _follows(first: Item, second: Item) -> bool:
    """Whether two items stand in paragraphs that follow each other."""
    return (first.source, first.section, first.paragraph + 1) == (
        second.source,
        second.section,
        second.paragraph,
    )


def _is_clause(heading: str) -> bool:
    """Whether a heading is a sentence by itself ("The queue can overflow") and fits no enumeration."""
    verb = re.search(
        r"\b(?:is|are|was|were|has|have|can|cannot|may|must|will|should|does|do)\b", heading, re.I
    )
    return bool(verb) and not re.match(r"(?:how|why|what|when|where|which|who)\b", heading, re.I)


def length(seconds: float) -> str:
    """A length as a person says it, to the half minute: "90 seconds", "two and a half minutes"."""
    if seconds < 105:
        return f"{round(seconds / 10) * 10:g} seconds"
    minutes, half = divmod(round(seconds / 30), 2)
    return f"{cardinal(minutes)} and a half minutes" if half else f"{cardinal(minutes)} minutes"


def _inside(heading: str, names: Collection[str]) -> str:
    """A heading inside a sentence: its first letter is small unless it is a name."""
    heading = re.sub(r"[.?!:]+$", "", heading)
    first = heading.split()[0] if heading.split() else ""
    code = re.search(r"[_()]", first)
    small = (first[1:].islower() or first == "A") and first not in names and not code
    return heading[:1].lower() + heading[1:] if small else heading
