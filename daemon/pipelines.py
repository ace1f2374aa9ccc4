"""Pipelines: the stages of a job as their author wrote them, and the params a request may set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from daemon import strictyaml
from daemon.documents import Minutes, Name, Strict, as_model, matching, whole_file
from daemon.errors import Invalid, Problem
from daemon.explain import nearest
from daemon.looking import PASSING, read_of_operator
from daemon.params import Param, faults_of, relative_name
from daemon.tree import NOTHING, Document, shown

PLACEHOLDERS = ("run", "out", "job", "stage", "attempt", "params", "feedback", "sources")
RESERVED = frozenset(
    ".work .meta.json decisions events.jsonl gate.json history logs pipeline.yaml REVIEW.md sources"
    " state.json".split()
)
"""First parts of paths in a run directory that belong to the daemon."""
_DECISION_LIKE = ("approve", "reject", "cancel", "resume")
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FUNCTION = r"^([A-Za-z_][A-Za-z0-9_.]*|\./[A-Za-z0-9_./-]+\.py):[A-Za-z_][A-Za-z0-9_]*$"
_MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"


def reserved(path: str) -> bool:
    """Whether a path in a run directory is the daemon's own, or could be taken for a decision."""
    first = path.split("/", 1)[0]
    return first.casefold() in _RESERVED_FOLDED or first.casefold().startswith(_DECISION_LIKE)


_RESERVED_FOLDED = frozenset(name.casefold() for name in RESERVED)


def _output(text: str) -> str:
    relative_name(text)
    if reserved(text):
        raise ValueError(f"{shown(text)} is a name the daemon keeps for itself in a run directory")
    return text


def _command_part(text: str) -> str:
    for found in _BRACES.finditer(text):
        name = found.group(1)
        if found.group() in ("{{", "}}") or name in PLACEHOLDERS:
            continue
        if name is None:
            raise ValueError(
                f"a single {found.group()} in {shown(text)}; write {found.group() * 2} for the character"
            )
        hint = nearest(name, PLACEHOLDERS)
        raise ValueError(
            f"{shown('{' + name + '}')} is not replaced by anything; {hint}; write {{{{ for a brace"
        )
    return text


def _function(text: str) -> str:
    matching(_FUNCTION, 'a function: "module:function" or "./file.py:function"')(text)
    if ".." in text:
        raise ValueError(f"{shown(text)} must not hold ..")
    return text


Output = Annotated[str, AfterValidator(_output)]
CommandPart = Annotated[str, Field(max_length=10_000), AfterValidator(_command_part)]
Function = Annotated[str, AfterValidator(_function), Field(json_schema_extra={"pattern": _FUNCTION})]
Module = Annotated[str, AfterValidator(matching(_MODULE, "a module, like numpy"))]
Variable = Annotated[str, AfterValidator(matching(_VARIABLE, "the name of an environment variable"))]


class Stage(Strict):
    """One stage: a Python function (``run``) or a command, and what it reads and leaves."""

    name: Name = Field(description="Once in the pipeline")
    run: Function | None = Field(
        default=None, description="module:function, or ./file.py:function beside this file"
    )
    command: Annotated[tuple[CommandPart, ...], Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="argv, no shell; {run} {out} {job} {stage} {attempt} ... are replaced"
    )
    needs: tuple[Name, ...] = Field(default=(), description="The earlier stages it reads from; all if absent")
    gate: bool = Field(
        default=False, description="A person decides at its end, unless the policy says otherwise"
    )
    retries: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="Failures that are tried again"
    )
    outputs: tuple[Output, ...] = Field(
        default=(), description="Each pattern must match a file that is not empty"
    )
    env: tuple[Variable, ...] = Field(default=(), description="Variables handed through to it")
    timeout: Minutes | None = Field(
        default=None, description="Minutes an attempt may take, if the policy has none"
    )
    review: Function | None = Field(
        default=None,
        description="A function that looks at what somebody edited at its gate: for spork review and spork approve",
    )
    preload: tuple[Module, ...] = Field(
        default=(), description="Modules to import for it while the stage before it is at work"
    )


class Pipeline(Strict):
    """The stages of a job, in their order. A job runs by the pipeline as it was when the job was accepted."""

    name: Name = Field(description="The file's name without .yaml")
    description: str = Field(default="", description="What it makes")
    params: dict[Name, Param] = Field(default_factory=dict, description="What a request may set")
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=200)] = Field(description="In order")

    @model_validator(mode="before")
    @classmethod
    def _needs_all_earlier(cls, given: Any) -> Any:
        """Write out what an absent ``needs`` means."""
        if not isinstance(given, Mapping) or not isinstance(given.get("stages"), Sequence):
            return given
        stages: list[Any] = []
        earlier: tuple[Any, ...] = ()
        for stage in given["stages"]:
            if isinstance(stage, Mapping):
                stages.append({**stage, "needs": earlier} if stage.get("needs") is None else stage)
                earlier = (*earlier, stage.get("name"))
            else:
                stages.append(stage)
        return {**given, "stages": tuple(stages)}

    def stage(self, name: str) -> Stage:
        """The stage of that name; KeyError if there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)


@lru_cache(maxsize=32)  # ten thousand requests at once name a handful of pipelines
def load(data: bytes, where: str) -> Pipeline:
    """A pipeline from its file's bytes. Raises Invalid, with everything wrong."""
    document = strictyaml.parse(data, where)
    pipeline = as_model(document, Pipeline)
    problems = [*_stage_problems(document, pipeline), *_param_problems(document, pipeline)]
    if problems:
        raise Invalid(*problems)
    return pipeline


