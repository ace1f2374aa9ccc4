"""The policy, and what it means for the gates and time limits of one job."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.documents import Request, as_model
from daemon.errors import BadPolicy, Invalid
from daemon.pipelines import Pipeline, load
from daemon.settings import GateRule, Policy, gate_rule, load_policy, parse_policy, stage_limit_seconds
from daemon.strictyaml import parse
from daemon.tightening import check_tightening

POLICY = b"""gates:
  script: {timeout_minutes: 60}
  audio: {auto_approve: true, timeout_minutes: 30, on_timeout: cancel}
  free: {required: false}
pipeline:
  stage_timeouts: {script: 45}
"""
PIPELINE = b"""name: p
stages:
  - {name: script, command: [x], gate: false}
  - {name: audio, command: [x]}
  - {name: free, command: [x], gate: true}
  - {name: own, command: [x], gate: true, timeout: 10}
  - {name: plain, command: [x]}
"""


@pytest.fixture
def policy() -> Policy:
    return parse_policy(POLICY, "conf/operator.yaml")


@pytest.fixture
def pipeline() -> Pipeline:
    return load(PIPELINE, "p.yaml")


def test_everything_is_optional() -> None:
    """A policy that says nothing is the contract's defaults."""
    policy = parse_policy(b"{}", "p")
    assert policy.model_dump() == Policy().model_dump()
    assert (policy.pipeline.default, policy.inbox.settle_seconds, policy.inbox.empty_seconds) == (
        "video",
        2,
        10,
    )
    assert (policy.inbox.roots, policy.inbox.sources_wait_seconds) == ((Path("sources"),), 60)
    assert (policy.decisions.unbound, policy.lane.path) == ("accept", Path("jobs/lane.lock"))
    stages = policy.stages
    assert (stages.default_timeout, stages.stop_grace_seconds, stages.kill_grace_seconds) == (60, 30, 5)
    assert (stages.max_interruptions, stages.env, stages.log_limit_mib, stages.preload) == (3, (), 16, ())
    assert (policy.watch.mode, policy.watch.rescan_seconds, policy.watch.poll_seconds) == ("auto", 60, 2)
    assert (policy.retention.runs_days, policy.min_free_mib, policy.group, policy.placeholders) == (
        None,
        500,
        None,
        False,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a mapping"),
        (
            "gates: {script: {requird: true}}\n",
            "p:1:18: gates.script.requird: unknown key; did you mean 'required'?",
        ),
        ("gates: {script: {on_timeout: approve}}\n", "expected one of pause, cancel, fail"),
        ("gates: {script: {auto_approve: true}}\n", "gates.script.auto_approve: needs timeout_minutes"),
        ("watch: {mode: inotfy}\n", "did you mean 'inotify'?"),
        ("stages: {env: PATH}\n", "expected a list, not 'PATH'; write [PATH]"),
        ("stages: {default_timeout: 0}\n", "more than 0"),
        ("lane: {path: ''}\n", "expected a path"),
        ("lane: {path: 3}\n", "expected a path"),
        ("min_free_mib: 5 GB\n", "expected a number"),
        ("group: 100\n", 'put it in quotes: "100"'),
        ("retention: {run_days: 3}\n", "did you mean 'runs_days'?"),
    ],
)
def test_a_bad_policy_names_the_line(text: str, expected: str) -> None:
    """The operator learns line, key, and what would be right."""
    with pytest.raises(Invalid) as caught:
        parse_policy(text.encode(), "p")
    assert expected in str(caught.value)


def test_paths_are_relative_to_the_workspace(tmp_path: Path) -> None:
    """Absolute paths stay, others begin at the workspace; a bad or missing policy is BadPolicy."""
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf/operator.yaml"
    with pytest.raises(BadPolicy, match=r"conf/operator.yaml: cannot be read: No such file"):
        load_policy(tmp_path)
    file.write_text("inbox: {roots: [docs, /srv/docs]}\nlane: {path: /run/lane.lock}\n")
    policy = load_policy(tmp_path)
    assert policy.inbox.roots == (tmp_path / "docs", Path("/srv/docs"))
    assert policy.lane.path == Path("/run/lane.lock")
    file.write_text("gates: 3\n")
    with pytest.raises(BadPolicy, match=r"conf/operator.yaml:1:1: gates: expected a mapping"):
        load_policy(tmp_path)


