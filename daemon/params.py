"""The params of a pipeline: what a request may set, of which type and within which bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field

from daemon.documents import Strict
from daemon.tree import shown

_MOST_TEXT = 10_000
_MOST_FILES = 1000

Fault = tuple[tuple[str | int, ...], str]
"""Where inside a param's value something is wrong, and what."""


def relative_name(text: str) -> str:
    """Check a path that stays below where it is looked for, with ``/``; ValueError says what is wrong."""
    path = PurePosixPath(text)
    if not text or text.startswith("/") or "\\" in text:
        raise ValueError(f"{shown(text)} must be a relative path with /")
    if ".." in path.parts or str(path) != text or text == ".":
        raise ValueError(f"{shown(text)} must not hold .. or . or a doubled or final /")
    if not text.isprintable() or any(len(part.encode()) > 255 for part in path.parts) or len(text) > 1024:
        raise ValueError(f"{shown(text)} must be a printable name of decent length")
    return text


class Param(Strict):
    """One param of a pipeline: its type, what is taken when a request does not set it, and its bounds."""

    type: Literal["number", "integer", "string", "boolean", "files"] = Field(
        description="What a request may write"
    )
    default: Any = Field(default=None, description="Taken when the request says nothing")
    required: bool = Field(default=False, description="The request must set it")
    minimum: float | None = Field(default=None, description="number, integer: the least")
    maximum: float | None = Field(default=None, description="number, integer: the most")
    max: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="files: how many; string: how many characters"
    )
    enum: tuple[str | float, ...] | None = Field(default=None, description="The only values that are taken")
    set_by: Literal["request", "policy"] = Field(
        default="request",
        description="policy: only pipeline.params in conf/operator.yaml may set it, no request",
    )
    description: str = Field(default="", description="Shown to who writes a request")


def faults_of(param: Param, value: Any) -> list[Fault]:
    """What is wrong with a value of a param; empty if nothing."""
    if (
        not (faults := _TYPES[param.type](param, value))
        and param.enum is not None
        and value not in param.enum
    ):
        return [((), f"expected one of {', '.join(map(str, param.enum))}, not {_described(value)}")]
    return faults


def _number(param: Param, value: Any) -> list[Fault]:
    whole = param.type == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return [((), f"expected a {'whole ' if whole else ''}number, not {_described(value)}")]
    if param.minimum is not None and value < param.minimum:
        return [((), f"must be at least {param.minimum:g}, not {value:g}")]
    if param.maximum is not None and value > param.maximum:
        return [((), f"must be at most {param.maximum:g}, not {value:g}")]
    return []


def _string(param: Param, value: Any) -> list[Fault]:
    if not isinstance(value, str):
        hint = f'; put it in quotes: "{value}"' if isinstance(value, int | float) else ""
        return [((), f"expected text, not {_described(value)}{hint}")]
    most = param.max or _MOST_TEXT
    return [((), f"is too long: at most {most} characters")] if len(value) > most else []


def _boolean(param: Param, value: Any) -> list[Fault]:
    return [] if isinstance(value, bool) else [((), f"expected true or false, not {_described(value)}")]


def _files(param: Param, value: Any) -> list[Fault]:
    if not isinstance(value, list | tuple):
        return [((), f"expected a list of file names, not {_described(value)}")]
    most = param.max or _MOST_FILES
    faults: list[Fault] = [((), f"too many files: {len(value)}, at most {most}")] if len(value) > most else []
    for place, name in enumerate(value):
        if not isinstance(name, str):
            faults.append(((place,), f"expected a file name, not {_described(name)}"))
            continue
        try:
            relative_name(name)
        except ValueError as error:
            faults.append(((place,), str(error)))
        if name in value[:place]:
            faults.append(((place,), f"{shown(name)} is named twice"))
    return faults


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return (
        "a list" if isinstance(value, list | tuple) else shown(str(value).lower() if value is True else value)
    )


_TYPES: dict[str, Callable[[Param, Any], list[Fault]]] = {
    "number": _number,
    "integer": _number,
    "string": _string,
    "boolean": _boolean,
    "files": _files,
}
