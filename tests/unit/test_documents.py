"""Requests and decisions: what is taken, and what their authors are told."""

from __future__ import annotations

import pytest

from daemon.documents import Decision, Request, load, load_decision, slug_of
from daemon.errors import Invalid


def told(data: str, verb: str = "") -> list[str]:
    with pytest.raises(Invalid) as caught:
        load_decision(data.encode(), verb, "f") if verb else load(data.encode(), Request, "f")
    return [str(problem) for problem in caught.value.problems]


FULL = b"""
intent: Explain how inotify works to a backend engineer
slug: how-inotify-works
id: inotify-1
pipeline: video
priority: high
params: {minutes: 2, audience: backend engineers, sources: [inotify.md]}
gates: {outline: {required: true}}
stage_timeouts: {assets: 20}
labels: {team: docs}
...
"""


def test_the_request_of_the_contract_is_taken() -> None:
    """Every key of a job request is read as its author meant it."""
    request = load(FULL, Request, "job.yaml")
    assert request.intent == "Explain how inotify works to a backend engineer"
    assert (request.id, request.slug, request.pipeline) == ("inotify-1", "how-inotify-works", "video")
    assert request.priority == "high"
    assert request.params["sources"] == ("inotify.md",)
    assert request.gates["outline"].required is True
    assert request.stage_timeouts == {"assets": 20}
    assert request.labels == {"team": "docs"}


def test_keys_without_a_value_are_not_given() -> None:
    """``slug:`` with nothing after it means the same as no slug."""
    assert load(b"intent: x\nslug:\nlabels: ~\n", Request, "f") == load(b"intent: x\n", Request, "f")


REFUSED = [
    ("intnt: x\n", "f:1:1: intnt: unknown key; did you mean 'intent'?"),
    ("slug: x\n", "intent: is required"),
    ("intent:\n", "f:1:1: intent: is required"),
    ("intent: '  '\n", "intent: must not be empty"),
    ("intent: 1.10\n", "expected text, not '1.10'; put it in quotes: \"1.10\""),
    ("intent: [a]\n", "expected text, not a list"),
    ("intent: x\nfoo:\n", "f:2:1: foo: unknown key"),
    (
        "intent: x\npriority: hgh\n",
        "priority: expected one of low, normal, high, urgent, not 'hgh'; did you mean",
    ),
    ("intent: x\nid: ../../etc\n", "f:2:1: id: '../../etc' is not an id"),
    ("intent: x\nid: A\n", "is not an id"),
    ("intent: x\nid: 'a\n\n  b'\n", "is not an id"),
    ("intent: x\nid: é\n", "is not an id"),
    ("intent: x\nid: .a\n", "is not an id"),
    (f"intent: x\nid: {'a' * 81}\n", "is not an id"),
    ("intent: x\nslug: a b\n", "is not a slug"),
    ("intent: x\npipeline: ../video\n", "is not a name"),
    (
        "intent: x\ngates: {outline: {requird: true}}\n",
        "f:2:19: gates.outline.requird: unknown key; did you mean",
    ),
    ("intent: x\ngates: {a: {required: yes}}\n", "expected true or false, not 'yes'; write true"),
    ("intent: x\ngates: {a: {timeout_minutes: 0}}\n", "must be more than 0"),
    ("intent: x\ngates: {a: {timeout_minutes: .inf}}\n", "expected a number"),
    ("intent: x\ngates: {a: true}\n", "expected a mapping"),
    ("intent: x\nstage_timeouts: {a: 5m}\n", "stage_timeouts.a: expected a number, not '5m'"),
    ("intent: x\nstage_timeouts: {a: true}\n", "expected a number, not 'true'"),
    ("intent: x\nlabels: {a: 1}\n", "labels.a: expected text, not '1'"),
    ("intent: x\nlabels: {'a b': c}\n", "is not a label"),
    ('intent: x\nlabels: {a: "x\\ny"}\n', "must be one line"),
    (f"intent: {'x' * 20_001}\n", "too long: at most 20000 characters"),
]


@pytest.mark.fault(47, 72, 79)
@pytest.mark.parametrize(("data", "expected"), REFUSED)
def test_a_refused_request_says_where_what_and_how(data: str, expected: str) -> None:
    """The place, what was expected, and the nearest right spelling."""
    assert any(expected in line for line in told(data)), told(data)


def test_everything_wrong_is_told_at_once() -> None:
    """One look at the refusal is enough to mend the file."""
    assert len(told("intnt: x\npriority: lo\nlabels: {a: 1}\n")) == 4


def test_the_decision_of_the_contract_is_taken() -> None:
    """Every key of a decision is read."""
    decision = load_decision(
        b"stage: script\nattempt: 1\ndigest: sha256:"
        + b"9f" * 32
        + b"\nby: alice\nnotes: Tighten.\nthen: retry\n"
        b"from: outline\nredo: {scene_003: too much text}\n...\n",
        "reject",
        "reject.yaml",
    )
    assert (decision.stage, decision.attempt, decision.by) == ("script", 1, "alice")
    assert (decision.then, decision.from_) == ("retry", "outline")
    assert decision.redo == {"scene_003": "too much text"}


@pytest.mark.parametrize("data", [b"", b" \n", b"\n...\n", b"\xef\xbb\xbf", b"{}\n", b"by:\nnotes:\n...\n"])
def test_an_empty_decision_says_no_more_than_its_name(data: bytes) -> None:
    """``touch approve.yaml`` is an approval without a word, and so is a template with nothing filled in."""
    assert load_decision(data, "approve", "approve.yaml") == Decision()


@pytest.mark.parametrize(
    ("data", "verb", "expected"),
    [
        ("then: retry\n", "approve", "f:1:1: then: has no place in approve.yaml"),
        ("by: x\nfrom: outline\n", "cancel", "f:2:1: from: has no place in cancel.yaml"),
        ("redo: {a: b}\n", "resume", "redo: has no place in resume.yaml"),
        ("then: retri\n", "reject", "did you mean 'retry'?"),
        ("then: stop\nfrom: outline\n", "reject", "keep one of them"),
        ("attempt: 0\n", "approve", "must be at least 1"),
        ("attempt: true\n", "approve", "expected a whole number"),
        ("attempt: '1'\n", "approve", "expected a whole number"),
        ("digest: sha256:9f2c\n", "approve", "64 hex digits"),
        ("stge: x\n", "approve", "did you mean 'stage'?"),
        ("# yes\n", "approve", "expected a mapping"),
    ],
)
def test_a_refused_decision_says_what_is_wrong(data: str, verb: str, expected: str) -> None:
    """A decision that cannot be understood is never guessed at."""
    assert any(expected in line for line in told(data, verb)), told(data, verb)


@pytest.mark.parametrize(
    ("intent", "slug"),
    [
        ("Explain how inotify works!", "explain-how-inotify-works"),
        ("Größe & Ärger", "groe-arger"),
        ("日本語", "job"),
        ("x" * 100, "x" * 40),
        ("one two three four five six seven eight nine", "one-two-three-four-five-six-seven-eight"),
        ("../../etc; rm -rf", "etc-rm-rf"),
    ],
)
def test_a_slug_is_made_from_the_intent(intent: str, slug: str) -> None:
    """Safe in a folder's name, whole words where they fit."""
    assert slug_of(intent) == slug
