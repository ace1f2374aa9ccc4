"""``transcript.md``: everything that is said, with its time, and for each claim where its source says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stages import storyboard_file
from stages.contract import StageError
from stages.items import Item, load_research
from stages.script_text import load_script
from stages.spoken import say

if TYPE_CHECKING:
    from stages.contract import Context
    from stages.scenes import Citation, Scene, Storyboard

NAME = "transcript.md"
QUOTED = 240
"""Characters of a source that are quoted; the place says where the rest stands."""
_MARKS = re.compile(r"([\\`*_\[\]<>|])")
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]]*$")

Sentence = tuple[str, tuple[str, ...]]
"""What is said, and the research items it rests on."""


@dataclass
class Places:
    """The sources named so far, each with its number."""

    items: Mapping[str, Item]
    found: dict[str, str] = field(default_factory=dict)
    """What stands in the list for each item."""

    def marks(self, citations: Iterable[Citation]) -> str:
        """``[1] [2]`` for these citations."""
        numbers = []
        for citation in citations:
            self.found.setdefault(citation.item, self._told(citation))
            numbers.append(list(self.found).index(citation.item) + 1)
        return " ".join(f"[[{number}]](#source-{number})" for number in numbers)

    def _told(self, citation: Citation) -> str:
        place = f"page {citation.page}" if citation.page else f"line {citation.line}"
        item = self.items.get(citation.item)
        quoted = _quoted(item) if item else ""
        return f"{_plain(citation.source)}, {place}" + (f": “{quoted}”" if quoted else "")


def write(context: Context, board: Storyboard) -> None:
    """Write the transcript of the video that ``board`` describes."""
    items, lines = _research(context), _lines(context)
    places = Places(items)
    text = "\n".join(_page(board, lines, places)) + "\n"
    (context.out_dir / NAME).write_text(text, encoding="utf-8")
    context.describe(NAME, "transcript", sources=len(places.found))


def _page(board: Storyboard, lines: Mapping[tuple[str, ...], Sentence], places: Places) -> Iterator[str]:
    starts = storyboard_file.starts(board)
    yield f"# {_plain(board.title)}\n"
    yield f"{_clock(starts[-1])} minutes. The numbers lead to the sources, at the end."
    chapters = {start: title for start, _, title in storyboard_file.chapters(board)}
    for scene, start in zip(board.scenes, starts, strict=False):
        if start in chapters:
            yield f"\n## {_clock(start)} {_plain(chapters[start])}".rstrip()
        said = " ".join(_said(scene, lines, places))
        if said:
            yield f"\n{said}"
    if places.found:
        yield "\n## The sources\n"
        for number, told in enumerate(places.found.values(), 1):
            yield f'{number}. <a id="source-{number}"></a>{told}'


def _said(scene: Scene, lines: Mapping[tuple[str, ...], Sentence], places: Places) -> Iterator[str]:
    """The sentences of a scene, each with what it rests on; what a person changed is cited with the scene."""
    known = {citation.item: citation for citation in scene.citations}
    cited: set[str] = set()
    for text, items in sentences([word.text for word in scene.words], lines):
        own = [item for item in items if item in known]
        cited.update(own)
        marks = places.marks(known[item] for item in own)
        yield f"{_plain(text)} {marks}".rstrip()
    if rest := places.marks(citation for item, citation in known.items() if item not in cited):
        yield rest


def sentences(words: Sequence[str], lines: Mapping[tuple[str, ...], Sentence]) -> Iterator[Sentence]:
    """``words`` as the script's sentences where they are those, else as sentences without items."""
    longest = max(map(len, lines), default=0)
    at, loose = 0, 0
    while at < len(words):
        sizes = range(min(longest, len(words) - at), 0, -1)
        known = next((size for size in sizes if tuple(words[at : at + size]) in lines), 0)
        if known:
            if loose < at:
                yield " ".join(words[loose:at]), ()
            yield lines[tuple(words[at : at + known])]
            at += known
            loose = at
            continue
        at += 1
        if _SENTENCE.search(words[at - 1]) or at == len(words):
            yield " ".join(words[loose:at]), ()
            loose = at


def _lines(context: Context) -> dict[tuple[str, ...], Sentence]:
    """The script's sentences by the words that captions show for them; none if it cannot be read."""
    try:
        script = load_script(context.run_dir, _research(context).keys())
    except StageError:
        return {}
    found: dict[tuple[str, ...], Sentence] = {}
    for _, paragraph in script.paragraphs:
        for line in paragraph.lines:
            shown = tuple(said.written for said in say(line.text))
            found[shown] = (" ".join(shown), line.items)
    return found


def _research(context: Context) -> dict[str, Item]:
    try:
        return {item.id: item for item in load_research(context.run_dir).items}
    except StageError:
        return {}


def _quoted(item: Item) -> str:
    """The words that stand at the item's place: of a list, a table or code those are its own, not its lead's."""
    cells = [", ".join(row) for row in (item.columns, *item.rows)] if item.rows else []
    own = item.parts if item.kind in ("list", "steps", "code") else cells
    text = " ".join((" / ".join(part.strip() for part in own if part.strip()) or item.text).split())
    return _plain(text if len(text) <= QUOTED else text[:QUOTED].rsplit(" ", 1)[0] + " …")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
