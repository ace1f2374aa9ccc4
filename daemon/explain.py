"""What a model refused, told to who wrote the file: the place, what was expected, the nearest name."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from daemon.errors import Problem
from daemon.tree import Document, MappingNode, Node, ScalarNode, SequenceNode, shown

MAX_PROBLEMS = 20
"""More than this at once helps nobody; the rest shows when these are mended."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "tuple_type": "a list",
    "path_type": "a path",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_SIZES = {
    "string_too_long": "is too long: at most {max_length} characters",
    "string_too_short": "is too short: at least {min_length} characters",
    "too_long": "has too many entries: at most {max_length}",
    "too_short": "has too few entries: at least {min_length}",
}

_FOR_A_SHELL = re.compile(r"[|&;<>$`*?~]")
_PLAIN_WORD = re.compile(r"(?!(?i:true|false|null)\Z)(-{1,2}|\./)?[A-Za-z_/][\w./=+-]*", re.ASCII)
"""What YAML reads as the same text without quotes, inside [] too."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for a word close to a known one, else a list of the known ones."""
    names = list(known)
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word[:80].casefold(), by_folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {shown(by_folded[close[0]])}?"
    return (
        f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "none is known here"
    )


def explain(document: Document, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every complaint of the model as a problem at its line and column, in the file's order."""
    details = error.errors(include_url=False)
    told = [detail for detail in details if not _follows(detail, details)]
    problems = [_problem(document, detail, model) for detail in told[:MAX_PROBLEMS]]
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))


def _problem(document: Document, detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = _known_path(document, detail["loc"])
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return document.problem(path, _custom(detail))
    kind = detail["type"]
    if kind == "missing":
        around = _known_path(document, detail["loc"][:-1])
        return document.problem((*around, str(detail["loc"][-1])), "is required and not there")
    if kind == "extra_forbidden":
        key = str(detail["loc"][-1])
        return document.problem(path, f"unknown key; {nearest(key, _keys_at(model, detail['loc'][:-1]))}")
    return document.problem(path, _message(kind, detail, document.node(path)))


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is only too short because its entries were refused."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _known_path(document: Document, location: Iterable[str | int]) -> tuple[str | int, ...]:
    """The part of a model's location that exists in the document; unions and keys add parts of their own."""
    path: tuple[str | int, ...] = ()
    for part in location:
        if part != "[key]" and document.node((*path, part)) is not None:
            path = (*path, part)
    return path


def _message(kind: str, detail: ErrorDetails, node: Node | None) -> str:
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, {_got(node)}{_advice(kind, node, detail['loc'])}"
    if kind == "literal_error":
        choices = [
            choice.strip("' ") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")
        ]
        close = nearest(node.text, choices) if isinstance(node, ScalarNode) else ""
        hint = f"; {close}" if close.startswith("did") else ""
        return f"expected one of {', '.join(choices)}, {_got(node)}{hint}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, {_got(node)}"
    return _SIZES[kind].format(**context) if kind in _SIZES else _custom(detail)


def _custom(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Value error, ")


def _got(node: Node | None) -> str:
    if isinstance(node, MappingNode):
        return "not a mapping"
    if isinstance(node, SequenceNode):
        return "not a list"
    if node is None or node.value is None:
        return "not nothing"
    return f"not {shown(node.text)}"


def _advice(kind: str, node: Node | None, location: Sequence[str | int]) -> str:
    if not isinstance(node, ScalarNode) or node.value is None:
        return ""
    text = node.text
    entries = _argv(text) if location[-1:] == ("command",) else text
    advice = {"string_type": f'; put it in quotes: "{text}"', "tuple_type": f"; write [{entries}]"}.get(
        kind, ""
    )
    if kind == "bool_type":
        meant = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        word = meant.get(text.lower(), "")
        advice = f"; write {word}" if word else ""
    if kind in ("int_type", "float_type") and isinstance(node.value, str) and text[:1].isdigit():
        advice = "; write it without quotes or units"
    return advice if len(text) <= 60 and text.isprintable() else ""


def _argv(text: str) -> str:
    """A command line as the entries of a YAML list: its words, or a shell's where only a shell reads it so."""
    try:
        words = ["sh", "-euc", text] if _FOR_A_SHELL.search(text) else shlex.split(text)
    except ValueError:
        words = ["sh", "-euc", text]
    return ", ".join(w if _PLAIN_WORD.fullmatch(w) else json.dumps(w, ensure_ascii=False) for w in words)


def _keys_at(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    """The keys that may stand at a location."""
    shape: Any = model
    for part in location:
        shape = _inside(shape, part)
        if shape is None:
            return []
    found = _model_in(shape)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _inside(shape: Any, part: str | int) -> Any:
    model = _model_in(shape)
    if model is not None:
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                return field.annotation
        return None
    for option in _options(shape):
        arguments = typing.get_args(option)
        if typing.get_origin(option) is dict:
            return arguments[1]
        if typing.get_origin(option) is tuple:
            return arguments[0]
    return None


def _model_in(shape: Any) -> type[BaseModel] | None:
    for option in _options(shape):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _options(shape: Any) -> tuple[Any, ...]:
    """The shapes a value may have: the arms of a union, without annotations."""
    if typing.get_origin(shape) is typing.Annotated:
        return _options(typing.get_args(shape)[0])
    if typing.get_origin(shape) in (typing.Union, types.UnionType):
        return tuple(option for arm in typing.get_args(shape) for option in _options(arm))
    return (shape,)
