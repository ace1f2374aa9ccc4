"""Puts a table into the pages that show it, between ``<!-- bench: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs/speed.md", ROOT / "README.md")


def command(module: str) -> str:
    """What makes the table, as a reader types it: without where it worked and where the table went."""
    words = [word for word in sys.argv[1:] if word not in ("--page", "--keep")]
    if "--root" in words:
        at = words.index("--root")
        del words[at : at + 2]
    return " ".join([f"python -m {module}", *words])


def put(name: str, text: str) -> list[str]:
    """Put it into every page that has its place; gives their names. ValueError where none has."""
    # Never beyond the next mark: the place may be empty.
    place = re.compile(rf"(<!-- bench: {re.escape(name)} -->\n)(?:(?!<!--).)*(<!-- end -->)", re.DOTALL)
    written = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after, found = place.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", before)
        if found:
            page.write_text(after, encoding="utf-8")
            written.append(page.name)
    if not written:
        raise ValueError(f"no page has <!-- bench: {name} -->")
    return written
