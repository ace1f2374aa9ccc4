"""Whether what a pipeline names is there to be run: its files, their functions, its programs, and no output twice.

Told by ``spork check`` and ``spork doctor`` before a stage fails for it. No request is refused for it: what is
missing today may be there when the stage starts. In doubt nothing is said, and nothing is imported.
"""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from daemon.errors import Problem
from daemon.explain import nearest
from daemon.pipelines import Pipeline
from daemon.tree import Document, shown

_SIZE_LIMIT = 4 * 1024 * 1024
_DYNAMIC = ("globals", "exec", "setattr", "__getattr__", "__dict__")
"""Names that a file mentions which may define functions in ways that cannot be read off it."""


def problems(pipeline: Pipeline, document: Document, folder: Path) -> list[Problem]:
    """What its stages could not run or would both make. ``folder``: the pipeline file's, with what lies beside it."""
    found: list[Problem] = []
    made: dict[str, str] = {}
    for place, stage in enumerate(pipeline.stages):
        path = ("stages", place)
        if stage.run is not None and (wrong := _function(stage.run, folder)):
            found.append(document.problem((*path, "run"), wrong))
        if stage.command is not None and (wrong := _program(stage.command[0], folder)):
            found.append(document.problem((*path, "command", 0), wrong))
        for number, output in enumerate(stage.outputs):
            first = made.setdefault(output, stage.name)
            if first != stage.name and not any(character in output for character in "*?["):
                message = f"{shown(output)} is made by {first} already; a path belongs to one stage"
                found.append(document.problem((*path, "outputs", number), message))
    return found


def _function(run: str, folder: Path) -> str:
    """What is wrong with ``./file.py:function``; nothing of ``module:function``, which only an import can tell."""
    place, _, name = run.rpartition(":")
    if not place.startswith("./"):
        return ""
    file = folder / place
    if not file.is_file():
        beside = sorted(f"./{path.name}" for path in folder.glob("*.py"))
        return f"there is no file {shown(place)} beside the pipeline; {nearest(place, beside)}"
    try:
        tree = _parsed(file)
    except SyntaxError as error:
        return f"{shown(place)} cannot be read by Python: {error.msg} (line {error.lineno})"
    if tree is None:
        return ""
    known = set(_defined(tree.body))
    if name in known or "*" in known or _is_dynamic(tree):
        return ""
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return f"{shown(place)} has no function {shown(name)}; {nearest(name, functions)}"


def _parsed(file: Path) -> ast.Module | None:
    """The file's tree; None where it cannot be read now or is too large. SyntaxError."""
    try:
        if file.stat().st_size > _SIZE_LIMIT:
            return None
        return ast.parse(file.read_bytes())
    except SyntaxError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError):
        return None


def _defined(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a module's top level may define, in ``if``, ``try`` and the like too; ``*`` for a star."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            yield from _defined(ast.iter_child_nodes(node))


def _is_dynamic(tree: ast.Module) -> bool:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return not names.isdisjoint(_DYNAMIC) or any(isinstance(node, ast.Global) for node in ast.walk(tree))


def _program(program: str, folder: Path) -> str:
    """What is wrong with the first word of a command; nothing where a placeholder stands in it."""
    if "{" in program or "}" in program:
        return ""
    if program.startswith(("./", "../")):
        return _executable(folder / program, f"{shown(program)}, looked for beside the pipeline,")
    if "/" not in program:
        return (
            ""
            if shutil.which(program)
            else f"there is no program {shown(program)} on the PATH of this command"
        )
    if program.startswith("/"):
        return _executable(Path(program), shown(program))
    return (
        f"{shown(program)} is looked for in the stage's own folder, which is empty when it starts; "
        f"write {shown('./' + program)} for one beside the pipeline"
    )


def _executable(file: Path, told: str) -> str:
    if not file.exists():
        return f"{told} is not there"
    if not file.is_file():
        return f"{told} is no file"
    return "" if os.access(file, os.X_OK) else f"{told} is not executable; chmod +x"