def load_named(folder: Path, name: str) -> tuple[Pipeline, bytes]:
    """The pipeline ``name`` of ``conf/pipelines`` and its bytes.

    Raises Invalid; OSError where it cannot be read now, which says nothing about the file.
    """
    path = folder / f"{name}.yaml"
    where = f"conf/pipelines/{path.name}"
    try:
        data = read_of_operator(path, strictyaml.MAX_BYTES + 1)
    except FileNotFoundError:
        known = sorted(entry.stem for entry in folder.glob("*.yaml"))
        hint = nearest(name, known)
        raise Invalid(whole_file(where, f"there is no pipeline {shown(name)}; {hint}")) from None
    except OSError as error:
        if error.errno in PASSING:
            raise OSError(error.errno, error.strerror, where) from error
        raise Invalid(whole_file(where, f"cannot be read: {error.strerror}")) from None
    pipeline = load(data, where)
    if pipeline.name != name:
        message = f"says name: {pipeline.name}; a pipeline's name is its file's, write name: {name}"
        raise Invalid(whole_file(where, message, "name"))
    return pipeline, data


def fill(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """A stage's command with its placeholders replaced; ``values`` holds all of `PLACEHOLDERS`."""

    def replace(found: re.Match[str]) -> str:
        return found.group()[0] if found.group(1) is None else values[found.group(1)]

    return [_BRACES.sub(replace, part) for part in command]


def _stage_problems(document: Document, pipeline: Pipeline) -> list[Problem]:
    problems: list[Problem] = []
    earlier: list[str] = []
    for place, stage in enumerate(pipeline.stages):
        path = ("stages", place)
        if stage.name in earlier:
            problems.append(
                document.problem((*path, "name"), f"a second stage {stage.name}; names are unique")
            )
        if (stage.run is None) == (stage.command is None):
            problems.append(document.problem(path, "expected run or command, exactly one of them"))
        for number, need in enumerate(stage.needs):
            if need not in earlier:
                message = f"{need} is not an earlier stage; {nearest(need, earlier)}"
                problems.append(document.problem((*path, "needs", number), message))
        earlier.append(stage.name)
    return problems


def _param_problems(document: Document, pipeline: Pipeline) -> list[Problem]:
    problems: list[Problem] = []
    for name, param in pipeline.params.items():
        path = ("params", name)
        bounds = {"minimum": param.minimum, "maximum": param.maximum}
        for key, bound in bounds.items():
            if bound is not None and param.type not in ("number", "integer"):
                problems.append(document.problem((*path, key), f"has no meaning for type {param.type}"))
        if param.max is not None and param.type not in ("files", "string"):
            problems.append(
                document.problem((*path, "max"), f"has no meaning for type {param.type}; use maximum")
            )
        if param.minimum is not None and param.maximum is not None and param.minimum > param.maximum:
            problems.append(document.problem((*path, "minimum"), "is above maximum"))
        if param.default is not None and (wrong := faults_of(param, param.default)):
            problems.append(document.problem((*path, "default"), wrong[0][1]))
    return problems


def check_settled(pipeline: Pipeline, settled: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the params that the policy sets for a pipeline: the param and what it is."""
    wrong: list[tuple[str, str]] = []
    for name, value in settled.items():
        param = pipeline.params.get(name)
        if param is None:
            wrong.append(
                (name, f"pipeline {pipeline.name} has no such param; {nearest(name, pipeline.params)}")
            )
        elif param.type == "files":
            wrong.append((name, "files come with a request; the policy cannot set them"))
        elif faults := faults_of(param, value):
            wrong.append((name, faults[0][1]))
    return wrong


def check_params(
    pipeline: Pipeline,
    params: Mapping[str, Any],
    document: Document | None = None,
    settled: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The params of a job, JSON values, defaults filled in: the policy's (``settled``), then the pipeline's.

    ``document`` is the request they stand in, for line and column. Raises Invalid, with everything wrong.
    """
    document = document or Document("params", NOTHING)
    settled = settled or {}
    problems: list[Problem] = []
    for name, value in params.items():
        param = pipeline.params.get(name)
        if param is None:
            message = f"pipeline {pipeline.name} has no such param; {nearest(name, pipeline.params)}"
            problems.append(document.problem(("params", name), message))
        elif param.set_by == "policy":
            message = f"is set by pipeline.params.{pipeline.name} in conf/operator.yaml, not by a request"
            problems.append(document.problem(("params", name), message))
        elif value is not None:
            faults = faults_of(param, value)
            problems += [document.problem(("params", name, *path), message) for path, message in faults]
    for name, param in pipeline.params.items():
        if param.required and params.get(name) is None and settled.get(name) is None:
            problems.append(document.problem(("params", name), f"is required by pipeline {pipeline.name}"))
    if problems:
        raise Invalid(*problems)
    filled = {name: param.default for name, param in pipeline.params.items() if param.default is not None}
    for given in (settled, params):
        filled |= {name: value for name, value in given.items() if value is not None}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in filled.items()}
