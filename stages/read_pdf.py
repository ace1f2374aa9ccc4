"""PDF documents as blocks, with their pages."""

from __future__ import annotations

import re
from collections import Counter

from stages.boilerplate import is_boilerplate_section, is_boilerplate_text
from stages.contract import StageError
from stages.sources import Block, Document


def read_pdf(raw: bytes, name: str) -> Document:
    """Read a PDF's text layer. Raises StageError if it has none or is locked."""
    pages = _pages(raw, name)
    if not any(page.strip() for page in pages):
        raise StageError(
            f"{name}: the PDF has no text layer, only pictures of pages",
            "run OCR over it: ocrmypdf in.pdf out.pdf",
        )
    running = _running_lines(pages)
    blocks: list[Block] = []
    title, section = "", ""
    for number, page in enumerate(pages, 1):
        for line, text in _chunks(page.split("\n"), running):
            if _is_heading(text):
                section = re.sub(r"^[\d.]+\s+", "", text)
                title = title or section
            elif not is_boilerplate_section(section) and not is_boilerplate_text(text):
                blocks.append(Block("paragraph", section, line, text=text, page=number))
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return Document(name, title or stem, tuple(blocks))


def _pages(raw: bytes, name: str) -> list[str]:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        raise StageError(
            f"{name}: not a readable PDF ({error})", "save it again without a password"
        ) from None
    try:
        return [
            page.get_textpage().get_text_range().replace("\r\n", "\n").replace("\r", "\n") for page in pdf
        ]
    finally:
        pdf.close()


def _running_lines(pages: list[str]) -> set[str]:
    """Headers and footers: lines that stand on more than half of the pages, page numbers aside."""
    if len(pages) < 3:
        return set()
    counted = Counter(line for page in pages for line in {_without_digits(row) for row in page.split("\n")})
    return {line for line, count in counted.items() if line and count > len(pages) / 2}


def _without_digits(line: str) -> str:
    return re.sub(r"\d+", "#", line.strip())


def _chunks(rows: list[str], running: set[str]) -> list[tuple[int, str]]:
    """Paragraphs of a page: a line that ends a sentence and is short, or a heading, ends one."""
    found: list[tuple[int, str]] = []
    held: list[str] = []
    start = 1
    widest = max((len(row) for row in rows), default=0)
    for number, row in enumerate(rows, 1):
        line = row.strip()
        if not line or _without_digits(line) in running or re.fullmatch(r"[\d\s]+", line):
            if held and not line:
                found.append((start, _joined(held)))
                held = []
            continue
        if not held:
            start = number
        held.append(line)
        short = len(line) < 0.75 * widest
        if short and (re.search(r"[.!?]$", line) or (len(held) == 1 and _is_heading(line))):
            found.append((start, _joined(held)))
            held = []
    return [*found, (start, _joined(held))] if held else found


def _joined(lines: list[str]) -> str:
    """The lines of a paragraph; a word that was divided at a line's end is whole again."""
    return re.sub(r"(\w)[-\u00ad\ufffe\x02]\n(?=[a-z])", r"\1", "\n".join(lines))


def _is_heading(text: str) -> bool:
    words = text.split()
    return (
        0 < len(words) <= 9
        and text[:1].isalnum()
        and not text[:1].islower()
        and not re.search(r"[.!?:;,]$", text)
    )
