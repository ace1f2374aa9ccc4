"""Stage outline: which parts of the sources the video tells, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from stages import theme as themes
from stages.boilerplate import is_boilerplate_section
from stages.brief import audience_asked, minutes_asked, subject
from stages.cardtext import bare
from stages.contract import Context, StageError
from stages.dates import dated
from stages.feedback import Feedback, read_feedback
from stages.figures import every_figures
from stages.honoured import RECAP, Attempt, report, sections_told
from stages.language import refuse_unspoken
from stages.notes import all_notes, earlier_notes
from stages.plan import Plan, PlannedPart, print_plan
from stages.rank import most_telling, relevance
from stages.sections import UNTITLED, Section, closes, opens, sections_of, tellable
from stages.sentences import count_words, split_sentences
from stages.sources import Document, read_documents
from stages.writer import NoAnswerError, writer_of
from stages.written import written_plan

SECONDS_A_PART = 15
SECONDS_A_WORD = 0.43
ENOUGH = 1.3
"""So much more than the length asked for, since not every sentence can be told."""
MOST_PARTS = 60
FIRST_PARTS = 4
"""Among so many an introduction is looked for: a title page and its authors stand before it."""
PARTS_SHARE = 0.62
"""Of the length; opening and close take the rest."""
RICH = {"chart": 0.12, "dates": 0.15, "table": 0.03, "steps": 0.10, "code": 0.06, "list": 0.05, "quote": 0.03}
"""What a section gains by material that makes a picture."""


NUMBERS = 0.025
"""What a section gains by each number: figures make a claim concrete."""


def run(context: Context) -> None:
    """Write ``outline.txt`` from the brief and the sources' own headings."""
    themes.asked(context.params, context.sources)  # refused now, not when a script has been approved
    documents = read_documents(context)
    refuse_unspoken(documents)
    context.progress(0.3, f"read {len(documents)} source(s)")
    feedback = read_feedback(context.feedback, earlier_notes(context))
    sections = [section for document in documents for section in sections_of(document)]
    plan = make_plan(context, documents, sections, feedback)
    plan, told = _written(context, plan, sections, feedback) or (plan, _honoured(plan, sections, feedback))
    notes = [*told, *_left_out(plan, sections)]
    remarks = {section.heading: _remark(section) for section in sections}
    (context.out_dir / "outline.txt").write_text(print_plan(plan, remarks, notes), encoding="utf-8")
    context.describe("outline.txt", "outline", title=plan.title, parts=len(plan.parts), notes=notes)


def _written(
    context: Context, plan: Plan, sections: Sequence[Section], feedback: Feedback
) -> tuple[Plan, list[str]] | None:
    """The plan as the policy's model makes it, and what to tell of that; None without a model."""
    writer = writer_of(context.params)
    if not writer:
        return None
    context.progress(0.4, f"asking {writer.model}")
    try:
        made = written_plan(writer, plan, sections, context.intent, all_notes(context))
    except NoAnswerError as error:
        return plan, [f"planned by rules, not by the model: {error}", *_honoured(plan, sections, feedback)]
    return made, [f"planned by {writer.model} from the sources' own sections"]


def _honoured(plan: Plan, sections: Sequence[Section], feedback: Feedback) -> list[str]:
    planned = {(part.heading, part.source) for part in plan.all_parts}
    chosen = [section for section in sections if (section.heading, section.source) in planned]
    now = Attempt(sections_told(chosen), plan.minutes * 60)
    return report(feedback, "outline.txt", now, sections_told(sections))


def make_plan(
    context: Context, documents: Sequence[Document], sections: Sequence[Section], feedback: Feedback
) -> Plan:
    """Choose the sections that tell the brief, as many as the length holds, in the sources' order."""
    minutes = feedback.minutes(minutes_asked(context.params))
    wanted = [
        section
        for section in sections
        if not feedback.leaves_out(section.heading, kind=RECAP if closes(section) else "")
    ]
    openings = [opening for document in documents for opening in _introduction(document, wanted)]
    opening = openings[:1]
    if not opening and len(wanted) > 1 and wanted[0].heading.endswith(UNTITLED):
        opening = wanted[:1]
    closing = [section for section in wanted if closes(section) and section not in opening][-1:]
    framed = [*opening, *closing]
    middle = [s for s in wanted if s not in framed and (tellable(s) or _material(s))]
    if not (middle or opening or closing):
        raise StageError(
            "the sources hold no whole sentences to tell", "give documents with a few sentences of prose"
        )
    framed_seconds = sum(_seconds(section) for section in framed)
    chosen = _choose(context.intent, middle, minutes * 60, framed_seconds, feedback)
    told = {section.source for section in chosen}
    # A second document is introduced too, before the first of its parts.
    chosen = [s for s in middle if s in chosen or (s in openings and s.source in told)]
    return Plan(
        _title(context.intent, documents),
        minutes,
        audience_asked(context.params),
        _planned(opening),
        _planned(chosen),
        _planned(closing),
    )


