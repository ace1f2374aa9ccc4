"""The operator's policy, ``conf/operator.yaml``, as types, and what it means for one stage of one job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from daemon import strictyaml
from daemon.documents import Line, Minutes, Name, Strict, as_model
from daemon.errors import BadPolicy, Invalid, Problem
from daemon.looking import read_of_operator
from daemon.pipelines import Module, Variable
from daemon.room import MIN_FREE_MIB
from daemon.tree import Document
from daemon.workspace import Workspace

Seconds = Annotated[float, Field(ge=0, le=86_400)]
OnTimeout = Literal["pause", "cancel", "fail"]


def _some_path(path: Path) -> Path:
    if str(path) == "." or not str(path).isprintable():
        raise ValueError("expected a path, relative to the workspace")
    return path


PathSetting = Annotated[Path, Field(strict=False), AfterValidator(_some_path)]


class GatePolicy(Strict):
    """A gate the operator asks for (or takes away) after a stage, whatever pipeline the stage is in."""

    required: bool = Field(default=True, description="false: no gate, even where the pipeline has one")
    auto_approve: bool = Field(
        default=False, description="Unanswered at its timeout, the gate approves itself, by: timer"
    )
    timeout_minutes: Minutes | None = Field(default=None, description="How long it waits; for ever if absent")
    on_timeout: OnTimeout = Field(
        default="pause", description="What an unanswered gate does; paused stays answerable"
    )


class PipelinePolicy(Strict):
    """Which pipeline runs when a request names none, and how long attempts may take."""

    default: Name = Field(default="video", description="A file of conf/pipelines without .yaml")
    stage_timeouts: dict[Name, Minutes] = Field(
        default_factory=dict, description="Minutes an attempt may take"
    )
    params: dict[Name, dict[Name, Any]] = Field(
        default_factory=dict,
        description="By pipeline: what its params are where a request says nothing, and those no request may set",
    )


class InboxPolicy(Strict):
    """When a dropped file is complete, and where a request's own files may lie."""

    settle_seconds: Seconds = Field(
        default=2, description="Unchanged for so long, and nobody writes: complete"
    )
    empty_seconds: Seconds = Field(
        default=10, description="An empty decision file counts after so long; an empty request never does"
    )
    roots: tuple[PathSetting, ...] = Field(
        default=(Path("sources"),), description="Folders a request's sources may lie in, besides the inbox"
    )
    sources_wait_seconds: Seconds = Field(default=60, description="How long a missing source is waited for")


class DecisionsPolicy(Strict):
    """Which decisions count."""

    unbound: Literal["accept", "refuse"] = Field(
        default="accept", description="Whether a decision that names no digest may answer a gate"
    )


class LanePolicy(Strict):
    """The lane: one stage at a time."""

    path: PathSetting = Field(
        default=Path("jobs/lane.lock"),
        description="Its lock file; workspaces that name the same one take turns",
    )


class StagesPolicy(Strict):
    """How attempts are run and ended."""

    default_timeout: Minutes = Field(default=60, description="Minutes, where nothing else is said")
    stop_grace_seconds: Seconds = Field(default=30, description="A stop waits so long for the open attempt")
    kill_grace_seconds: Seconds = Field(default=5, description="Between TERM and KILL")
    max_interruptions: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=3, description="Crashes in a row after which a stage is started again"
    )
    env: tuple[Variable, ...] = Field(default=(), description="Variables handed through to every stage")
    log_limit_mib: Annotated[float, Field(gt=0, le=4096)] = Field(
        default=16, description="What is kept of an attempt's output: first and last half"
    )
    preload: tuple[Module, ...] = Field(default=(), description="Modules imported ahead of every stage")


class WatchPolicy(Strict):
    """How the folders are watched."""

    mode: Literal["auto", "inotify", "poll"] = Field(
        default="auto", description="auto: inotify, and polling where the file system cannot tell"
    )
    rescan_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=60,
        description="A full look, whatever was heard; into more than some 15,000 open runs less often",
    )
    poll_seconds: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        default=2, description="Between looks, polling"
    )


class RetentionPolicy(Strict):
    """How long finished runs stay, and how large a file of the ledger grows."""

    runs_days: Annotated[float, Field(gt=0, le=36_500)] | None = Field(
        default=None, description="Days after which finished runs are removed; never if absent"
    )
    ledger_mib: Annotated[float, Field(gt=0, le=4096)] = Field(
        default=64, description="Size at which jobs/state.jsonl is closed as jobs/state-SEQ.jsonl"
    )


