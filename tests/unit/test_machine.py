"""The rules, as a whole table: every state with every event.

The oracle below is written by hand from the promises, not from the code: each row is a state, each cell says
what the event makes of it, a dot that it cannot happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from daemon.errors import Illegal
from daemon.machine import Effect, decide, due, fold, readers
from daemon.model import Event, Feedback, Job, Type

STAGES = [
    {"name": "outline", "needs": [], "retries": 0, "gate": False},
    {"name": "script", "needs": ["outline"], "retries": 1, "gate": True},
    {"name": "audio", "needs": ["script"], "retries": 0, "gate": False},
]
FILE = {"path": "script.txt", "kind": "text", "bytes": 3, "sha256": "ab", "meta": {}}


def event(kind: Type, stage: str | None = "script", attempt: int | None = 1, **payload: Any) -> Event:
    return Event(kind, "2026-01-01T00:00:00Z", "j", stage, attempt, "", {**PAYLOADS.get(kind, {}), **payload})


GATE = {
    "expires_at": None,
    "timeout_seconds": None,
    "auto_approve": False,
    "on_timeout": "pause",
    "digest": "d1",
}
PAYLOADS: dict[Type, dict[str, Any]] = {
    Type.JOB_QUEUED: {
        "id": "j", "slug": "s", "intent": "i", "pipeline": "p", "pipeline_sha256": "0", "priority": "normal",
        "labels": {}, "params": {}, "gates": {}, "stage_timeouts": {}, "stages": STAGES,
    },
    Type.STAGE_STARTED: {"limit_seconds": 60.0},
    Type.STAGE_COMPLETED: {"seconds": 1.0, "artifacts": [FILE]},
    Type.STAGE_FAILED: {"reason": "stage_failed", "hint": "", "seconds": 1.0},
    Type.STAGE_RETRIED: {"reason": "retry"},
    Type.STAGE_INTERRUPTED: {"cause": "crash", "seconds": 1.0},
    Type.STAGE_CANCELED: {"seconds": 1.0},
    Type.GATE_PAUSE: GATE,
    Type.GATE_APPROVED: {"by": "a", "digest": "d1"},
    Type.GATE_REJECTED: {"by": "a", "digest": "d1", "notes": "no", "redo": {}},
    Type.GATE_REOPENED: GATE,
    Type.ARTIFACT_EDITED: {"old": "d1", "new": "d2", "artifacts": [{**FILE, "sha256": "cd"}]},
    Type.JOB_PAUSED: {"reason": "rejected"},
    Type.JOB_REWOUND: {"stages": ["script"], "reason": "retry"},
    Type.JOB_RESUMED: {"feedback": "no"},
    Type.JOB_FAILED: {"reason": "stage_failed", "error": None},
    Type.JOB_CANCELED: {"reason": "canceled"},
}  # fmt: skip

OUTLINE_DONE = [
    event(Type.JOB_QUEUED, None, None),
    event(Type.STAGE_STARTED, "outline"),
    event(Type.STAGE_COMPLETED, "outline", artifacts=[]),
]
RUNNING = [*OUTLINE_DONE, event(Type.STAGE_STARTED)]
DONE = [*RUNNING, event(Type.STAGE_COMPLETED)]
GATED = [*DONE, event(Type.GATE_PAUSE)]
APPROVED = [*GATED, event(Type.GATE_APPROVED)]
ALL_DONE = [*APPROVED, event(Type.STAGE_STARTED, "audio"), event(Type.STAGE_COMPLETED, "audio", artifacts=[])]

STATES: dict[str, list[Event]] = {
    "queued": OUTLINE_DONE,
    "done": DONE,
    "approved": APPROVED,
    "running": RUNNING,
    "interrupted": [*RUNNING, event(Type.STAGE_INTERRUPTED)],
    "gated": GATED,
    "stale": [*APPROVED, event(Type.GATE_REOPENED)],
    "expired": [*GATED, event(Type.GATE_EXPIRED)],
    "rejected": [*GATED, event(Type.GATE_REJECTED)],
    "failed": [*RUNNING, event(Type.STAGE_FAILED)],
    "all done": ALL_DONE,
    "completed": [*ALL_DONE, event(Type.JOB_COMPLETED)],
    "canceled": [*GATED, event(Type.JOB_CANCELED)],
    "canceled, open": [*RUNNING, event(Type.JOB_CANCELED)],
}

EVENTS: dict[str, Event] = {
    "job_queued": event(Type.JOB_QUEUED, None, None),
    "job_started": event(Type.JOB_STARTED),
    "started script.1": event(Type.STAGE_STARTED),
    "started script.2": event(Type.STAGE_STARTED, attempt=2),
    "started audio.1": event(Type.STAGE_STARTED, "audio"),
    "completed script.1": event(Type.STAGE_COMPLETED),
    "completed script.2": event(Type.STAGE_COMPLETED, attempt=2),
    "failed script.1": event(Type.STAGE_FAILED),
    "failed outline.1": event(Type.STAGE_FAILED, "outline"),
    "retried script": event(Type.STAGE_RETRIED),
    "interrupted script.1": event(Type.STAGE_INTERRUPTED),
    "interrupted script.2": event(Type.STAGE_INTERRUPTED, attempt=2),
    "stage_canceled script.1": event(Type.STAGE_CANCELED),
    "stage_canceled script.2": event(Type.STAGE_CANCELED, attempt=2),
    "gate_pause script.1": event(Type.GATE_PAUSE),
    "gate_pause script.2": event(Type.GATE_PAUSE, attempt=2),
    "approved script.1": event(Type.GATE_APPROVED),
    "approved script.2": event(Type.GATE_APPROVED, attempt=2),
    "approved audio.1": event(Type.GATE_APPROVED, "audio"),
    "rejected script.1": event(Type.GATE_REJECTED),
    "rejected script.2": event(Type.GATE_REJECTED, attempt=2),
    "expired script.1": event(Type.GATE_EXPIRED),
    "expired audio.1": event(Type.GATE_EXPIRED, "audio"),
    "reopened script.1": event(Type.GATE_REOPENED),
    "reopened script.2": event(Type.GATE_REOPENED, attempt=2),
    "edited script.1": event(Type.ARTIFACT_EDITED),
    "edited script.2": event(Type.ARTIFACT_EDITED, attempt=2),
    "decision_refused": event(Type.DECISION_REFUSED),
    "job_paused": event(Type.JOB_PAUSED),
    "job_rewound": event(Type.JOB_REWOUND),
    "job_resumed": event(Type.JOB_RESUMED),
    "job_completed": event(Type.JOB_COMPLETED),
    "job_failed": event(Type.JOB_FAILED),
    "job_canceled": event(Type.JOB_CANCELED),
    "request_refused": event(Type.REQUEST_REFUSED),
    "policy_reloaded": event(Type.POLICY_RELOADED),
}

# fmt: off
# What each state allows, and where it leads: status, reason, stage.attempt. What is not here cannot happen.
ORACLE: dict[str, dict[str, str]] = {
    "queued": {
        "started script.1": "running  script.1",
        "job_rewound": "queued retry script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "queued next_stage script.1",
    },
    "done": {
        "started audio.1": "running  audio.1",
        "gate_pause script.1": "needs_approval gate_open script.1",
        "job_rewound": "queued retry script.2",
        "job_canceled": "canceled canceled audio.1",
        "decision_refused": "queued next_stage audio.1",
    },
    "approved": {
        "started audio.1": "running  audio.1",
        "reopened script.1": "needs_approval stale script.1",
        "job_rewound": "queued retry script.2",
        "job_canceled": "canceled canceled audio.1",
        "decision_refused": "queued approved audio.1",
    },
    "running": {
        "job_started": "running  script.1",
        "completed script.1": "queued next_stage audio.1",
        "failed script.1": "failed stage_failed script.1",
        "interrupted script.1": "queued interrupted script.2",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "running  script.1",
    },
    "interrupted": {
        "started script.2": "running  script.2",
        "job_rewound": "queued retry script.2",
        "job_failed": "failed stage_failed script.2",
        "job_canceled": "canceled canceled script.2",
        "decision_refused": "queued interrupted script.2",
    },
    "gated": {
        "approved script.1": "queued approved audio.1",
        "rejected script.1": "paused rejected script.1",
        "expired script.1": "paused expired script.1",
        "edited script.1": "needs_approval gate_open script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "needs_approval gate_open script.1",
    },
    "stale": {
        "approved script.1": "queued approved audio.1",
        "rejected script.1": "paused rejected script.1",
        "expired script.1": "paused expired script.1",
        "edited script.1": "needs_approval stale script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "needs_approval stale script.1",
    },
    "expired": {
        "approved script.1": "queued approved audio.1",
        "rejected script.1": "paused rejected script.1",
        "reopened script.1": "needs_approval gate_open script.1",
        "edited script.1": "paused expired script.1",
        "job_paused": "paused expired script.1",
        "job_failed": "failed stage_failed script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "paused expired script.1",
    },
    "rejected": {
        "retried script": "queued retry script.2",
        "job_rewound": "queued retry script.2",
        "job_resumed": "queued resumed script.2",
        "job_paused": "paused rejected script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "paused rejected script.1",
    },
    "failed": {
        "retried script": "queued retry script.2",
        "job_resumed": "queued resumed script.2",
        "job_failed": "failed stage_failed script.1",
        "job_canceled": "canceled canceled script.1",
        "decision_refused": "failed stage_failed script.1",
    },
    "all done": {
        "reopened script.1": "needs_approval stale script.1",
        "job_rewound": "queued retry script.2",
        "job_completed": "completed  None.0",
        "job_canceled": "canceled canceled None.0",
        "decision_refused": "queued next_stage None.0",
    },
    "completed": {},
    "canceled": {},
    "canceled, open": {
        "stage_canceled script.1": "canceled canceled script.1",
    },
}
# fmt: on


def made(name: str) -> Job:
    job = fold(STATES[name])
    assert job is not None
    return job


def cells() -> Iterator[tuple[str, str]]:
    return ((state, name) for state in STATES for name in EVENTS)


@pytest.mark.parametrize(("state", "name"), list(cells()))
def test_every_state_with_every_event(state: str, name: str) -> None:
    """Each event leads where the table says, and what the table does not list changes nothing."""
    job = made(state)
    expected = ORACLE[state].get(name)
    if expected is None:
        with pytest.raises(Illegal):
            decide(job, EVENTS[name])
        return
    after = decide(job, EVENTS[name])
    assert f"{after.status} {after.reason} {after.stage}.{after.attempt}" == expected
    assert after.version == job.version + 1


def test_the_oracle_names_only_what_exists() -> None:
    """A row or a cell with a wrong name would silently test nothing."""
    assert set(ORACLE) == set(STATES)
    assert all(set(row) <= set(EVENTS) for row in ORACLE.values())


@pytest.mark.parametrize("name", [n for n in EVENTS if n != "job_queued"])
def test_a_job_begins_with_job_queued_only(name: str) -> None:
    """Nothing can happen to a job that is not there."""
    with pytest.raises(Illegal):
        decide(None, EVENTS[name])


def test_a_running_job_has_exactly_one_open_attempt() -> None:
    """running means: one attempt is open. Only a canceled job may still owe the end of its attempt."""
    for name in STATES:
        job = made(name)
        assert job.open_attempt == (name in ("running", "canceled, open")), name


EFFECTS: dict[str, set[Effect]] = {
    "queued": {Effect.START},
    "done": {Effect.START},
    "approved": {Effect.START},
    "interrupted": {Effect.START},
    "all done": {Effect.FINISH},
    "gated": {Effect.SHOW_REVIEW},
    "stale": {Effect.SHOW_REVIEW},
    "expired": {Effect.SHOW_REVIEW},
    "canceled, open": {Effect.END_ATTEMPT},
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_due_follows_from_the_state_alone(state: str) -> None:
    """Final jobs owe nothing; an open attempt of a canceled one owes its end."""
    assert due(made(state)) == EFFECTS.get(state, set())


def test_the_first_decision_stands() -> None:
    """A gate that was answered cannot be answered again, one way or the other."""
    for second in (Type.GATE_APPROVED, Type.GATE_REJECTED):
        with pytest.raises(Illegal):
            fold([*APPROVED, event(second)])


def test_an_event_of_another_job_is_no_event_of_this_one() -> None:
    """Events never leak from job to job."""
    stranger = Event(Type.GATE_APPROVED, "t", "other", "script", 1, "", {"by": "a", "digest": "d"})
    with pytest.raises(Illegal):
        decide(made("gated"), stranger)


def test_retry_budget_counts_failures_since_a_person_last_acted() -> None:
    """A retry is used up by a failure and given back by a decision; attempt numbers are never reused."""
    job = made("failed")
    assert job.at("script").retries_left == 0
    job = decide(job, event(Type.JOB_RESUMED))
    assert job.at("script").retries_left == 1
    assert job.attempt == 2


@pytest.mark.parametrize(("cause", "crashes"), [("crash", 1), ("stop", 0)])
def test_only_crashes_count_against_a_job(cause: str, crashes: int) -> None:
    """A stop uses up neither a retry nor a crash."""
    job = decide(made("running"), event(Type.STAGE_INTERRUPTED, cause=cause))
    assert (job.crashes, job.at("script").retries_left) == (crashes, 1)


def test_feedback_reaches_the_next_attempt_and_no_further() -> None:
    """The notes of a rejection are there until the stage has completed."""
    job = fold(
        [event(Type.JOB_RESUMED, feedback="shorter"), event(Type.STAGE_STARTED, attempt=2)], made("rejected")
    )
    assert job is not None and job.told == {"script": Feedback("shorter")}
    assert decide(job, event(Type.STAGE_COMPLETED, attempt=2)).told == {}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, {"script": Feedback("no", {"one": "why"})}),
        ({"from": None}, {"script": Feedback("no", {"one": "why"})}),
        ({"from": "outline"}, {"outline": Feedback("no", {"one": "why"})}),
        ({"notes": "", "redo": {}}, {}),
    ],
)
def test_a_rejection_is_told_to_the_stage_that_is_made_again(
    keys: dict[str, Any], told: dict[str, Feedback]
) -> None:
    """That of the gate, or the one that is gone back to."""
    rejected = {"notes": "no", "redo": {"one": "why"}, **keys}
    assert decide(made("gated"), event(Type.GATE_REJECTED, **rejected)).told == told


def test_feedback_waits_for_its_stage() -> None:
    """Another stage that is made before it leaves it where it is, and is told what people said of itself."""
    waits = replace(made("stale"), told={"audio": Feedback("louder", {"one": "why"})})
    job = decide(waits, event(Type.GATE_REJECTED, notes="shorter", redo={}))
    assert job.told == {**waits.told, "script": Feedback("shorter")}
    job = decide(job, event(Type.JOB_RESUMED, feedback="shorter\nnow"))
    assert job.told == {**waits.told, "script": Feedback("shorter\nnow")}
    again = [event(Type.STAGE_STARTED, attempt=2), event(Type.STAGE_COMPLETED, attempt=2)]
    after = fold(again, job)
    assert after is not None and after.told == waits.told


def test_who_resumes_from_an_earlier_stage_tells_that_one() -> None:
    """What the rejected stage was to be told moves there with it, each thing to make again too."""
    job = decide(made("gated"), event(Type.GATE_REJECTED, notes="no", redo={"one": "why"}))
    job = decide(job, replace(event(Type.JOB_RESUMED), payload={"feedback": "no\nanew", "from": "outline"}))
    assert job.told == {"outline": Feedback("no\nanew", {"one": "why"})}


def test_an_edit_changes_the_digest_and_the_artifact() -> None:
    """The next stage's record says what was approved, not what was once made."""
    job = decide(made("gated"), event(Type.ARTIFACT_EDITED))
    assert job.gate is not None and job.gate.digest == "d2"
    assert job.at("script").artifacts[0].sha256 == "cd"


def test_readers_are_found_through_others() -> None:
    """Going back to a stage takes back everything that read from it, directly or not."""
    job = made("queued")
    needs: Callable[[str], tuple[str, ...]] = lambda name: readers(job, name)  # noqa: E731
    assert needs("outline") == ("outline", "script", "audio")
    assert needs("audio") == ("audio",)


def test_placeholders_are_told_at_the_end() -> None:
    """A job with placeholders never ends as if it were whole."""
    fake = {**FILE, "path": "a.txt", "meta": {"placeholder": True}}
    events = [
        *APPROVED,
        event(Type.STAGE_STARTED, "audio"),
        event(Type.STAGE_COMPLETED, "audio", artifacts=[fake]),
    ]
    job = fold([*events, event(Type.JOB_COMPLETED)])
    assert job is not None and (job.reason, job.placeholders) == ("placeholders", ("a.txt",))
