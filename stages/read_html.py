"""HTML pages as blocks: the article without its navigation, with the lines of the HTML file."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from stages.read_markdown import read_markdown
from stages.sources import Block, Document

TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<!--.*?-->|<[^>]*>", re.I | re.S)
WORDS = re.compile(r"\w+")
NEAR_WORDS = 8
"""How far ahead in the file a word of a paragraph is looked for: markup may have left a few out."""
TITLE = re.compile(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", re.I | re.S)


def read_html(text: str, name: str) -> Document:
    """Read the main text of a page; each block gets the line of the HTML file on which it begins."""
    from trafilatura import extract

    markdown = extract(
        text,
        output_format="markdown",
        include_tables=True,
        include_formatting=True,
        include_comments=False,
        include_links=False,
        include_images=False,
        favor_recall=True,
    )
    document = read_markdown(markdown or "", name)
    places = [
        (match[0].lower(), number)
        for number, line in enumerate(TAG.sub(_blank, text).split("\n"), 1)
        for match in WORDS.finditer(unescape(line))
    ]
    blocks: list[Block] = []
    at = 0
    for block in document.blocks:
        at = _find(places, _first_words(block), at)
        line = places[at][1] if places else 1
        blocks.append(replace(block, line=line, text=_broken(block, places[at:])))
    return Document(name, _title(text) or document.title, tuple(blocks))


def _title(text: str) -> str:
    """The title of a page without the name of its site: its heading where the title begins with that."""
    found = [
        " ".join(re.sub(r"<[^>]+>", " ", unescape(match[1] or match[2])).split())
        for match in TITLE.finditer(text)
    ]
    title = found[0] if found else ""
    headings = [each for each in found[1:] if each and title.startswith(each)]
    return headings[0] if headings else re.split(r"\s+[|·—–-]\s+", title)[0]


def _broken(block: Block, places: list[tuple[str, int]]) -> str:
    """The text of a paragraph with the line breaks of the file, so that a sentence's own line can be counted."""
    if block.kind != "paragraph" or not places:
        return block.text
    text, line, at = "", places[0][1], 0
    for word in block.text.split():
        known = WORDS.search(word.lower())
        ahead = places[at : at + NEAR_WORDS] if known else []
        step = next((n for n, place in enumerate(ahead) if known and place[0] == known[0]), None)
        down = 0
        if step is not None:
            down, line, at = ahead[step][1] - line, ahead[step][1], at + step + 1
        text += ("\n" * down or " ") + word if text else word
    return text


def _blank(match: re.Match[str]) -> str:
    """Nothing but the line breaks of what is taken out."""
    return " " + "\n" * match[0].count("\n")


def _first_words(block: Block) -> list[str]:
    text = block.text or " ".join(part.text for part in block.parts) or " ".join(block.columns)
    return [word.lower() for word in WORDS.findall(text)[:6]]


def _find(places: list[tuple[str, int]], words: list[str], start: int) -> int:
    """Where the words stand in the file, from ``start`` on; ``start`` itself if nowhere."""
    for position in range(start, len(places) - len(words) + 1):
        if words and all(places[position + offset][0] == word for offset, word in enumerate(words)):
            return position
    return min(start, max(len(places) - 1, 0))
