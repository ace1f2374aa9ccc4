"""Markdown and plain text as blocks, with the lines they stand on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stages.boilerplate import is_boilerplate_section, is_boilerplate_text
from stages.said_code import LOST, PICTURE_WORD, UNSAYABLE
from stages.sources import Block, Document, Kind, Part, joined_lists

if TYPE_CHECKING:
    from markdown_it.token import Token

FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.S)
COMMENT = re.compile(r"<!--.*?-->", re.S)
BULLET = re.compile(r"^[-*•+]\s+(?=\S)")
RELEASE = re.compile(r"^\[?(v?\d+(?:\.\d+)+)\]?\s*[-–—(]+\s*\d{4}-\d\d-\d\d\)?$")
"""The heading of a release with its day."""
REFERENCE = re.compile(r"\[\^?\d+\]|\[\^[^\]]+\]|\((?:#\d+[,\s]*)+\)")
"""To notes and to issues: nobody follows them in a video."""


def read_markdown(text: str, name: str) -> Document:
    """Read Markdown (CommonMark with tables)."""
    from markdown_it import MarkdownIt

    text = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = FRONT_MATTER.sub(lambda match: "\n" * match[0].count("\n"), text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    title, blocks = _walk(tokens)
    return Document(name, title or _stem(name), tuple(blocks))


def read_plain(text: str, name: str) -> Document:
    """Read plain text: paragraphs between empty lines; underlined or short capitalized lines are headings."""
    blocks: list[Block] = []
    title, section = "", ""
    for line, paragraph in paragraphs(text.split("\n")):
        rows = paragraph.split("\n")
        if _is_heading(rows):
            section = readable(rows[0]).strip("=#* ")
            title = title or section
        elif BULLET.match(rows[0]) and not is_boilerplate_section(section):
            blocks.append(Block("list", section, line, parts=tuple(_bullets(rows, line))))
        elif not is_boilerplate_section(section) and not is_boilerplate_text(paragraph):
            blocks.append(Block("paragraph", section, line, text=readable(paragraph)))
    return Document(name, title or _stem(name), tuple(joined_lists(blocks)))


def _bullets(rows: Sequence[str], line: int) -> Iterator[Part]:
    """The members of a list in plain text; a line without a bullet goes on with the one before it."""
    starts = [place for place, row in enumerate(rows) if BULLET.match(row)]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield Part(readable(BULLET.sub("", " ".join(rows[start:end]))), line + start)


def paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The paragraphs of some lines, each with the number of its first line."""
    start, held = 0, list[str]()
    for number, line in enumerate([*lines, ""], 1):
        if line.strip():
            start = start if held else number
            held.append(line.strip())
        elif held:
            yield start, "\n".join(held)
            held = []


def _is_heading(rows: list[str]) -> bool:
    if len(rows) == 2 and re.fullmatch(r"[=\-~^*]{3,}", rows[1]):
        return True
    only = rows[0]
    if BULLET.match(only) or re.search(r"[@<>]|://", only):
        return False
    return len(rows) == 1 and len(only) <= 70 and len(only.split()) <= 9 and not re.search(r"[.!?:;,]$", only)


def _stem(name: str) -> str:
    base = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return base.replace("-", " ").replace("_", " ").strip().capitalize()


def _walk(tokens: Sequence[Token]) -> tuple[str, list[Block]]:
    """The first title and all blocks; what stands under a boilerplate heading is left out."""
    title, skip_level = "", 0
    section, blocks = "", list[Block]()
    headings = _headings(tokens)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        end = _closing(tokens, index)
        if token.type == "heading_open":
            level, heading = int(token.tag[1]), plain(tokens[index + 1])
            names = level == 1 and not title
            if not skip_level or level <= skip_level:
                # What names the document is what it is about: a changelog, a licence.
                skip_level = level if is_boilerplate_section(heading) and not names else 0
            title = heading if names else title
            section = headings[index]
        elif not skip_level and (block := _block(tokens[index : end + 1], section)):
            blocks.append(block)
        index = end + 1
    return title, blocks