RULES = [
    # stage, the pipeline's gate, the job's wish, and the rule
    ("script", False, {}, GateRule(3600, False, "pause")),
    ("script", False, {"timeout_minutes": 5}, GateRule(300, False, "pause")),
    ("script", False, {"timeout_minutes": 90}, GateRule(3600, False, "pause")),
    ("script", False, {"auto_approve": True}, GateRule(3600, False, "pause")),
    ("script", False, {"required": False}, GateRule(3600, False, "pause")),
    ("audio", False, {}, GateRule(1800, True, "cancel")),
    ("audio", False, {"auto_approve": False}, GateRule(1800, False, "cancel")),
    ("free", True, {}, None),
    ("free", True, {"required": True}, GateRule(None, False, "pause")),
    ("own", True, {}, GateRule(None, False, "pause")),
    ("own", True, {"timeout_minutes": 0.5}, GateRule(30, False, "pause")),
    ("plain", False, {}, None),
    ("plain", False, {"required": False}, None),
    (
        "plain",
        False,
        {"required": True, "timeout_minutes": 1, "on_timeout": "fail"},
        GateRule(60, False, "fail"),
    ),
    ("plain", False, {"timeout_minutes": 1, "auto_approve": True}, GateRule(60, True, "pause")),
    ("plain", False, {"auto_approve": True}, GateRule(None, False, "pause")),
]


@pytest.mark.parametrize(("stage", "gate", "wish", "rule"), RULES)
def test_the_gates_rule(
    policy: Policy, stage: str, gate: bool, wish: dict[str, object], rule: GateRule | None
) -> None:
    """Policy, pipeline and job make one rule; where the job asks for more than it may, the policy stands."""
    assert gate_rule(policy, gate, stage, {stage: wish} if wish else {}) == rule


def test_time_limits(policy: Policy) -> None:
    """The policy's limit, else the pipeline's, else the default; a job may only shorten it."""
    assert stage_limit_seconds(policy, "script", {}) == 45 * 60
    assert stage_limit_seconds(policy, "script", {"script": 3}, 10) == 3 * 60
    assert stage_limit_seconds(policy, "script", {"script": 99}) == 45 * 60
    assert stage_limit_seconds(policy, "plain", {}) == 60 * 60
    assert stage_limit_seconds(policy, "plain", {"other": 1}, 10) == 10 * 60


LOOSER = [
    ("gates: {script: {required: false}}", "f:2:18: gates.script.required", "conf/operator.yaml:2"),
    (
        "gates: {script: {timeout_minutes: 61}}",
        "gates.script.timeout_minutes",
        "conf/operator.yaml:2 gives 60 minutes",
    ),
    ("gates: {script: {auto_approve: true}}", "gates.script.auto_approve", "conf/operator.yaml:2"),
    ("gates: {script: {on_timeout: fail}}", "gates.script.on_timeout", "conf/operator.yaml:2 says pause"),
    ("gates: {own: {required: false}}", "gates.own.required", "gate: true of stage own"),
    ("gates: {plain: {auto_approve: true}}", "gates.plain.auto_approve", "needs timeout_minutes"),
    ("gates: {plane: {}}", "gates.plane", "did you mean 'plain'?"),
    (
        "stage_timeouts: {script: 46}",
        "f:2:18: stage_timeouts.script",
        "conf/operator.yaml:6 gives 45 minutes",
    ),
    ("stage_timeouts: {own: 11}", "stage_timeouts.own", "pipeline p gives 10 minutes"),
    ("stage_timeouts: {plain: 61}", "stage_timeouts.plain", "stages.default_timeout of the policy gives 60"),
]


def problems_of(wish: str, pipeline: Pipeline, policy: Policy) -> list[str]:
    document = parse(f"intent: x\n{wish}\n".encode(), "f")
    return [str(p) for p in check_tightening(as_model(document, Request), pipeline, policy, document)]


@pytest.mark.parametrize(("wish", "field", "reason"), LOOSER)
def test_looser_is_refused(wish: str, field: str, reason: str, pipeline: Pipeline, policy: Policy) -> None:
    """A job that asks for less than the policy is told which line of the policy stands against it."""
    (problem,) = problems_of(wish, pipeline, policy)
    assert field in problem
    assert reason in problem


@pytest.mark.parametrize(
    "wish",
    [
        "gates: {script: {timeout_minutes: 60}, audio: {auto_approve: false}, plain: {}, free: {}}",
        "gates: {audio: {auto_approve: true, on_timeout: cancel}}",
        "gates: {plain: {auto_approve: true, timeout_minutes: 5, on_timeout: fail}}",
        "stage_timeouts: {script: 45, own: 0.5}",
    ],
)
def test_tighter_is_taken(wish: str, pipeline: Pipeline, policy: Policy) -> None:
    """A job may add a gate, shorten its time and turn auto_approve off."""
    assert problems_of(wish, pipeline, policy) == []
