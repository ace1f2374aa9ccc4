"""How a text says that it is whole: the YAML end mark, and the first line of every decision that we write."""

from __future__ import annotations

OUR_HEADER = b"# spork decision"
"""Begins every decision we write; a file that begins so and lacks its end mark was cut short."""

TEMPLATE_HEADER = OUR_HEADER + b" template"

END_MARK = b"..."

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def ends_with_mark(data: bytes) -> bool:
    """Whether the last line that is not blank is the YAML end mark."""
    text = data.rstrip()
    return text == END_MARK or text.endswith((b"\n" + END_MARK, b"\r" + END_MARK))


def nul_bytes(data: bytes) -> str:
    """What is wrong with a text that has NUL bytes; empty where it has none, or is UTF-16."""
    nul = data.find(b"\0")
    if nul < 0 or data.startswith(_UTF16_BOMS):
        return ""
    return f"contains NUL bytes (the first at byte {nul}): cut short, or not text; save as UTF-8"


def is_cut_short(data: bytes) -> bool:
    """Whether this is the beginning of a decision that we wrote, without its end."""
    text = data.removeprefix(_UTF8_BOM)
    # Cut within the header itself it would be a lone comment, and that counts as an empty decision.
    ours = text.startswith(OUR_HEADER) or OUR_HEADER.startswith(text)
    return bool(text) and ours and not ends_with_mark(data)