class Policy(Strict):
    """The operator's rules for one workspace. Everything is optional; minutes may be fractions."""

    gates: dict[Name, GatePolicy] = Field(default_factory=dict, description="By stage")
    pipeline: PipelinePolicy = PipelinePolicy()
    inbox: InboxPolicy = InboxPolicy()
    decisions: DecisionsPolicy = DecisionsPolicy()
    lane: LanePolicy = LanePolicy()
    stages: StagesPolicy = StagesPolicy()
    watch: WatchPolicy = WatchPolicy()
    retention: RetentionPolicy = RetentionPolicy()
    min_free_mib: Annotated[float, Field(ge=0)] = Field(
        default=MIN_FREE_MIB, description="Below this much free space no work is taken or started"
    )
    group: Line | None = Field(default=None, description="The Unix group whose members work with the daemon")
    placeholders: bool = Field(
        default=False,
        description="A stage whose module is missing leaves marked placeholders instead of failing",
    )
    _document: Document | None = PrivateAttr(default=None)

    def place(self, *path: str) -> str:
        """Where the policy says something, as ``conf/operator.yaml:3``."""
        if self._document is None:
            return "the policy"
        return f"{self._document.where}:{self.line(*path)}"

    def line(self, *path: str) -> int:
        """The line that says it, or the nearest one around it; 0 for a policy that came from no file."""
        return self._document.place(path)[0] if self._document is not None else 0


@dataclass(frozen=True, slots=True)
class GateRule:
    """How one gate of one job behaves, fixed when it opens."""

    timeout_seconds: float | None
    """None waits for ever."""
    auto_approve: bool
    """Approved by the timer at the timeout; then ``on_timeout`` does not count."""
    on_timeout: OnTimeout


def parse_policy(data: bytes, where: str) -> Policy:
    """A policy from its file's bytes, its paths as written. Raises Invalid, with everything wrong."""
    try:
        document = strictyaml.parse(data, where)
    except Invalid as error:
        raise Invalid(*(_of_nothing(problem) for problem in error.problems)) from None
    policy = as_model(document, Policy)
    problems = [
        document.problem(
            ("gates", stage, "auto_approve"), "needs timeout_minutes: when would it approve itself?"
        )
        for stage, gate in policy.gates.items()
        if gate.auto_approve and gate.required and gate.timeout_minutes is None
    ]
    if problems:
        raise Invalid(*problems)
    policy._document = document  # noqa: SLF001 - its own; pydantic knows no private argument
    return policy


def _of_nothing(problem: Problem) -> Problem:
    hint = " (a policy of nothing but defaults is {})" if problem.message == strictyaml.NOTHING_THERE else ""
    return problem._replace(message=problem.message + hint)


def load_policy(workspace: Path | Workspace) -> Policy:
    """The policy of a workspace, its paths made absolute. Raises BadPolicy with file and line."""
    root = workspace.root if isinstance(workspace, Workspace) else workspace
    try:
        data = read_of_operator(root / "conf/operator.yaml", strictyaml.MAX_BYTES + 1)
    except OSError as error:
        raise BadPolicy(f"conf/operator.yaml: cannot be read: {error.strerror}") from None
    try:
        policy = parse_policy(data, "conf/operator.yaml")
    except Invalid as error:
        raise BadPolicy(str(error)) from None
    inbox = policy.inbox.model_copy(update={"roots": tuple(root / path for path in policy.inbox.roots)})
    lane = policy.lane.model_copy(update={"path": root / policy.lane.path})
    return policy.model_copy(update={"inbox": inbox, "lane": lane})


def gate_rule(
    policy: Policy, stage_gate: bool, stage_name: str, request_gates: Mapping[str, Mapping[str, object]]
) -> GateRule | None:
    """The rule of the gate after a stage, or None where there is no gate.

    ``stage_gate`` is the pipeline's ``gate``; ``request_gates`` the request's, as plain mappings by stage.
    Where they ask for more than the policy allows (it was changed since), the policy stands.
    """
    base = policy_rule(policy, stage_gate, stage_name)
    change = request_gates.get(stage_name, {})
    minutes = change.get("timeout_minutes")
    asked = float(minutes) * 60 if isinstance(minutes, int | float) else None
    if base is None:
        if not change or change.get("required", True) is False:
            return None
        on_timeout: OnTimeout = "cancel" if change.get("on_timeout") == "cancel" else "pause"
        if change.get("on_timeout") == "fail":
            on_timeout = "fail"
        return GateRule(asked, change.get("auto_approve") is True and asked is not None, on_timeout)
    limits = [limit for limit in (base.timeout_seconds, asked) if limit is not None]
    auto_approve = base.auto_approve and change.get("auto_approve") is not False
    return GateRule(min(limits, default=None), auto_approve, base.on_timeout)


def policy_rule(policy: Policy, stage_gate: bool, stage_name: str) -> GateRule | None:
    """The rule before a job's own wishes."""
    gate = policy.gates.get(stage_name)
    if gate is None:
        return GateRule(None, False, "pause") if stage_gate else None
    if not gate.required:
        return None
    seconds = None if gate.timeout_minutes is None else gate.timeout_minutes * 60
    return GateRule(seconds, gate.auto_approve, gate.on_timeout)


def stage_limit_seconds(
    policy: Policy,
    stage_name: str,
    request_timeouts: Mapping[str, float],
    pipeline_minutes: float | None = None,
) -> float:
    """How long an attempt may take: by the policy, else the pipeline, else the default; less if asked."""
    minutes = policy.pipeline.stage_timeouts.get(
        stage_name, pipeline_minutes or policy.stages.default_timeout
    )
    return min(minutes, request_timeouts.get(stage_name, minutes)) * 60
