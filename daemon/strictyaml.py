"""YAML read strictly: bytes become a small tree with marks, or :class:`daemon.errors.Invalid`.

Everything a stranger may have written is decided here, on the parser's events and before anything is built:
encoding, size, depth, aliases, tags, duplicate keys, several documents. What is left is YAML 1.2 core with
fewer spellings: ``on``, ``yes``, ``0777``, ``12:30:45`` and dates stay text.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from daemon.endmark import nul_bytes
from daemon.errors import Invalid, Problem
from daemon.tree import Document, Entry, MappingNode, Node, ScalarNode, SequenceNode, bare, shown

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_LINES = 20_000
MAX_NODES = 10_000
"""Keys and values together; more is no document a person wrote, and time and memory grow with it."""

NOTHING_THERE = "expected a mapping (key: value), the file holds none"
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]+|(?<=[0-9])\.?)([eE][-+]?[0-9]{1,4})?\Z")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_MAX_DIGITS = 18
# C0 and C1 controls but tab and line ends, line ends that YAML 1.2 took back, BOM inside, noncharacters.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: |$)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
# `issue #12` is meant as text; a comment that is meant as one has a space after its mark.
_SWALLOWED = re.compile(r"[ \t]+#[^\s#]")
_BLOCK = re.compile(r"[|>][-+0-9]{0,2}[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?:[\r\n]\s*|\Z)")
_COMMENT_OR_TAB = re.compile(r"(?:(?<=\s)|\A)#[^\r\n]*|\t")
_NO_SPACE = re.compile(r" *:[,?\[\]{}]")


def parse(data: bytes, where: str, *, pure: bool = False) -> Document:
    """Read one YAML document whose top level is a mapping.

    ``where`` names the file in problems. ``pure`` forces PyYAML's parser in place of libyaml's; the verdict
    is the same. Raises :class:`Invalid` for whatever is wrong, and nothing else.
    """
    reader = _Reader(where)
    reader.text = reader.decode(data)
    reader.look()
    return reader.document(pure)


class _Reader:
    """One reading of one file."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.text = ""
        self.nodes = 0
        self.inside: list[tuple[int, int]] = []

    def refuse(self, message: str, line: int = 0, column: int = 0, field: str = "") -> NoReturn:
        raise Invalid(Problem(self.where, line, column, field, message))

    def at(self, event: Any, message: str) -> NoReturn:
        self.refuse(message, event.start_mark.line + 1, event.start_mark.column + 1)

    def decode(self, data: bytes) -> str:
        if len(data) > MAX_BYTES:
            self.refuse(f"larger than 1 MiB ({len(data)} bytes); a document is text of a few lines")
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self.refuse("byte 0: UTF-16 is not read; save as UTF-8")
        if reason := nul_bytes(data):
            self.refuse(reason, data.count(b"\n", 0, data.find(b"\0")) + 1)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.refuse(
                f"byte {error.start}: not UTF-8 text; save as UTF-8", data.count(b"\n", 0, error.start) + 1
            )
        text = text.removeprefix("\ufeff")
        if found := _UNREADABLE.search(text):
            offset = len(data) - len(text[found.start():].encode())  # fmt: skip
            name = f"U+{ord(found.group()):04X}"
            self.refuse(f"byte {offset}: control character {name}; remove it and save as UTF-8",
                        *_position(text, found.start()))  # fmt: skip
        return text

    def look(self) -> None:
        """Refuse what can be seen in the text alone."""
        if self.text.count("\n") + self.text.count("\r") - self.text.count("\r\n") > MAX_LINES:
            self.refuse(f"more than {MAX_LINES} lines", MAX_LINES + 1, 1)
        if found := _CONFLICT.search(self.text):
            line, _ = _position(self.text, found.start())
            self.refuse(f"merge conflict markers at line {line}; settle the conflict and save again", line, 1)
        if self.text.startswith("version https://git-lfs."):
            self.refuse("a git LFS pointer, not the file itself; `git lfs pull` brings it", 1, 1)
        if found := _DIRECTIVE.search(self.text):
            self.refuse("directives (lines that begin with %) are not read; remove the line",
                        *_position(self.text, found.start()))  # fmt: skip

    def document(self, pure: bool) -> Document:
        loader_class = yaml.BaseLoader if pure else getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        try:
            loader = loader_class(self.text)
            try:
                root = self.only_document(loader)
            finally:
                loader.dispose()
        except Invalid:
            raise
        except yaml.MarkedYAMLError as error:
            self.syntax(error)
        except Exception as error:  # noqa: BLE001 - a parser may raise anything on hostile text, and it ends here
            self.refuse(f"not readable as YAML: {shown(error)}")
        self.tabs()
        return Document(self.where, root)

    def only_document(self, loader: Any) -> MappingNode:
        loader.get_event()
        start = loader.get_event()
        if isinstance(start, yaml.StreamEndEvent):
            self.refuse(NOTHING_THERE)
        first = loader.get_event()
        if not isinstance(first, yaml.MappingStartEvent):
            self.own(first)
            kind = "a list" if isinstance(first, yaml.SequenceStartEvent) else "a single value"
            self.at(first, f"expected a mapping (key: value) at the top level, not {kind}")
        root = self.mapping(loader, first, 1, False)
        loader.get_event()
        after = loader.get_event()
        if not isinstance(after, yaml.StreamEndEvent):
            self.at(after, "several documents in one file; keep one, without text after its end mark")
        return root

    def own(self, event: Any) -> None:
        """Refuse what makes one node stand for another, or for a type."""
        if isinstance(event, yaml.AliasEvent):
            self.at(event, f"aliases are not allowed (*{bare(event.anchor)}); write the value out")
        if event.anchor is not None:
            self.at(event, f"anchors are not allowed (&{bare(event.anchor)}); write the value out")
        if event.tag is not None:
            self.at(event, f"tags are not allowed ({bare(event.tag)}); remove it")

    def value(self, loader: Any, event: Any, depth: int, flow: bool) -> Node:
        self.own(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.at(event, f"more than {MAX_NODES} keys and values")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, flow)
        if depth >= MAX_DEPTH:
            self.at(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(loader, event, depth + 1, flow)
        mark, flow = event.start_mark, flow or bool(event.flow_style)
        items: list[Node] = []
        while not isinstance(item := loader.get_event(), yaml.SequenceEndEvent):
            items.append(self.value(loader, item, depth + 1, flow))
        return SequenceNode(tuple(items), mark.line + 1, mark.column + 1)

    def mapping(self, loader: Any, start: Any, depth: int, flow: bool) -> MappingNode:
        self.own(start)
        mark, flow = start.start_mark, flow or bool(start.flow_style)
        entries: dict[str, Entry] = {}
        while not isinstance(event := loader.get_event(), yaml.MappingEndEvent):
            key = self.key(loader, event, depth, flow)
            if key.text in entries:
                first = entries[key.text].line
                told = f"key {shown(key.text)} is given twice, in line {first} and line {key.line}; keep one"
                self.refuse(told, key.line, key.column, bare(key.text))
            node = self.value(loader, loader.get_event(), depth, flow)
            entries[key.text] = Entry(node, key.line, key.column)
        return MappingNode(entries, mark.line + 1, mark.column + 1)

    def key(self, loader: Any, event: Any, depth: int, flow: bool) -> ScalarNode:
        node = self.value(loader, event, depth, flow)
        if not isinstance(node, ScalarNode):
            self.at(event, "a key must be text")
        if not event.style and node.text == "<<":
            self.at(event, "merge keys (<<) are not allowed; write the values out")
        if not event.style and not node.text:
            self.at(event, "a key without text; write key: value")
        return node

    def scalar(self, event: Any, flow: bool) -> ScalarNode:
        text: str = event.value
        mark = event.start_mark
        if _NOT_TEXT.search(text):
            self.at(
                event,
                f"control character in {shown(text)}; only text, spaces, tabs and line ends are allowed",
            )
        if event.style:
            begin = self.block(event) if event.style in "|>" else mark.index
            self.inside.append((begin, event.end_mark.index))
            return ScalarNode(text, text, mark.line + 1, mark.column + 1)
        if flow:
            self.flow_text(event, text)
        elif _SWALLOWED.match(self.text, event.end_mark.index):
            self.at(
                event,
                "the text ends before ` #`, which begins a comment; put it in quotes, or write it below `|`",
            )
        return ScalarNode(self.resolve(event, text), text, mark.line + 1, mark.column + 1)

    def block(self, event: Any) -> int:
        """Where a block scalar's text begins; PyYAML's two parsers find its indentation differently."""
        found = _BLOCK.match(self.text, event.start_mark.index)
        if found is None:
            self.at(
                event, "nothing but + - and a digit may follow | or >, and a space belongs before a comment"
            )
        return found.end()

    def flow_text(self, event: Any, text: str) -> None:
        """Refuse in [] and {} what PyYAML's two parsers read differently: the verdict is one for both."""
        if "?" in text:
            self.at(event, f"{shown(text)}: put a value with ? inside [] or {{}} into quotes")
        if _NO_SPACE.match(self.text, event.end_mark.index):
            self.at(event, f"{shown(text)}: write a space after the colon, or put the value into quotes")

    def resolve(self, event: Any, text: str) -> str | int | float | bool | None:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in "+-.0123456789":
            return text
        if len(text) > _MAX_DIGITS + 8:
            if _INT.match(text) or _FLOAT.match(text):
                self.at(
                    event, f"number {shown(text, 30)} has too many digits; put it in quotes if it is text"
                )
            return text
        if _INT.match(text):
            if len(text.lstrip("+-")) > _MAX_DIGITS:
                self.at(event, f"number {text} is too large; put it in quotes if it is text")
            return int(text)
        if _FLOAT.match(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                self.at(event, f"number {text} is too large; put it in quotes if it is text")
            return number
        return text

    def tabs(self) -> None:
        """Refuse tabs outside quoted text, block text and comments, as one of the two parsers does."""
        end = len(self.text)
        if self.text.find("\t") < 0:
            return
        gap = 0
        for begin, after in [*self.inside, (end, end)]:
            for found in _COMMENT_OR_TAB.finditer(self.text, gap, begin):
                if found.group() == "\t":
                    self.refuse(_TAB, *_position(self.text, found.start()))
            gap = after

    def syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            self.refuse(f"not YAML: {error.problem}")
        tab = self.text.find("\t", mark.index - mark.column, mark.index + 1)
        if tab >= 0:
            self.refuse(_TAB, *_position(self.text, tab))
        told = f"not YAML: {error.problem}"
        if "mapping values" in str(error.problem):
            told = "not YAML: a `: ` inside a text; put the text in quotes, or write it below `key: |`"
        if error.context and error.context_mark:
            told += f" ({error.context} from line {error.context_mark.line + 1})"
        self.refuse(f"{told}; look at this line and the one before it", mark.line + 1, mark.column + 1)


_TAB = "a tab where YAML wants spaces; use spaces"


def _position(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    line = text.count("\n", 0, index) + text.count("\r", 0, index) - text.count("\r\n", 0, index)
    return line + 1, index - max(text.rfind("\n", 0, index), text.rfind("\r", 0, index))
