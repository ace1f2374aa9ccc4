"""Whether what a pipeline names is there to be run: its files, their functions, its programs, and no output twice.

Told by ``spork check`` and ``spork doctor`` before a stage fails for it. No request is refused for it: what is
missing today may be there when the stage starts. In doubt nothing is said, and nothing is imported.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from daemon.errors import Problem
from daemon.explain import nearest
from daemon.modules import Absent, functions, lacks, parsed, source_of
from daemon.names import twin_key
from daemon.pipelines import Pipeline
from daemon.tree import Document, shown


def problems(pipeline: Pipeline, document: Document, folder: Path) -> list[Problem]:
    """What its stages could not run or would both make. ``folder``: the pipeline file's, with what lies beside it."""
    found: list[Problem] = []
    made: dict[str, str] = {}
    for place, stage in enumerate(pipeline.stages):
        path = ("stages", place)
        if stage.run is not None and (wrong := _function(stage.run, folder)):
            found.append(document.problem((*path, "run"), wrong))
        if stage.review is not None and (wrong := _function(stage.review, folder)):
            found.append(document.problem((*path, "review"), wrong))
        if stage.command is not None and (wrong := _program(stage.command[0], folder)):
            found.append(document.problem((*path, "command", 0), wrong))
        for number, output in enumerate(stage.outputs):
            first = made.setdefault(twin_key(output), stage.name)
            if first != stage.name and not any(character in output for character in "*?["):
                message = f"{shown(output)} is made by {first} already; a path belongs to one stage"
                found.append(document.problem((*path, "outputs", number), message))
    return found


def _function(run: str, folder: Path) -> str:
    """What is wrong with ``./file.py:function`` or ``module:function``."""
    place, _, name = run.rpartition(":")
    file: Path | None
    if place.startswith("./"):
        file = folder / place
        if not file.is_file():
            beside = sorted(f"./{path.name}" for path in folder.glob("*.py"))
            return f"there is no file {shown(place)} beside the pipeline; {nearest(place, beside)}"
    else:
        try:
            file = source_of(place)
        except Absent as absent:
            return _absent(place, name, absent, folder)
    try:
        tree = parsed(file) if file is not None else None
    except SyntaxError as error:
        return f"{shown(place)} cannot be read by Python: {error.msg} (line {error.lineno})"
    if tree is None or not lacks(tree, name):
        return ""
    return f"{shown(place)} has no function {shown(name)}; {nearest(name, functions(tree))}"


def _absent(place: str, name: str, absent: Absent, folder: Path) -> str:
    beside = f"./{place}.py"
    if (folder / beside).is_file():
        hint = f"write {shown(f'{beside}:{name}')} for the file beside the pipeline"
    elif "." in absent.name:
        hint = nearest(absent.name, absent.beside)
    else:
        near = nearest(absent.name, absent.beside)
        hint = (
            near
            if near.startswith("did you mean")
            else "install it beside spork, or write ./FILE.py:FUNCTION"
        )
    return f"there is no module {shown(absent.name)} where this command's Python looks; {hint}"


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
