"""Pipelines and params: what their authors may write, and what a request gets from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import Invalid
from daemon.params import Param
from daemon.pipelines import (
    PLACEHOLDERS,
    Pipeline,
    check_params,
    check_settled,
    fill,
    load,
    load_named,
    reserved,
)

CONF = Path(__file__).parents[2] / "conf/pipelines"
PARAMS = """
name: p
params:
  minutes: {type: number, default: 1.5, minimum: 0.5, maximum: 15}
  scenes: {type: integer}
  audience: {type: string, required: true, max: 20}
  dark: {type: boolean, default: false}
  look: {type: string, enum: [plain, rich]}
  sources: {type: files, max: 2}
stages: [{name: a, command: [true_]}]
"""


def told(text: str) -> str:
    with pytest.raises(Invalid) as caught:
        load(text.encode(), "p.yaml")
    return str(caught.value)


def stage(rest: str) -> str:
    return f"name: p\nstages:\n  - {{name: a, command: [x]}}\n  - {{name: b, {rest}}}\n"


def test_needs_default_to_all_earlier_stages() -> None:
    """A stage that names none reads from all before it; an empty list reads from none."""
    stages = b"[{name: a, command: [x]}, {name: b, command: [x], needs: []}, {name: c, command: [x]}]"
    text = b"name: p\nstages: " + stages
    assert [s.needs for s in load(text, "p.yaml").stages] == [(), (), ("a", "b")]


@pytest.mark.parametrize("rest", ["comand: [x]", "command: ['{foo}']"])
def test_an_error_within_a_stage_is_the_only_one(rest: str) -> None:
    """That no stage is left of them is no fault of its own."""
    assert "too few" not in told(f"name: p\nstages:\n  - {{name: a, {rest}}}\n")


def param(spec: str) -> str:
    return f"name: p\nparams: {{a: {spec}}}\nstages: [{{name: a, command: [x]}}]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: p\nstages: []\n", "too few entries"),
        ("name: P\nstages: [{name: a, command: [x]}]\n", "name: 'P' is not a name"),
        (stage("run: 'm:f', command: [x]"), "p.yaml:4:5: stages[1]: expected run or command, exactly one"),
        (stage("gate: true"), "exactly one"),
        ("name: p\nstages: [{name: a, command: [x]}, {name: a, command: [x]}]\n", "a second stage a"),
        (stage("command: [x], needs: [c]"), "stages[1].needs[0]: c is not an earlier stage"),
        (stage("command: [x], needs: [b]"), "b is not an earlier stage"),
        (stage("run: stages.outline"), "is not a function"),
        (stage("run: './../x.py:run'"), "must not hold .."),
        (stage("command: []"), "too few entries"),
        (stage("command: echo 'a b' -n"), 'expected a list, not "echo \'a b\' -n"; write [echo, "a b", -n]'),
        (stage("command: 'make > log'"), 'write [sh, -euc, "make > log"]'),
        (stage("command: [sleep, 5]"), 'put it in quotes: "5"'),
        (stage("command: ['{ot}']"), "'{ot}' is not replaced by anything; did you mean 'out'?"),
        (stage("command: ['${x}']"), "'{x}' is not replaced"),
        (stage("command: ['a{']"), "write {{ for the character"),
        (stage("command: ['}']"), "write }} for the character"),
        (stage("command: [x], outputs: [../x]"), "must not hold .."),
        (stage("command: [x], outputs: [/x]"), "relative path"),
        (stage("command: [x], outputs: [a//b]"), "must not hold"),
        (stage("command: [x], outputs: [approve.yaml]"), "keeps for itself"),
        (stage("command: [x], outputs: ['logs/*']"), "keeps for itself"),
        (stage("command: [x], env: ['A=B']"), "environment variable"),
        (stage("command: [x], retries: -1"), "at least 0"),
        (stage("command: [x], gate: on"), "write true"),
        (stage("comand: [x]"), "did you mean 'command'?"),
        (param("{type: nmber}"), "did you mean 'number'?"),
        (param("{type: string, minimum: 1}"), "no meaning"),
        (param("{type: number, default: x}"), "expected a number"),
    ],
)
def test_a_wrong_pipeline_is_refused_with_its_place(text: str, expected: str) -> None:
    """The author of a pipeline learns the line, what was expected, and the nearest right name."""
    assert expected in told(text)


@pytest.mark.parametrize(
    "name",
    [
        "state.json",
        "REVIEW.md",
        "review.MD",
        "gate.json",
        "approve.yaml",
        "Approved",
        "resume",
        "logs/x",
        ".work",
    ],
)
def test_the_daemons_own_names_are_reserved(name: str) -> None:
    """A stage can write nothing that reads as the daemon's word or as a decision."""
    assert reserved(name)


def test_ordinary_names_are_not_reserved() -> None:
    """Reserved is the first part of the path, and nothing more."""
    assert not any(map(reserved, ["video.mp4", "assets/approve.png", "my/state.json", "notes.txt"]))


