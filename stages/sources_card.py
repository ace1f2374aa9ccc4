"""The last card: what the script cites, with lines or pages."""

from __future__ import annotations

from collections.abc import Sequence

from stages.cardtext import bare
from stages.items import Item, Research
from stages.scenes import SourcesCard
from stages.script_text import Script
from stages.sections import shown_heading
from stages.shape import Cue, Shape

SOURCES_MOST = 8


def sources_shape(script: Script, research: Research) -> Shape:
    """What the script cites: of one source its parts, of several the documents, with lines or pages."""
    cited = {name for _, paragraph in script.paragraphs for name in paragraph.items}
    used = [item for item in research.items if item.id in cited]
    titles = {document.name: document.title for document in research.documents}
    grouped: dict[tuple[str, str], list[Item]] = {}
    for item in used:
        part = shown_heading(item.section) if len(titles) == 1 else ""
        grouped.setdefault((item.source, part or titles.get(item.source, item.source)), []).append(item)
    if len(titles) == 1:
        (name, title), *_ = titles.items()
        entries = [f"{bare(title)} — {name}"] if grouped else []
        entries += [
            _listed(bare(part), _places(items)) for (_, part), items in grouped.items() if part != title
        ]
    else:
        entries = [f"{bare(title)} — {name}, {_places(items)}" for (name, title), items in grouped.items()]
    entries = entries or [f"{bare(title)} — {name}" for name, title in titles.items()]
    more = len(entries) - SOURCES_MOST
    shown = entries if more <= 0 else [*entries[: SOURCES_MOST - 1], f"{more + 1} more passages"]
    return Shape(SourcesCard(items=shown), tuple(Cue(0) for _ in shown))


def _listed(heading: str, places: str) -> str:
    """A heading with its places; one that is a question keeps its mark, and needs no comma."""
    return f"{heading} {places.capitalize()}" if heading.endswith(("?", "!")) else f"{heading}, {places}"


def _places(items: Sequence[Item]) -> str:
    pages = sorted({item.page for item in items if item.page})
    numbers = pages or sorted({item.line for item in items})
    word = "page" if pages else "line"
    return f"{word} {numbers[0]}" if len(numbers) == 1 else f"{word}s {numbers[0]}–{numbers[-1]}"
