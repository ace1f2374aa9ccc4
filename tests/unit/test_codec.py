"""Jobs as the database keeps them, and as an earlier release kept them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from daemon import codec
from daemon.machine import decide
from daemon.model import Feedback, Type
from tests.unit.test_machine import STATES, event, made

SAID = Feedback("shorter", {"one": "why"})


@pytest.mark.parametrize("state", STATES)
def test_a_job_is_read_as_it_was_written(state: str) -> None:
    """Whatever state it is in, and with what waits for one of its stages."""
    for job in (made(state), decide(made("gated"), event(Type.GATE_REJECTED, notes="no", redo={"a": "b"}))):
        assert codec.load(codec.dump(job), "j") == job


def test_a_number_that_json_does_not_have_is_never_written() -> None:
    """SQLite would take the whole row for damaged."""
    for number in (math.inf, math.nan):
        with pytest.raises(ValueError, match="not JSON compliant"):
            codec.dump(replace(made("queued"), params={"seconds": number}))


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("rejected", "script"),
        ("running", "script"),
        ("failed", "script"),
        ("approved", "audio"),
        ("stale", "audio"),
    ],
)
def test_an_earlier_release_told_whichever_stage_ran_next(state: str, stage: str) -> None:
    """Its rows keep one feedback for the job: the next stage that is made gets it, and a job without any has none."""
    for said in (SAID, Feedback()):
        row = json.loads(codec.dump(made(state)))
        del row["told"]
        row |= {"feedback": said.notes, "redo": dict(said.redo)}
        assert codec.load(json.dumps(row), "j").told == ({stage: said} if said != Feedback() else {})