def _headings(tokens: Sequence[Token]) -> dict[int, str]:
    """The name of each section, by the place of its heading.

    One that others have too is told from them by what stands over it; "Added" is always that of a release.
    """
    above: list[tuple[int, str]] = []
    found: dict[int, tuple[str, str]] = {}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            level, heading = int(token.tag[1]), plain(tokens[index + 1])
            above = [each for each in above if each[0] < level]
            found[index] = (above[-1][1] if above else "", heading)
            above.append((level, heading))
    counted = Counter(heading for _, heading in found.values())
    names: dict[int, str] = {}
    for index, (parent, heading) in found.items():
        if release := RELEASE.match(parent):
            names[index] = f"{heading} in {release[1]}"
        else:
            names[index] = f"{parent}: {heading}" if parent and counted[heading] > 1 else heading
    return names


def _closing(tokens: Sequence[Token], index: int) -> int:
    depth = 0
    for position in range(index, len(tokens)):
        depth += tokens[position].nesting
        if depth == 0:
            return position
    return len(tokens) - 1


def _block(tokens: Sequence[Token], section: str) -> Block | None:
    first = tokens[0]
    line = first.map[0] + 1 if first.map else 1
    if first.type == "paragraph_open":
        text = plain(tokens[1], prose=True)
        return None if is_boilerplate_text(text) else Block("paragraph", section, line, text=text)
    if first.type in ("bullet_list_open", "ordered_list_open"):
        parts = tuple(_parts(tokens))
        kind: Kind = "steps" if first.type.startswith("ordered") else "list"
        # A list of links is navigation, not content.
        return Block(kind, section, line, parts=parts) if parts and not _all_links(tokens) else None
    if first.type in ("fence", "code_block"):
        language = first.info.split()[0] if first.info.split() else ""
        start = line + (1 if first.type == "fence" else 0)
        return Block("code", section, start, text=first.content.rstrip("\n"), language=language)
    if first.type == "table_open":
        return _table(tokens, section, line)
    if first.type == "blockquote_open":
        text = "\n".join(plain(token) for token in tokens if token.type == "inline")
        return Block("quote", section, line, text=text) if text else None
    return None


def _parts(tokens: Sequence[Token]) -> Iterator[Part]:
    """The first paragraph of each member of the outermost list."""
    level = tokens[0].level + 1
    for index, token in enumerate(tokens):
        if token.type == "list_item_open" and token.level == level:
            inline = next((later for later in tokens[index + 1 :] if later.type == "inline"), None)
            text = plain(inline) if inline else ""
            if text and not is_boilerplate_text(text):
                yield Part(text, token.map[0] + 1 if token.map else 1)


def _all_links(tokens: Sequence[Token]) -> bool:
    inlines = [token for token in tokens if token.type == "inline"]
    linked = [token for token in inlines if re.fullmatch(r"\s*\[[^\]]*\]\([^)]*\)\s*", token.content)]
    return bool(inlines) and len(linked) == len(inlines)


def _table(tokens: Sequence[Token], section: str, line: int) -> Block | None:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append(plain(token).replace("\n", " "))
    if len(rows) < 2:
        return None
    return Block("table", section, line, columns=tuple(rows[0]), rows=tuple(tuple(row) for row in rows[1:]))


def plain(token: Token, prose: bool = False) -> str:
    """The text of an inline token: no links, images or markup; code stays in back quotes.

    In ``prose`` a mark stands where an emoji was a word.
    """
    parts: list[str] = []
    for child in token.children or []:
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(f"`{child.content}`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
    text = REFERENCE.sub("", "".join(parts))
    return readable(PICTURE_WORD.sub(rf"\g<before>{LOST} ", text) if prose else text)


def readable(text: str) -> str:
    """The text without what is neither said nor drawn, such as emoji; its line breaks stay."""
    text = re.sub(r"[ \t\u00a0]+", " ", UNSAYABLE.sub("", text))
    return re.sub(r" (?=[.,;!?](?:\s|$))", "", text).strip()
