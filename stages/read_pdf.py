"""PDF documents as blocks, with their pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stages.boilerplate import is_boilerplate_section, is_boilerplate_text
from stages.contract import StageError
from stages.sources import Block, Document, Part, joined_lists

TITLE_MOST = 80
LARGER = 1.12
"""A line set this much larger than the body of the text is a heading."""
BULLET = re.compile(r"^[•◦▪‣●○–*-]\s+(?=\S)")
SIGNS = re.compile(r"[<>{}=\[\]|;@]|://|\.\s*\.|\s\d+$|\(\)")
"""What no heading has: signs of code, dots that lead to a page, the number of a page."""


@dataclass(frozen=True)
class Row:
    """One line of a page and the size of its type, 0 if unknown."""

    text: str
    size: float = 0.0


def read_pdf(raw: bytes, name: str) -> Document:
    """Read a PDF's text layer. Raises StageError if it has none or is locked."""
    pages = _pages(raw, name)
    if not any(row.text.strip() for page in pages for row in page):
        raise StageError(
            f"{name}: the PDF has no text layer, only pictures of pages",
            "run OCR over it: ocrmypdf in.pdf out.pdf",
        )
    running = _running_lines(pages)
    body = _body_size(pages)
    sized = any(row.size > LARGER * body and _may_be_heading(row.text) for page in pages for row in page)
    blocks: list[Block] = []
    title, section = "", ""
    for number, page in enumerate(pages, 1):
        for line, text, size in _chunks(page, running, body if sized else 0.0):
            if _is_heading(text) and (size > LARGER * body or not sized):
                section = re.sub(r"^(?:chapter\s+)?[\d.]+:?\s+", "", " ".join(text.split()), flags=re.I)
                title = title or section
            elif not is_boilerplate_section(section) and not is_boilerplate_text(text):
                blocks.append(_block(text, section, line, number))
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return Document(
        name, (_title(pages[0], body) if sized else "") or title or stem, tuple(joined_lists(blocks))
    )


def _title(page: Sequence[Row], body: float) -> str:
    """What is set largest on the first page, its lines together; empty if that is no title."""
    size = max((row.size for row in page if _may_be_heading(row.text)), default=0.0)
    text = " ".join(row.text.strip() for row in page if abs(row.size - size) < 0.5)
    return text if size > LARGER * body and len(text) <= TITLE_MOST and _is_heading(text) else ""


def _block(text: str, section: str, line: int, page: int) -> Block:
    """A paragraph, or one member of a list."""
    if not BULLET.match(text):
        return Block("paragraph", section, line, text=text, page=page)
    part = Part(" ".join(BULLET.sub("", text).split()), line)
    return Block("list", section, line, parts=(part,), page=page)


def _pages(raw: bytes, name: str) -> list[list[Row]]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        raise StageError(
            f"{name}: not a readable PDF ({error})", "save it again without a password"
        ) from None
    try:
        return [list(_rows(page.get_textpage())) for page in pdf]
    finally:
        pdf.close()


def _rows(page: Any) -> Iterator[Row]:
    """The lines of a page, each with the size of its first letter."""
    from pypdfium2.raw import FPDFText_GetFontSize

    at = 0
    for line in page.get_text_range().split("\n"):
        text = line.replace("\r", "")
        first = at + len(text) - len(text.lstrip())
        yield Row(text, float(FPDFText_GetFontSize(page, first)) if text.strip() else 0.0)
        at += len(line) + 1


def _body_size(pages: list[list[Row]]) -> float:
    """The size of type that most letters have."""
    letters: Counter[float] = Counter()
    for page in pages:
        for row in page:
            letters[round(row.size, 1)] += len(row.text)
    return letters.most_common(1)[0][0]


def _running_lines(pages: list[list[Row]]) -> set[str]:
    """Headers and footers: lines that stand on more than half of the pages, page numbers aside."""
    if len(pages) < 3:
        return set()
    counted = Counter(line for page in pages for line in {_without_digits(row.text) for row in page})
    return {line for line, count in counted.items() if line and count > len(pages) / 2}


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "#", line.strip())


def _chunks(rows: list[Row], running: set[str], body: float) -> Iterator[tuple[int, str, float]]:
    """Paragraphs of a page, with their first line and size: a short line that ends a sentence, or a heading, ends one.

    A change of size (``body`` is known) and a bullet begin a new one.
    """
    held: list[str] = []
    start, size = 1, 0.0
    widest = max((len(row.text) for row in rows), default=0)
    for number, row in enumerate(rows, 1):
        line = row.text.strip()
        noise = not line or _without_digits(line) in running or bool(re.fullmatch(r"[\d\s]+|[ivxl]+", line))
        larger, before = (each > LARGER * body for each in (row.size, size))
        changed = bool(body) and (larger != before or (larger and abs(row.size - size) > 0.5))
        if held and (not line or (not noise and (changed or BULLET.match(line)))):
            yield start, _joined(held), size
            held = []
        if noise:
            continue
        if not held:
            start, size = number, row.size
        held.append(line)
        short = len(line) < 0.75 * widest
        heading = not body and len(held) == 1 and _is_heading(line)
        if short and size <= LARGER * (body or size) and (re.search(r"[.!?]$", line) or heading):
            yield start, _joined(held), size
            held = []
    if held:
        yield start, _joined(held), size


def _joined(lines: list[str]) -> str:
    """The lines of a paragraph, without marks of references; a word divided at a line's end is whole again."""
    whole = re.sub(r"(\w)[-\u00ad\ufffe\x02]\n(?=[a-z])", r"\1", "\n".join(lines))
    return re.sub(r"(?<=\w)\[[\w.+-]{1,16}\]", "", whole)


def _may_be_heading(text: str) -> bool:
    return bool(text.strip()) and _is_heading(text.strip())


def _is_heading(text: str) -> bool:
    words = text.split()
    return (
        0 < len(words) <= 12
        and text[:1].isalnum()
        and not text[:1].islower()
        and not re.search(r"[.!?:;,]$", text)
        and not SIGNS.search(text)
    )
