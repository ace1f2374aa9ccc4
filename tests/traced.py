"""The system calls of a real process and its children, in order, as strace saw them.

Paths are those of the descriptors, so a call through a folder's descriptor is named like any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

CALLS = (
    "openat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "write",
    "pwrite64", "fsync", "fdatasync", "sendmsg", "sendto", "flock", "exit_group",
)  # fmt: skip

_LINE = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)", re.DOTALL)
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_FD = re.compile(r"(?:AT_FDCWD|\d+)<(?P<path>[^>]*)>")
_TEXT = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
_FAILED = re.compile(r"\) += -1 E\w+ ")


def strace(output: Path) -> list[str]:
    """The command to put before the one to trace; it keeps its process id, and strace is detached."""
    calls = ",".join(CALLS)
    return ["strace", "-D", "-f", "-y", "-s", "5000", "-o", str(output), "-e", f"trace={calls}"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded. ``path``: what it was about, or where a rename led; ``source``: whence."""

    number: int
    """Its place among all calls: of its end for what waits for the disk, of its beginning otherwise."""
    name: str
    path: str
    source: str
    data: bytes


def calls(output: Path) -> list[Call]:
    """The calls of a trace, in the order in which they took effect."""
    found: list[Call] = []
    begun: dict[tuple[str, str], str] = {}
    for number, line in enumerate(output.read_text(encoding="latin-1").splitlines()):
        if line.endswith(_UNFINISHED) and (parts := _LINE.match(line.removesuffix(_UNFINISHED))):
            begun[parts["pid"], parts["call"]] = parts["rest"]
        elif parts := _RESUMED.match(line):
            rest = begun.pop((parts["pid"], parts["call"]), "") + parts["rest"]
            found += _call(number, parts["call"], rest)
        elif parts := _LINE.match(line):
            found += _call(number, parts["call"], parts["rest"])
    return found


def _call(number: int, name: str, rest: str) -> Iterator[Call]:
    if _FAILED.search(rest):
        return
    if name in ("write", "pwrite64", "sendmsg", "sendto", "fsync", "fdatasync", "flock"):
        fd, text = _FD.match(rest), _TEXT.search(rest)
        data = ast.literal_eval(f'b"{text["text"]}"') if text and name in ("write", "pwrite64") else b""
        yield Call(number, name, fd["path"] if fd else "", "", data)
    elif name == "exit_group":
        yield Call(number, name, "", "", b"")
    else:
        paths = list(_paths(rest))
        yield Call(number, name, paths[-1] if paths else "", paths[0] if len(paths) > 1 else "", b"")


def _paths(rest: str) -> Iterator[str]:
    """The paths that a call names, each joined to the folder it is relative to."""
    folder = ""
    for part in re.finditer(
        f"{_FD.pattern.replace('path', 'fd')}|{_TEXT.pattern}", rest.split(") = ", maxsplit=1)[0]
    ):
        if part["text"] is None:
            folder = part["fd"]
        else:
            yield str(Path(folder or "/") / part["text"])


class Trace:
    """A trace to ask: where the first call of a kind about a path stands."""

    def __init__(self, found: Iterable[Call]) -> None:
        self.calls = list(found)

    def first(self, name: str, path: str, *, after: int = -1, holding: bytes = b"") -> Call:
        """The first call whose name and path match these expressions; AssertionError if there is none."""
        for call in self.calls:
            if call.number <= after or holding not in call.data:
                continue
            if re.fullmatch(name, call.name) and re.search(path, call.path):
                return call
        raise AssertionError(
            f"no {name} of {path}" + (f" with {holding!r}" if holding else "") + f" after {after}"
        )

    def last(self, name: str, path: str, *, before: int) -> Call:
        """The last one before a place."""
        found = [
            call
            for call in self.calls
            if call.number < before and re.fullmatch(name, call.name) and re.search(path, call.path)
        ]
        assert found, f"no {name} of {path} before call {before}"
        return found[-1]

    def committed(self, event: str, *, after: int = -1) -> Call:
        """The sync of the write-ahead log that made the first event of a type durable."""
        written = self.first("pwrite64", r"spork\.db-wal$", after=after, holding=event.encode())
        return self.first("fdatasync|fsync", r"spork\.db-wal$", after=written.number)

    def published(self, path: str, *, after: int = -1) -> Call:
        """The durable publication of a file, step by step: written, synced, renamed, its folder synced; the last."""
        renamed = self.first("rename.*", path, after=after)
        source = re.escape(renamed.source)
        written = self.last("write", f"^{source}$", before=renamed.number)
        synced = self.last("fsync|fdatasync", f"^{source}$", before=renamed.number)
        assert written.number < synced.number < renamed.number, (
            f"{renamed.path} was renamed before it was synced"
        )
        folder = re.escape(str(Path(renamed.path).parent))
        return self.first("fsync", f"^{folder}$", after=renamed.number)


def in_order(*steps: Call) -> None:
    """Each step has its effect before the next."""
    for earlier, later in pairwise(steps):
        assert earlier.number < later.number, f"{later} took effect before {earlier}"
