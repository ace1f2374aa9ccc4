"""The verdict on a file that a person wrote: the same for ``spork check``, the inbox and the policy."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from daemon import pipelines, runnable, strictyaml
from daemon.documents import Request, as_model, load_decision, slug_of, whole_file
from daemon.endmark import is_cut_short
from daemon.errors import Invalid, Problem
from daemon.explain import nearest
from daemon.finding import NotYet, Unfit, find
from daemon.names import shown as shown_name
from daemon.names import verb_of
from daemon.pipelines import Pipeline, check_params, check_settled, load_named
from daemon.settings import Policy, gate_rule, load_policy, parse_policy
from daemon.tightening import check_tightening
from daemon.tree import Document, shown
from daemon.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Vetted:
    """A request that will be a job, with what it runs by."""

    request: Request
    document: Document
    """The request with line and column, for what is found wrong later."""
    slug: str
    pipeline: Pipeline
    pipeline_bytes: bytes
    params: Mapping[str, Any]
    """JSON values, defaults filled in."""
    sources: tuple[str, ...]
    """The files its params name, relative, each once."""
    gated: frozenset[str]
    """The stages that end in a gate, by the policy of now."""


Load = Callable[[Path, str], tuple[Pipeline, bytes]]


def vet_request(
    data: bytes, where: str, policy: Policy, workspace: Workspace, load: Load = load_named
) -> Vetted:
    """A request from its bytes, held against its pipeline and the policy.

    ``where`` names the file in problems. ``load``: what has read a pipeline a moment ago need not read it again.
    Raises Invalid, with everything wrong; OSError where the pipeline cannot be read now. Looks for no sources.
    """
    document = strictyaml.parse(data, where)
    refused: list[Problem] = []
    try:
        request = as_model(document, Request)
    except Invalid as error:
        refused = list(error.problems)
        request = _sound_part(document, refused)
    try:
        vetted = _vetted(request, document, policy, workspace, load)
    except Invalid as error:
        refused += error.problems
    if refused:
        raise Invalid(*sorted(refused, key=lambda problem: (problem.line, problem.column)))
    return vetted


def _sound_part(document: Document, refused: Sequence[Problem]) -> Request:
    """What a request says beside the keys at fault, so that all that is wrong is told at once.

    Raises Invalid with what is known where the rest cannot be judged: by which pipeline, with which params.
    """
    faulty = {re.split(r"[.\[]", problem.field)[0] for problem in refused}
    judged_by = ("pipeline", "params")
    if any(get_close_matches(key.casefold(), judged_by, n=1) for key in faulty):
        raise Invalid(*refused)
    sound = {key: value for key, value in document.plain().items() if key not in faulty}
    try:
        return Request.model_validate({"intent": "-", **sound}, by_alias=True)
    except ValidationError:
        raise Invalid(*refused) from None


def _vetted(request: Request, document: Document, policy: Policy, workspace: Workspace, load: Load) -> Vetted:
    pipeline, pipeline_bytes = _pipeline_of(request, document, policy, workspace, load)
    problems = check_tightening(request, pipeline, policy, document)
    params: dict[str, Any] = {}
    settled = policy.pipeline.params.get(pipeline.name, {})
    for name, message in check_settled(pipeline, settled):
        where_set = policy.place("pipeline", "params", pipeline.name, name)
        problems.append(document.problem(("pipeline",), f"{where_set}: {name}: {message}"))
    try:
        params = check_params(pipeline, request.params, document, settled)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(*problems)
    changes = {name: gate.model_dump(exclude_unset=True) for name, gate in request.gates.items()}
    gated = frozenset(
        s.name for s in pipeline.stages if gate_rule(policy, s.gate, s.name, changes) is not None
    )
    slug = request.slug or slug_of(request.intent)
    sources = _sources_of(pipeline, params)
    return Vetted(request, document, slug, pipeline, pipeline_bytes, params, sources, gated)


def check(path: Path, workspace: Workspace) -> list[Problem]:
    """Everything wrong with a file, as the daemon would find it; its place and name say what it is.

    Raises BadPolicy where a request is to be held against a policy that cannot be used, OSError where a pipeline
    cannot be read now.
    """
    where = shown_name(str(path))
    try:
        data = _read(path, where)
        name, place = path.name, path.absolute()
        if verb := verb_of(name):
            _not_cut_short(data, where)
            load_decision(data, verb, where)
        elif place == workspace.policy_file or place.parts[-2:] == ("conf", "operator.yaml"):
            _check_policy(data, where, workspace)
        elif place.parts[-3:-1] == ("conf", "pipelines"):
            _check_pipeline(data, where, path.parent, path.stem)
        elif data and "stages" in strictyaml.parse(data, where).root.entries:
            _check_pipeline(data, where, path.parent, None)
        else:
            return _request(data, where, path, workspace)
    except Invalid as error:
        return list(error.problems)
    return []


def check_request(path: Path, workspace: Workspace) -> list[Problem]:
    """Everything wrong with a file as a request, whatever its name. Raises BadPolicy; OSError as `check`."""
    where = shown_name(str(path))
    try:
        return _request(_read(path, where), where, path, workspace)
    except Invalid as error:
        return list(error.problems)


def _request(data: bytes, where: str, path: Path, workspace: Workspace) -> list[Problem]:
    if not data:
        message = "is empty: the inbox waits for its content; the one key that is required is intent"
        raise Invalid(whole_file(where, message))
    _not_cut_short(data, where)
    policy = load_policy(workspace)
    vetted = vet_request(data, where, policy, workspace)
    return _unfit_sources(vetted, path, policy, workspace)


def _not_cut_short(data: bytes, where: str) -> None:
    """Raises Invalid for what the daemon would wait for without end: it begins as a template does, and has no end."""
    if is_cut_short(data):
        raise Invalid(
            whole_file(where, "incomplete: begins like a template, but its last line, `...`, is missing")
        )


def _pipeline_of(
    request: Request, document: Document, policy: Policy, workspace: Workspace, load: Load
) -> tuple[Pipeline, bytes]:
    name = request.pipeline or policy.pipeline.default
    try:
        return load(workspace.pipelines, name)
    except Invalid as error:
        if (workspace.pipelines / f"{name}.yaml").exists():
            raise
        told = error.problems[0].message
        if request.pipeline is None:
            told = f"{told}; the default is set in {policy.place('pipeline', 'default')}"
        raise Invalid(document.problem(("pipeline",), told)) from None


def _sources_of(pipeline: Pipeline, params: Mapping[str, Any]) -> tuple[str, ...]:
    listed = [params.get(name, []) for name, param in pipeline.params.items() if param.type == "files"]
    return tuple(dict.fromkeys(name for names in listed for name in names))


def _check_policy(data: bytes, where: str, workspace: Workspace) -> None:
    policy = parse_policy(data, where)
    known = sorted(path.stem for path in workspace.pipelines.glob("*.yaml"))
    problems: list[Problem] = []
    if policy.pipeline.default not in known:
        message = f"there is no pipeline {policy.pipeline.default}; {nearest(policy.pipeline.default, known)}"
        problems.append(Problem(where, policy.line("pipeline", "default"), 0, "pipeline.default", message))
    for name, settled in policy.pipeline.params.items():
        if name not in known:
            wrong = [("", f"there is no pipeline {name}; {nearest(name, known)}")]
        else:
            wrong = check_settled(load_named(workspace.pipelines, name)[0], settled)
        for param, message in wrong:
            path = ("pipeline", "params", name, *([param] if param else []))
            problems.append(Problem(where, policy.line(*path), 0, ".".join(path), message))
    if problems:
        raise Invalid(*problems)


def _check_pipeline(data: bytes, where: str, folder: Path, name: str | None) -> None:
    pipeline = pipelines.load(data, where)
    problems = runnable.problems(pipeline, strictyaml.parse(data, where), folder)
    if name is not None and pipeline.name != name:
        message = f"says {pipeline.name}, its file says {name}; make them equal"
        problems.insert(0, whole_file(where, message, "name"))
    if problems:
        raise Invalid(*problems)


def _unfit_sources(vetted: Vetted, path: Path, policy: Policy, workspace: Workspace) -> list[Problem]:
    """The sources that would not be taken: neither beside the request nor where the daemon looks, or links."""
    folders = [
        path.parent / path.stem, path.parent,
        workspace.inbox / path.stem, workspace.inbox, workspace.sources, *policy.inbox.roots,
    ]  # fmt: skip
    problems: list[Problem] = []
    for param, value in vetted.params.items():
        if vetted.pipeline.params[param].type != "files":
            continue
        for place, name in enumerate(value):
            if wrong := _wrong_with_source(name, folders):
                problems.append(vetted.document.problem(("params", param, place), wrong))
    return problems


def _wrong_with_source(name: str, folders: list[Path]) -> str:
    """Why the daemon would not take this source; nothing where it would, or would wait for its writer."""
    try:
        find(name, [(folder, name) for folder in folders])
    except Unfit as error:
        return f"{shown(name)}: {error}"
    except NotYet:
        if not any(os.path.lexists(folder / name) for folder in folders):
            return f"{shown(name)} is neither beside the request nor in inbox/ or sources/; put it there"
    return ""


def _read(path: Path, where: str) -> bytes:
    """The bytes of a regular file; a link, a FIFO or a giant is refused as the daemon would."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise Invalid(whole_file(where, "is a link; the file itself must lie there")) from None
        raise Invalid(whole_file(where, f"cannot be read: {error.strerror}")) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Invalid(whole_file(where, "is not a regular file"))
        if status.st_size > strictyaml.MAX_BYTES:
            raise Invalid(whole_file(where, f"larger than 1 MiB ({status.st_size} bytes)"))
        return os.read(descriptor, strictyaml.MAX_BYTES + 1)
    finally:
        os.close(descriptor)
