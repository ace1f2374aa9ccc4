"""What a job may ask of its gates and time limits: tighter than the policy, never looser."""

from __future__ import annotations

from daemon.documents import Request
from daemon.errors import Problem
from daemon.explain import nearest
from daemon.pipelines import Pipeline
from daemon.settings import Policy, policy_rule, stage_limit_seconds
from daemon.tree import NOTHING, Document


def check_tightening(
    request: Request, pipeline: Pipeline, policy: Policy, document: Document | None = None
) -> list[Problem]:
    """What a request asks for that is looser than the policy, or names a stage the pipeline lacks.

    ``document`` is the request, for line and column.
    """
    told = document or Document("the request", NOTHING)
    stages = {stage.name: stage for stage in pipeline.stages}
    problems: list[Problem] = []
    for key, names in (("gates", request.gates), ("stage_timeouts", request.stage_timeouts)):
        for name in names:
            if name not in stages:
                message = f"pipeline {pipeline.name} has no such stage; {nearest(name, stages)}"
                problems.append(told.problem((key, name), message))
    for name, stage in stages.items():
        if name in request.gates:
            faults = _looser_gate(request, policy, name, stage.gate)
            problems += [told.problem(("gates", name, key), message) for key, message in faults]
        if name in request.stage_timeouts:
            limit = stage_limit_seconds(policy, name, {}, stage.timeout) / 60
            if request.stage_timeouts[name] > limit:
                source = _limit_source(policy, name, stage.timeout is not None, pipeline.name)
                message = f"may only shorten: {source} gives {limit:g} minutes"
                problems.append(told.problem(("stage_timeouts", name), message))
    return problems


def _limit_source(policy: Policy, name: str, own: bool, pipeline: str) -> str:
    if name in policy.pipeline.stage_timeouts:
        return policy.place("pipeline", "stage_timeouts", name)
    return f"pipeline {pipeline}" if own else "stages.default_timeout of the policy"


def _looser_gate(request: Request, policy: Policy, name: str, stage_gate: bool) -> list[tuple[str, str]]:
    """Key and reason of what one gate's change would loosen."""
    asked, base = request.gates[name], policy_rule(policy, stage_gate, name)
    source = policy.place("gates", name) if name in policy.gates else f"gate: true of stage {name}"
    if base is None:
        if asked.required and asked.auto_approve and asked.timeout_minutes is None:
            return [("auto_approve", "needs timeout_minutes: when would it approve itself?")]
        return []
    faults: list[tuple[str, str]] = []
    if not asked.required:
        faults.append(("required", f"a job cannot take away the gate that {source} asks for"))
    if asked.auto_approve and not base.auto_approve:
        faults.append(("auto_approve", f"a job cannot let the timer approve where {source} does not"))
    if asked.timeout_minutes is not None and base.timeout_seconds is not None:
        limit = base.timeout_seconds / 60
        if asked.timeout_minutes > limit:
            faults.append(("timeout_minutes", f"may only shorten: {source} gives {limit:g} minutes"))
    if asked.on_timeout not in (None, base.on_timeout):
        faults.append(("on_timeout", f"is the policy's: {source} says {base.on_timeout}"))
    return faults