def _title(intent: str, documents: Sequence[Document]) -> str:
    """That of the only document, if it is one; else what the brief is about."""
    own = documents[0].title
    fits = len(documents) == 1 and len(own) <= 60 and not is_boilerplate_section(own)
    return bare(own if fits else _capital(subject(intent))) or documents[0].name


def _introduction(document: Document, sections: Sequence[Section]) -> list[Section]:
    """The section that opens a document, if it has one among its first."""
    own = [section for section in sections if section.source == document.name][:FIRST_PARTS]
    return [s for s in own if opens(s, document.title) and (tellable(s) or _material(s))][:1]


def _choose(
    intent: str, sections: Sequence[Section], seconds: float, framed: float, feedback: Feedback
) -> list[Section]:
    """The sections that say most about the brief without repeating each other, in order.

    As many as the length has room for; more where these hold too little to fill it, together with the
    ``framed`` seconds of opening and close.
    """
    count = max(1, round(seconds * PARTS_SHARE / SECONDS_A_PART))
    if len(sections) <= count:
        return list(sections)
    numbers = [min(len(re.findall(r"(?<![\w`.])\d[\d,.]*", section.prose)), 5) for section in sections]
    texts = [f"{section.heading}. {section.prose[:600]}" for section in sections]
    near = relevance(subject(intent), texts)
    scores = [
        score
        + sum(RICH[kind] for kind in _material(section))
        + min(tellable(section), 8) * 0.02
        + numbers[place] * NUMBERS
        + (1.0 if feedback.wants(texts[place]) else 0.0)
        for place, (section, score) in enumerate(zip(sections, near, strict=True))
    ]
    # The document's own order is its author's judgement: what comes early matters a little more.
    early = [score + 0.08 * (1 - place / len(scores)) for place, score in enumerate(scores)]
    best = most_telling(early, texts, min(len(texts), MOST_PARTS), weight=0.8)
    held = framed + sum(_seconds(sections[place]) for place in best[:count])
    while held < ENOUGH * seconds and count < len(best):
        held += _seconds(sections[best[count]])
        count += 1
    return [sections[place] for place in sorted(best[:count])]


def _seconds(section: Section) -> float:
    """About how long it takes to say all of a section."""
    sentences = [s.text for b in section.blocks if b.kind == "paragraph" for s in split_sentences(b.text)]
    parts = [part.text for block in section.blocks for part in block.parts]
    return sum(count_words(text) for text in (*sentences, *parts)) * SECONDS_A_WORD


def _material(section: Section) -> Counter[str]:
    kinds = {
        "dates" if dated([part.text for part in block.parts], block.rows)
        else "chart" if block.kind == "table" and every_figures(block.columns, block.rows) else block.kind
        for block in section.blocks if block.kind != "paragraph"
    }  # fmt: skip
    return Counter(kinds)


def _planned(sections: Sequence[Section]) -> tuple[PlannedPart, ...]:
    return tuple(PlannedPart(section.heading, section.source, section.line) for section in sections)


def _remark(section: Section) -> str:
    counted = Counter(block.kind for block in section.blocks if block.kind != "paragraph")
    sentences = tellable(section)
    parts = [f"{sentences} sentence{'s' if sentences != 1 else ''}"] if sentences else []
    return ", ".join([*parts, *(f"{count} {kind}" if count > 1 else kind for kind, count in counted.items())])


def _left_out(plan: Plan, sections: Sequence[Section]) -> list[str]:
    taken = {(part.heading, part.source) for part in plan.all_parts}
    rest = [section.heading for section in sections if (section.heading, section.source) not in taken]
    return (
        [f"left out for its length: {', '.join(rest[:12])}{' ...' if len(rest) > 12 else ''}"] if rest else []
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
