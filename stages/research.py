"""Stage research: what the sources say about the plan, each thing with its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stages.brief import subject
from stages.callee import whole
from stages.contract import Context, StageError
from stages.items import Item, Research, SourceDocument, save_research
from stages.language import foreign, latin_enough
from stages.plan import Plan, load_plan
from stages.rank import relevance
from stages.said_code import LOST
from stages.sections import Section, sections_of
from stages.sentences import (
    begins_small,
    count_words,
    is_sentence,
    points_back,
    points_elsewhere,
    shorten,
    split_sentences,
)
from stages.sources import Block, Document, read_documents

MAX_ITEMS = 3000
FIGURES = re.compile(r"(?<![\w`/.])[$€£]?\d[\d,.]*\s?(?:%|[a-zA-Zµ°/]+)?")
MAX_CODE_LINES = 14
MAX_ROWS = 12


def run(context: Context) -> None:
    """Write ``research.json``: facts, numbers, lists, steps, code, tables and quotes of the planned parts."""
    documents = read_documents(context)
    sections = [section for document in documents for section in sections_of(document)]
    plan = load_plan(context.run_dir, sections)
    context.progress(0.3, "extracting")
    notes: list[str] = []
    found = list(extract(_planned(plan, sections), notes))
    if not found:
        raise StageError(
            "the planned parts hold nothing that can be told", "add parts to outline.txt, or other sources"
        )
    context.progress(0.6, f"ranking {len(found)} items")
    brief = f"{plan.title}. {subject(context.intent)}"
    scores = relevance(brief, [f"{item.section}. {item.text} {' '.join(item.parts)}" for item in found])
    items = [item.model_copy(update={"score": score}) for item, score in zip(found, scores, strict=True)]
    research = Research(brief=context.intent, documents=_documents(documents), items=items, notes=notes)
    save_research(research, context.out_dir / "research.json")
    context.describe("research.json", "research", items=len(items), notes=notes)


def _documents(documents: Sequence[Document]) -> list[SourceDocument]:
    return [
        SourceDocument(name=d.name, title=d.title, words=sum(count_words(b.text) for b in d.blocks))
        for d in documents
    ]


def _planned(plan: Plan, sections: Sequence[Section]) -> list[Section]:
    """The sections of the plan in the plan's order; all of them if the plan names none."""
    by_name = {(section.source, section.heading): section for section in sections}
    chosen = [by_name[part.source, part.heading] for part in plan.all_parts]
    return list(dict.fromkeys(chosen)) or list(sections)


def extract(sections: Sequence[Section], notes: list[str]) -> Iterator[Item]:
    """Every thing that some sections say; ``notes`` gets what had to be left out."""
    number = 0
    skipped = 0
    for section in sections:
        for paragraph, block in enumerate(section.blocks):
            lead = section.blocks[paragraph - 1] if paragraph else None
            for item in _items(section, block, paragraph, lead):
                if number >= MAX_ITEMS:
                    notes.append(f"only the first {MAX_ITEMS} items were kept")
                    return
                if item is None:
                    skipped += 1
                    continue
                number += 1
                yield item.model_copy(update={"id": f"f{number:03d}"})
    if skipped:
        notes.append(
            f"{skipped} sentences could not be said: too long to divide, not whole, or not in Latin letters"
        )


def _items(section: Section, block: Block, paragraph: int, lead: Block | None) -> Iterator[Item | None]:
    if block.kind == "paragraph":
        yield from _sentences(section, block, paragraph)
    elif block.kind == "quote":
        yield _quote(section, block, paragraph)
    elif block.kind == "code" and len(block.text.split("\n")) > 40:
        yield None
    else:
        yield _structure(section, block, paragraph, _lead(lead))


def _sentences(section: Section, block: Block, paragraph: int) -> Iterator[Item | None]:
    """The sentences of a paragraph; one that leans on a sentence that is left out is left out too."""
    follows = True
    for sentence in split_sentences(block.text):
        text = sentence.text
        if text.endswith(":"):
            continue  # it leads to the block after it, and is kept there
        opens = paragraph == 0 and sentence.offset == 0
        alone = not points_back(whole(text, section.heading, opens=paragraph == 0)) or (
            opens and _points_to(text, section.heading)
        )
        cut = block.page is not None and begins_small(text)
        follows = sayable(text) and not cut and (alone or follows)
        if not follows:
            yield None
            continue
        yield Item(
            id="f000",
            kind="number" if FIGURES.search(text) else "fact",
            text=text,
            section=section.heading,
            source=section.source,
            line=block.line + block.text[: sentence.offset].count("\n"),
            page=block.page,
            paragraph=paragraph,
            alone=alone,
        )


def _points_to(text: str, heading: str) -> bool:
    """Whether "this dough" is the dough of the heading over it, which is seen."""
    named = re.match(r"(?:this|these) (\w+)", text, re.I)
    return bool(named and re.search(rf"\b{named[1]}\b", heading, re.I))


def sayable(text: str) -> bool:
    """Whether the voice can say a sentence and a listener can follow it."""
    whole = is_sentence(text) and latin_enough(text) and not foreign(text) and LOST not in text
    return whole and bool(shorten(text)) and not points_elsewhere(text)


def _quote(section: Section, block: Block, paragraph: int) -> Item | None:
    text = " ".join(block.text.split())
    match = re.match(r"(.+?[.!?][\"”]?)\s*(?:[—–-]{1,2}\s*(.{3,60}))?$", text)
    if not match or count_words(match[1]) > 45 or not latin_enough(text):
        return None
    return Item(
        id="f000",
        kind="quote",
        text=match[1].strip('"“”'),
        section=section.heading,
        source=section.source,
        line=block.line,
        page=block.page,
        paragraph=paragraph,
        parts=[match[2]] if match[2] else [],
    )


def _structure(section: Section, block: Block, paragraph: int, lead: str) -> Item | None:
    kind = block.kind
    assert kind in ("list", "steps", "code", "table")
    parts = [" ".join(part.text.split()) for part in block.parts if _part_sayable(part.text)]
    if kind in ("list", "steps") and len(parts) < 2:
        return None
    lines = block.text.split("\n") if kind == "code" else []
    if kind == "table" and (len(block.columns) < 2 or not block.rows):
        return None
    return Item(
        id="f000",
        kind=kind,
        # A lead may count ("three things changed"): it leads only to a list that is whole.
        text=(lead if len(parts) == len(block.parts) else "") or section.heading,
        section=section.heading,
        source=section.source,
        line=block.line,
        page=block.page,
        paragraph=paragraph,
        parts=parts or lines[:MAX_CODE_LINES],
        language=block.language,
        columns=list(block.columns),
        rows=[list(row) for row in block.rows[:MAX_ROWS]],
    )


def _part_sayable(text: str) -> bool:
    """Whether a member of a list is words, and no signature of a function or type."""
    return latin_enough(text) and not re.search(r"[{<][^{}<>]*[}>]", text.replace("`", ""))


def _lead(block: Block | None) -> str:
    """The sentence that leads to a list, table or code: the paragraph before it ends in a colon."""
    if block is None or block.kind != "paragraph":
        return ""
    sentences = [sentence.text for sentence in split_sentences(block.text)]
    return sentences[-1] if sentences and sentences[-1].endswith(":") else ""