def test_placeholders_are_filled_in_and_braces_kept() -> None:
    """Values come in as they are, even where they look like placeholders; doubled braces stand for one."""
    values = dict.fromkeys(PLACEHOLDERS, "-") | {"run": "/w/{out}", "attempt": "2"}
    assert fill(["{run}/a.{attempt}", "{{x}}", "}}{{"], values) == ["/w/{out}/a.2", "{x}", "}{"]


@pytest.fixture
def pipeline() -> Pipeline:
    return load(PARAMS.replace("true_", "x").encode(), "p.yaml")


def test_defaults_are_filled_in(pipeline: Pipeline) -> None:
    """What the request leaves out comes from the pipeline; what neither says is not there."""
    assert check_params(pipeline, {"audience": "all", "scenes": None}) == {
        "minutes": 1.5,
        "dark": False,
        "audience": "all",
    }


def test_values_become_json(pipeline: Pipeline) -> None:
    """A whole number will do for a number; files come out as a list."""
    given = {"audience": "a", "minutes": 2, "sources": ("a.md", "b/c.md"), "dark": True, "look": "rich"}
    assert check_params(pipeline, given) == {**given, "sources": ["a.md", "b/c.md"]}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "params.audience: is required by pipeline p"),
        ({"audience": 3}, "expected text, not '3'; put it in quotes: \"3\""),
        ({"audience": "x" * 21}, "at most 20 characters"),
        ({"minutes": 16}, "must be at most 15, not 16"),
        ({"minutes": 0}, "must be at least 0.5"),
        ({"minutes": "2"}, "expected a number, not '2'"),
        ({"minutes": True}, "expected a number, not 'true'"),
        ({"scenes": 1.5}, "expected a whole number"),
        ({"dark": "yes"}, "expected true or false"),
        ({"look": "shiny"}, "expected one of plain, rich"),
        ({"minuts": 2}, "pipeline p has no such param; did you mean 'minutes'?"),
        ({"sources": "a.md"}, "expected a list of file names"),
        ({"sources": ["../a"]}, "params.sources[0]: '../a' must not hold .."),
        ({"sources": ["/etc/passwd"]}, "relative path"),
        ({"sources": ["a\nb"]}, "printable"),
        ({"sources": ["a", "a"]}, "named twice"),
        ({"sources": ["a", "b", "c"]}, "too many files: 3, at most 2"),
        ({"sources": [{"a": 1}]}, "expected a file name, not a mapping"),
    ],
)
def test_wrong_params_are_refused(pipeline: Pipeline, params: dict[str, object], expected: str) -> None:
    """A request learns which param is wrong and what would be right."""
    with pytest.raises(Invalid) as caught:
        check_params(pipeline, params)
    assert expected in str(caught.value)


def test_the_policy_sets_what_no_request_may(pipeline: Pipeline) -> None:
    """Where keys are sent to is the operator's matter; what a request says stands above the policy's default."""
    secret = Param(type="string", set_by="policy")
    pipeline = pipeline.model_copy(update={"params": {**pipeline.params, "base_url": secret}})
    settled = {"base_url": "http://127.0.0.1", "minutes": 3, "audience": "all"}
    assert check_params(pipeline, {"minutes": 2}, settled=settled) == {
        "minutes": 2, "dark": False, "audience": "all", "base_url": "http://127.0.0.1",
    }  # fmt: skip
    with pytest.raises(
        Invalid, match=r"is set by pipeline\.params\.p in conf/operator\.yaml, not by a request"
    ):
        check_params(pipeline, {"audience": "a", "base_url": "http://elsewhere"}, settled=settled)


def test_params_of_the_policy_are_checked(pipeline: Pipeline) -> None:
    """A wrong one is named like a request's."""
    settled = {"minutes": 99, "minuts": 1, "sources": ["a.md"]}
    assert [name for name, _ in check_settled(pipeline, settled)] == ["minutes", "minuts", "sources"]
    assert check_settled(pipeline, {"minutes": 2, "audience": "all"}) == []


def test_the_pipelines_of_the_repository_are_good() -> None:
    """Every file under conf/pipelines is one, under its own name."""
    names = [path.stem for path in CONF.glob("*.yaml")]
    assert {"note", "video"} <= set(names)
    for name in names:
        assert load_named(CONF, name)[0].name == name


def test_a_missing_pipeline_is_named_with_the_nearest() -> None:
    """A slip in the name is answered with the right one."""
    with pytest.raises(Invalid, match="there is no pipeline 'vidoe'; did you mean 'video'"):
        load_named(CONF, "vidoe")


def test_a_pipeline_has_its_files_name(tmp_path: Path) -> None:
    """A copied pipeline whose name was not changed is refused."""
    (tmp_path / "mine.yaml").write_bytes((CONF / "note.yaml").read_bytes())
    with pytest.raises(Invalid, match="write name: mine"):
        load_named(tmp_path, "mine")
