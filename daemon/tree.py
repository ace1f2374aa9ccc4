"""What a document says and where it says it: a small frozen tree with line and column, both from 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daemon.errors import Problem

Plain = str | int | float | bool | None | tuple["Plain", ...] | dict[str, "Plain"]
Path = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: ``text`` as its author wrote it, ``value`` as it is read. Line and column from 1."""

    value: str | int | float | bool | None
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list of values."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the place of its key."""

    node: Node
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Keys, always text and never twice, with their values in the file's order."""

    entries: Mapping[str, Entry]
    line: int
    column: int


Node = ScalarNode | SequenceNode | MappingNode
NOTHING = MappingNode({}, 0, 0)
"""The root of a document that is not at hand."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read, so that what is found wrong later still has a line and a column."""

    where: str
    root: MappingNode

    def plain(self) -> dict[str, Plain]:
        """The content without marks; sequences become tuples."""
        return {key: plain(entry.node) for key, entry in self.root.entries.items()}

    def node(self, path: Path) -> Node | None:
        """The value at ``path``, or None where there is none."""
        node: Node | None = self.root
        for part in path:
            node = _child(node, part)
        return node

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the key or item at ``path``, else of the nearest part around it that exists."""
        node: Node | None = self.root
        line, column = self.root.line, self.root.column
        for part in path:
            if isinstance(node, MappingNode) and part in node.entries:
                entry = node.entries[str(part)]
                line, column, node = entry.line, entry.column, entry.node
            elif (item := _child(node, part)) is not None:
                line, column, node = item.line, item.column, item
            else:
                break
        return line, column

    def problem(self, path: Path, message: str) -> Problem:
        """A problem at ``path``."""
        return Problem(self.where, *self.place(path), dotted(path), message)


def _child(node: Node | None, part: str | int) -> Node | None:
    if isinstance(node, MappingNode) and isinstance(part, str):
        entry = node.entries.get(part)
        return entry.node if entry else None
    if isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part]
    return None


def plain(node: Node) -> Plain:
    """A node without its marks."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        return tuple(plain(item) for item in node.items)
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def dotted(path: Path) -> str:
    """``("stages", 2, "run")`` as ``stages[2].run``; what a terminal would obey is escaped."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{bare(part)}" for part in path)
    return text.removeprefix(".")


def bare(key: str | None) -> str:
    """A key as it is, where that is safe to show."""
    key = key or ""
    return key if key.isprintable() and len(key) <= 80 else shown(key)


def shown(value: object, limit: int = 60) -> str:
    """What a person wrote, quoted on one line, cut, with controls and direction marks escaped."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
