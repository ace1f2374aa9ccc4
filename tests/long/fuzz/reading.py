"""What a fuzzer calls with bytes: each kind of document, read as the daemon reads it, by both parsers.

The first byte says which kind, and whether the rest is the file or a choice of keys and values for one.
Anything but a document or a refusal is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from daemon import strictyaml
from daemon.documents import DECISION_KEYS, GateChange, Request, load, load_decision
from daemon.errors import Invalid
from daemon.params import Param
from daemon.pipelines import Pipeline, Stage, check_params
from daemon.pipelines import load as load_pipeline
from daemon.settings import GatePolicy, InboxPolicy, Policy, StagesPolicy, WatchPolicy, parse_policy
from daemon.tightening import check_tightening
from tests.long.fuzz.shapes import Shaper

ROOT = Path(__file__).parents[3]
PIPELINE = load_pipeline(
    b"name: p\nparams: {name: {type: number}, run: {type: files}, env: {type: string, enum: [a]}}\n"
    b"stages: [{name: run, command: [x], gate: true}, {name: env, command: [x]}]\n",
    "p.yaml",
)
BOTH_AT_MOST, BOTH_EVERY = 400, 10
"""Of the inputs of so many bytes at most, each tenth is read by PyYAML's slower parser too."""


def _request(data: bytes) -> None:
    request = load(data, Request, "f")
    check_tightening(request, PIPELINE, Policy())
    check_params(PIPELINE, request.params)


READERS: dict[str, Callable[[bytes], object]] = {
    "request": _request,
    "approve": lambda data: load_decision(data, "approve", "f"),
    "reject": lambda data: load_decision(data, "reject", "f"),
    "policy": lambda data: parse_policy(data, "f"),
    "pipeline": lambda data: load_pipeline(data, "f"),
}
_KINDS = list(READERS)
SHAPED = 0x80
_MODELS = (
    Request,
    GateChange,
    Policy,
    GatePolicy,
    InboxPolicy,
    StagesPolicy,
    WatchPolicy,
    Pipeline,
    Stage,
    Param,
)
KEYS = sorted(
    {field.alias or name for model in _MODELS for name, field in model.model_fields.items()}
    | {*DECISION_KEYS["reject"], "draft", "a"}
)


class Tally:
    """How many inputs of each kind came, and how many of them were documents."""

    def __init__(self) -> None:
        self.seen = dict.fromkeys(READERS, 0)
        self.taken = dict.fromkeys(READERS, 0)
        self.by_both = 0
        self.total = 0

    def read(self, data: bytes) -> None:
        """One input; AssertionError, or whatever a reader raises besides Invalid, is a fault."""
        self.total += 1
        if not data:
            return
        kind, text = _KINDS[data[0] % len(_KINDS)], data[1:]
        if data[0] & SHAPED:
            text = Shaper(text, KEYS).document()
        self.seen[kind] += 1
        refused = _refusal(READERS[kind], text)
        if refused is None:
            self.taken[kind] += 1
        else:
            assert refused.problems
            assert all(str(problem).isprintable() for problem in refused.problems), refused
        if len(text) <= BOTH_AT_MOST and self.total % BOTH_EVERY == 0:
            self.by_both += 1
            assert verdict(text, pure=False) == verdict(text, pure=True)


def _refusal(read: Callable[[bytes], object], data: bytes) -> Invalid | None:
    try:
        read(data)
    except Invalid as error:
        return error
    return None


def verdict(data: bytes, *, pure: bool) -> object:
    """What a parser makes of it: the plain content, or None."""
    try:
        return strictyaml.parse(data, "f", pure=pure).plain()
    except Invalid:
        return None


def corpus() -> Iterator[bytes]:
    """Good documents of each kind to begin with."""
    found = {
        "request": ROOT.glob("examples/*.yaml"),
        "policy": ROOT.glob("conf/*.yaml"),
        "pipeline": ROOT.glob("conf/pipelines/*.yaml"),
    }
    for kind, paths in found.items():
        for path in paths:
            yield bytes([_KINDS.index(kind)]) + path.read_bytes()
    decision = (
        b"stage: draft\nattempt: 1\ndigest: sha256:" + b"0" * 64 + b"\nby: alice\nnotes: |\n  more\n...\n"
    )
    yield bytes([_KINDS.index("approve")]) + decision
    for number in range(len(_KINDS)):
        yield bytes([SHAPED | number]) + bytes(range(1, 120, 7))
    yield bytes([_KINDS.index("reject")]) + decision.replace(b"...", b"then: retry\nredo: {a: b}\n...")


def words() -> list[str]:
    """What documents are made of: keys, values and marks."""
    marks = (
        ": ", "- ", "? ", "[", "]", "{", "}", ", ", "# ", "\n", "\n  ", "\n\t", "|\n", ">-\n", "|2\n", "'", '"', "\\",
        "&x ", "*x", "!t ", "...\n", "---\n", "%YAML", "@", "`", "~", "<<: ", "true", "null", "1e9", ".inf", "0x1F",
        "12:30", "sha256:", "\ufeff", "\u2028", "\u202e", "\x85", "é", "\r\n", "<<<<<<< ", ">>>>>>> ",
    )  # fmt: skip
    return [*(f"{key}: " for key in KEYS), *marks]
