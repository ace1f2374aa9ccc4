"""The job's documents as blocks of prose, lists, code and tables, each with its place in the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stages.contract import Context, StageError

Kind = Literal["paragraph", "list", "steps", "code", "table", "quote"]

MAX_BYTES = 32 * 1024 * 1024
"""A document beyond this is refused: nobody narrates it, and it would fill the memory."""
MARKDOWN = {".md", ".markdown", ".mdown", ".mkd"}
HTML = {".html", ".htm", ".xhtml"}
TEXT = {".txt", ".text", ".rst", ".adoc", ""}
READABLE = "Markdown (.md), HTML (.html), plain text (.txt) or PDF with a text layer (.pdf)"


@dataclass(frozen=True)
class Part:
    """One member of a list or a step, with its own line."""

    text: str
    line: int


@dataclass(frozen=True)
class Block:
    """One paragraph, list, code block, table or quote of a document.

    ``text`` keeps the line breaks of the source, so that a sentence's own line can be counted.
    """

    kind: Kind
    section: str
    line: int
    """Counted from 1; in a PDF within the page."""
    text: str = ""
    parts: tuple[Part, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    language: str = ""
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """One source as it was read."""

    name: str
    title: str
    blocks: tuple[Block, ...] = field(default=())

    @property
    def sections(self) -> tuple[str, ...]:
        """The headings that have content, in order, each once."""
        return tuple(dict.fromkeys(block.section for block in self.blocks))


def read_documents(context: Context) -> list[Document]:
    """Read every source of the job, in the order the request names them.

    Raises StageError when there is none, or when one cannot be read or holds nothing to tell.
    """
    files = _files(context.sources, context.params.get("sources"))
    if not files:
        raise StageError(
            "the request names no source documents, and nothing may be invented",
            f"spork cancel {context.job_id}, then drop a new request with params: {{sources: [document.md]}}",
        )
    return [read_document(path, path.relative_to(context.sources).as_posix()) for path in files]


def read_document(path: Path, name: str) -> Document:
    """Read one document by the kind that its name says. Raises StageError if that is not what it is."""
    suffix = path.suffix.lower()
    raw = _bytes(path, name)
    if not raw.strip():
        raise StageError(f"{name}: the file is empty", f"give {READABLE}")
    if suffix == ".pdf" or raw.startswith(b"%PDF-"):
        from stages.read_pdf import read_pdf

        document = read_pdf(raw, name)
    elif suffix in HTML:
        from stages.read_html import read_html

        document = read_html(_text(raw, name), name)
    elif suffix in MARKDOWN or suffix in TEXT:
        from stages.read_markdown import read_markdown, read_plain

        reader = read_markdown if suffix in MARKDOWN else read_plain
        document = reader(_text(raw, name), name)
    else:
        raise StageError(f"{name}: documents of the kind {suffix} cannot be read", f"give {READABLE}")
    if not document.blocks:
        raise StageError(f"{name}: no readable text was found in it", f"give {READABLE} with sentences")
    return document


def joined_lists(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks of a text without markup: members of a list that follow each other are one list."""
    held: list[Block] = []
    for block in [*blocks, None]:
        same = held and block and block.kind == "list" and block.section == held[-1].section
        if held and not same:
            yield replace(held[0], parts=tuple(part for each in held for part in each.parts))
            held = []
        if block and block.kind == "list":
            held.append(block)
        elif block:
            yield block


def _files(folder: Path, named: Any) -> list[Path]:
    if not folder.is_dir():
        return []
    if isinstance(named, Sequence) and not isinstance(named, str) and named:
        return [_named(folder, str(name)) for name in named]
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _named(folder: Path, name: str) -> Path:
    """The copy of a named source; the daemon may have kept only the last part of the name."""
    for candidate in (folder / name, folder / Path(name).name):
        if candidate.is_file() and candidate.resolve().is_relative_to(folder.resolve()):
            return candidate
    raise StageError(
        f"the source {name} is not in {folder}", "put the file beside the request, or correct its name"
    )


def _bytes(path: Path, name: str) -> bytes:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise StageError(
            f"{name}: {size / 1e6:.0f} MB is more than a source may have ({MAX_BYTES / 1e6:.0f} MB)",
            "give the chapter that the video is about",
        )
    return path.read_bytes()


def _text(raw: bytes, name: str) -> str:
    """The text of a file. Raises StageError if it is not text."""
    encodings = ["utf-16"] if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig"]
    if b"\0" in raw and encodings == ["utf-8-sig"]:
        raise StageError(f"{name}: this is a binary file, whatever its name says", f"give {READABLE}")
    for encoding in encodings:
        try:
            return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            place = f"byte {error.start}"
            hint = f"save it as UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {name}"
            raise StageError(f"{name}: not UTF-8 text at {place}", hint) from None
    raise AssertionError("no encoding was tried")
