"""What a person sees: results on stdout, everything else on stderr, nothing of a stranger's unescaped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TextIO

COLORS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
SHORT = 200
STATUS_COLORS = {
    "needs_approval": "yellow",
    "paused": "yellow",
    "failed": "red",
    "running": "cyan",
    "completed": "green",
    "canceled": "dim",
}


def clean(text: str) -> str:
    """The text with everything escaped that could move the cursor or the reading direction; lines stay."""
    if text.isprintable():
        return text
    return "\n".join("".join(map(_safe, line)) for line in text.split("\n"))


def one_line(text: str) -> str:
    """The text on one line, escaped."""
    return clean(" ".join(text.split()))


def shortened(text: str) -> str:
    """The beginning of a text that may be long, on one line."""
    words = " ".join(text.split())
    return words if len(words) <= SHORT else f"{words[: SHORT - 1]}…"


def show(text: str = "") -> None:
    """One result, on stdout."""
    print(clean(text))


def show_lines(lines: Iterable[str]) -> None:
    """Lines that were made by `table` and `paint` from cleaned text, as they are, at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    # Whoever follows through a pipe waits for them.
    sys.stdout.flush()


def tell(text: str) -> None:
    """Something for the person that is not the result, on stderr."""
    if sys.stderr is not None:
        print(clean(text), file=sys.stderr, flush=True)


def counted(number: int, one: str, more: str = "") -> str:
    """``1 job``, ``2 jobs``; ``more`` where the plural is not one with s."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def show_json(value: Any) -> None:
    """One JSON document on stdout; ASCII, so nothing in it can play tricks on a terminal."""
    print(json.dumps(value, indent=2))


def show_json_line(value: Any) -> None:
    """One JSON line on stdout, at once."""
    print(json.dumps(value), flush=True)


def colorful(stream: TextIO | None = None) -> bool:
    """Whether colors are wanted and understood there."""
    stream = stream or sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, color: str | None, *, on: bool) -> str:
    """The text in a color of `COLORS`."""
    return f"\x1b[{COLORS[color]}m{text}\x1b[0m" if on and color else text


def columns() -> int | None:
    """How wide the terminal on stdout is; None where there is none."""
    return terminal_width() if sys.stdout.isatty() else None


def terminal_width() -> int:
    """As the environment says, else the terminal, else 80; shutil knows it too, and takes 5 ms to import."""
    try:
        return int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        pass
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


def rows() -> int | None:
    """How high the terminal on stdout is; None where there is none."""
    if not sys.stdout.isatty():
        return None
    try:
        return int(os.environ.get("LINES", "")) or None
    except ValueError:
        pass
    try:
        return os.get_terminal_size(1).lines or None
    except OSError:
        return None


class Part(NamedTuple):
    """Lines of one kind: entries, of which the last ones are left out where there is no room for all."""

    heading: Sequence[str]
    entries: Sequence[Sequence[str]] = ()
    after: Sequence[str] = ()


def fitted(parts: Sequence[Part], height: int | None) -> list[str]:
    """All lines, or as many entries of the first parts fewer as it takes, three of each at first; ``... 4 more``."""
    counts = [len(part.entries) for part in parts]
    left = sum(len(p.heading) + sum(map(len, p.entries)) + len(p.after) for p in parts) - (height or 0)
    for least in (3, 1) if height else ():
        for place, part in enumerate(parts):
            while left > 0 and counts[place] > least:
                left += counts[place] == len(part.entries)
                counts[place] -= 1
                left -= len(part.entries[counts[place]])
    lines: list[str] = []
    for part, count in zip(parts, counts, strict=True):
        more = len(part.entries) - count
        lines += [*part.heading, *(line for entry in part.entries[:count] for line in entry)]
        lines += [*([f"... {more} more"] if more else []), *part.after]
    return lines


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    colors: Sequence[str | None],
    *,
    on: bool,
    width: int | None = None,
) -> list[str]:
    """Columns side by side; ``colors`` has one entry a row, for its second column.

    Where that is wider than ``width``, the first column stands on a line of its own.
    """
    cleaned = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(header), *cleaned]) for column in range(len(header))]
    narrow = width is not None and sum(widths) + 2 * (len(widths) - 1) > width
    if narrow:
        widths[0] = 0
    lines = []
    for row, color in zip([header, *cleaned], [None, *colors], strict=True):
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        cells[1] = paint(cells[1], color, on=on)
        told = (
            [cells[0].rstrip(), "  ".join(["", *cells[1:]]).rstrip()]
            if narrow
            else ["  ".join(cells).rstrip()]
        )
        lines += [paint(line, "dim", on=on) for line in told] if row is header else told
    return lines


def _safe(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
