"""Any shape under any key of any document is taken or refused, and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.documents import DECISION_KEYS, Request, load, load_decision
from daemon.errors import Invalid, Problem
from daemon.params import Param
from daemon.pipelines import Pipeline, Stage, check_params
from daemon.pipelines import load as load_pipeline
from daemon.settings import GatePolicy, Policy, StagesPolicy, WatchPolicy, parse_policy
from daemon.tightening import check_tightening

KEYS = sorted(
    {
        field.alias or name
        for model in (Request, Policy, GatePolicy, StagesPolicy, WatchPolicy, Pipeline, Stage, Param)
        for name, field in model.model_fields.items()
    }
    | set(DECISION_KEYS["reject"])
)
PIPELINE = load_pipeline(
    b"name: p\nparams: {name: {type: number}, run: {type: files}, env: {type: string, enum: [a]}}\n"
    b"stages: [{name: run, command: [x], gate: true}, {name: env, command: [x]}]\n",
    "p.yaml",
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["video", "a/../b", "{run}", "{", "m:f", "number", "files", "pause", "sha256:", ""]),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from(KEYS), values, max_size=6)


def _request(data: bytes) -> None:
    request = load(data, Request, "f")
    check_tightening(request, PIPELINE, Policy())
    check_params(PIPELINE, request.params)


READERS: dict[str, Callable[[bytes], object]] = {
    "request": _request,
    "decision": lambda data: load_decision(data, "reject", "f"),
    "policy": lambda data: parse_policy(data, "f"),
    "pipeline": lambda data: load_pipeline(data, "f"),
}


def _problems(read: Callable[[bytes], object], data: bytes) -> tuple[Problem, ...] | None:
    try:
        read(data)
    except Invalid as error:
        return error.problems
    return None


REQUIRED = {"request": {"intent": "x"}, "pipeline": {"name": "p"}}


@pytest.mark.parametrize("kind", READERS)
# make fuzz tries a million.
@settings(max_examples=30, deadline=None)
@given(document=documents, complete=st.booleans())
def test_every_shape_is_taken_or_refused(kind: str, document: dict[str, object], complete: bool) -> None:
    """A refusal has a place in the file and one printable line for each thing wrong."""
    if complete:
        document |= REQUIRED.get(kind, {})
    data = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")
    problems = _problems(READERS[kind], data)
    assert problems is None or problems
    assert all(str(problem).isprintable() for problem in problems or ())
