"""Text of strangers as it may be shown: what could move a cursor, turn a line around or hide is escaped."""

from __future__ import annotations

import re

# C0, DEL and C1 controls, line and paragraph separators, bidirectional marks, invisible characters,
# the byte order mark, and lone surrogates, which stand for bytes that are not UTF-8.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_UNSAFE_IN_LINES = re.compile(UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def escape(text: str) -> str:
    r"""The text on one line, with every such character as ``\u...``: in JSON text that means the same."""
    # Nothing unsafe is printable, and this looks at a character in a tenth of the time.
    return text if text.isprintable() else UNSAFE.sub(_escaped, text)


def escape_lines(text: str) -> str:
    """As `escape`, but tabs and the ends of lines stay."""
    return text if text.replace("\n", "").isprintable() else _UNSAFE_IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
