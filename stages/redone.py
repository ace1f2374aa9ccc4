"""The storyboard after a rejection: the scenes that it names are made anew, all others stay as a person left them.

A scene of the last storyboard is known by the sentences of the script that it was made of (``Scene.timed_for``),
so that neither a scene that was divided nor one that was put in by hand moves the edits of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby

from stages.drafts import Draft, Frame, draft_of, fitting
from stages.placing import shown_words
from stages.scenes import Scene, narration_digest, part_count
from stages.script_text import Line, Paragraph, ScriptPart
from stages.sentences import split_sentences
from stages.shapes import together
from stages.spoken import narration, say
from stages.voice import SpokenWord
from stages.wishes import Wish

SAME_SENTENCE = 0.5
"""How much of a sentence is left of one that a person has changed, at least."""

STOPS = ".,;:!?…"


@dataclass(frozen=True)
class Slot:
    """One scene of the new storyboard: a draft to be spoken, or a scene of the last one as it is."""

    draft: Draft | None = None
    kept: Scene | None = None
    note: str = ""
    """What could not be done as it was asked for, or not be kept."""


@dataclass(frozen=True, order=True)
class Stretch:
    """Which sentences of which draft a scene was made of."""

    draft: int
    first: int
    after: int


def wished_drafts(drafts: Sequence[Draft], wishes: Mapping[str, Wish], frame: Frame) -> list[Draft]:
    """The drafts with each wish done that names one of them by its number."""
    named = ((draft, wishes.get(f"scene_{number:03d}")) for number, draft in enumerate(drafts))
    return [each for draft, wish in named for each in (wished(wish, draft, frame) if wish else [draft])]


def slots_of(
    last: Sequence[Scene],
    drafts: Sequence[Draft],
    wishes: Mapping[str, Wish],
    frame: Frame,
    voices: Collection[str],
) -> tuple[list[Slot], list[str]]:
    """The new scenes in order, and what of the last ones could not be kept.

    ``drafts`` is what the script makes without wishes, ``wishes`` name scenes of ``last``; ``voices`` are those
    that the times of these may belong to.
    """
    stretches = _stretches(drafts, voices)
    slots: list[tuple[Stretch | None, Slot]] = []
    gone: list[Scene] = []
    for scene, stretch in zip(last, _located(last, stretches, voices), strict=True):
        wish = wishes.get(scene.id)
        if stretch is None and scene.timed_for and scene.timed_for not in stretches:
            gone.append(scene)  # the script says something else now
        elif wish is None:
            slots.append((stretch, Slot(kept=scene, note=_note_of(stretch, drafts))))
        elif not scene.narration.split():
            slots.append((stretch, Slot(kept=scene, note=wish.refused("it says nothing"))))
        else:
            base, why = _base(scene, stretch, drafts, frame, voices)
            slots += [(stretch, each) for each in _anew(scene, base, wish, why, frame)]
    for stretch in _missing(drafts, [known for known, _ in slots if known]):
        made = _part_of(drafts[stretch.draft], stretch, frame)
        note = "it is in script.txt and was not in the last storyboard; to leave it out, take it out there"
        at = max((at for at, (known, _) in enumerate(slots, 1) if known and known < stretch), default=0)
        slots[at:at] = [(stretch, Slot(each, note=_joined(each.note, note))) for each in made]
    lost = [
        f"what {scene.id} was made to say in storyboard.json is not kept: script.txt says something else there now"
        for scene in gone
        if _edited(scene, voices)
    ]
    return [slot for _, slot in slots], lost


def wished(wish: Wish, draft: Draft, frame: Frame) -> list[Draft]:
    """A scene as a person asks for it; as it was, with the reason, where that cannot be done."""
    if not wish.understood:
        return [replace(draft, refused=True)]
    frame = replace(frame, look=replace(frame.look, tight=wish.tight, layout=wish.layout))
    lines = [draft.lines] if not wish.divided or draft.show else [(line,) for line in draft.lines]
    made = [each for held in lines for each in fitting(draft.part, Paragraph(held, draft.show), frame)]
    why = _hindrance(wish, draft, made)
    if not why:
        return made
    return [replace(draft, note=_joined(draft.note, wish.refused(why)), refused=True)]


def _hindrance(wish: Wish, draft: Draft, made: Sequence[Draft]) -> str:
    """Why a wish does not give what it asks for; empty if it does."""
    lines, content = draft.lines, made[0].shape.content
    same, layout = made[0].shape == draft.shape, content.layout
    why = ""
    if wish.divided:
        if len(made) == 1:
            why = "what it shows belongs to all that is said" if draft.show else "it is one sentence"
    elif wish.tight:
        if same:
            why = "no rule tells it in fewer words that are as true"
    elif same and layout == wish.layout:
        why = f"it is a {layout} already"
    elif layout == "statement" == wish.layout:
        if len(lines) > 1 and not together(lines):
            why = "its sentences are too long for one statement, and none is left out"
    elif layout == "recap" and part_count(content) < len(lines) - 1:
        why = f"it has more sentences than the {part_count(content)} of a recap"
    elif layout != wish.layout and (wish.layout, layout) != ("list", "comparison"):
        few = f"as {wish.layout} it would need two sentences or more"
        why = "it does not fit the frame" if made[0].note else few
    return why


def _stretches(drafts: Sequence[Draft], voices: Collection[str]) -> dict[str, list[Stretch]]:
    """Every stretch of sentences of one draft, by the digest of its narration."""
    found: dict[str, list[Stretch]] = {}
    for number, draft in enumerate(drafts):
        said = [say(line.text) for line in draft.lines]
        for first in range(len(said)):
            for after in range(first + 1, len(said) + 1):
                text = narration([word for line in said[first:after] for word in line])
                for voice in voices:
                    known = found.setdefault(narration_digest(text, voice), [])
                    known.append(Stretch(number, first, after))
    return found


def _located(
    last: Sequence[Scene], stretches: Mapping[str, Sequence[Stretch]], voices: Collection[str]
) -> Iterator[Stretch | None]:
    """Which sentences each scene was made of, whatever a person has made of them; none of a scene put in by hand."""
    free = {digest: [*known] for digest, known in stretches.items()}
    for scene in last:
        digests = [scene.timed_for] if scene.timed_for else _digests(scene, voices)
        yield next((known.pop(0) for digest in digests if (known := free.get(digest))), None)


def _digests(scene: Scene, voices: Collection[str]) -> list[str]:
    return [narration_digest(scene.narration, voice) for voice in voices]


def _edited(scene: Scene, voices: Collection[str]) -> bool:
    """Whether a person has changed what it says since it was made."""
    return bool(scene.timed_for) and scene.timed_for not in _digests(scene, voices)


def _missing(drafts: Sequence[Draft], there: Collection[Stretch]) -> Iterator[Stretch]:
    """The sentences of the script that no scene says."""
    told = {(each.draft, line) for each in there for line in range(each.first, each.after)}
    for number, draft in enumerate(drafts):
        lines = [line for line in range(len(draft.lines)) if (number, line) not in told]
        for _, group in groupby(enumerate(lines), lambda pair: pair[1] - pair[0]):
            stretch = [line for _, line in group]
            yield Stretch(number, stretch[0], stretch[-1] + 1)


def _part_of(draft: Draft, stretch: Stretch, frame: Frame) -> list[Draft]:
    lines = draft.lines[stretch.first : stretch.after]
    if len(lines) == len(draft.lines):
        return [draft]
    return fitting(draft.part, Paragraph(lines, draft.show), frame)


def _note_of(stretch: Stretch | None, drafts: Sequence[Draft]) -> str:
    """What is to be told of a scene as the script makes it."""
    if stretch is None:
        return ""
    draft = drafts[stretch.draft]
    return draft.note if stretch == Stretch(stretch.draft, 0, len(draft.lines)) else ""


def _base(
    scene: Scene, stretch: Stretch | None, drafts: Sequence[Draft], frame: Frame, voices: Collection[str]
) -> tuple[Draft, str]:
    """What a wish is applied to, with the sentences as a person left them; and which of their edits are lost."""
    if stretch is None:
        lines = _lines(scene, (), tuple(citation.item for citation in scene.citations))
        return draft_of(ScriptPart(scene.heading, ()), Paragraph(lines), frame), ""
    draft = drafts[stretch.draft]
    lines = draft.lines[stretch.first : stretch.after]
    lost = ""
    if _edited(scene, voices):
        lines = _lines(scene, lines)
    elif [word.text for word in scene.words] != [said.written for line in lines for said in say(line.text)]:
        lost = "its captions are the script's again; write {shown|said} in script.txt to have them differ"
    if lines != draft.lines:
        draft = draft_of(draft.part, Paragraph(lines, draft.show), frame)
    return draft, lost


def _anew(scene: Scene, base: Draft, wish: Wish, lost: str, frame: Frame) -> Iterator[Slot]:
    """The scenes that a wish makes of one, under the heading that it has; itself where it cannot be done."""
    made = wished(wish, base, frame)
    if made[0].refused:
        yield Slot(kept=scene, note=made[0].note)
        return
    for draft in made:
        heading = scene.heading if scene.heading != base.heading else draft.heading
        yield Slot(replace(draft, heading=heading), note=_joined(draft.note, lost))
        lost = ""


def _lines(scene: Scene, before: Sequence[Line], cited: tuple[str, ...] = ()) -> tuple[Line, ...]:
    """The sentences that a person has written as narration, each resting on what the one rests on that it was."""
    found = []
    for sentence in split_sentences(_as_in_a_script(scene)):
        said = narration(say(sentence.text))
        near = [
            (SequenceMatcher(None, narration(say(line.text)), said, autojunk=False).ratio(), line.items)
            for line in before
        ]
        ratio, items = max(near, key=lambda pair: pair[0], default=(0.0, ()))
        found.append(Line(sentence.text, items if ratio >= SAME_SENTENCE else cited))
    return tuple(found)


def _as_in_a_script(scene: Scene) -> str:
    """What is said, written as it is shown: ``{nginx|engine x}`` where one does not follow from the other."""
    spoken = scene.narration.split()
    places = [SpokenWord(word, float(at), float(at + 1)) for at, word in enumerate(spoken)]
    written = []
    for word in shown_words(scene, places):
        said = tuple(spoken[int(word.start) : int(word.end)])
        same = [each.words for each in say(word.text)] == [said]
        shown = word.text.rstrip(STOPS)
        by_hand = f"{{{shown}|{' '.join(said).rstrip(STOPS)}}}{word.text[len(shown) :]}"
        written.append(word.text if same else by_hand)
    return " ".join(written)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
