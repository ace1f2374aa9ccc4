"""What follows from a decision, an end or a timer: the promises of the state table, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from daemon import answers, rulings
from daemon.answers import Decision, Refused, Repeated
from daemon.clashes import clash
from daemon.machine import fold
from daemon.model import Artifact, Event, Feedback, Job, Type
from daemon.rulings import GateTerms, OnDisk

NOW = "2026-01-01T00:00:00Z"
OPEN = GateTerms(None, auto_approve=False, on_timeout="pause", expires_at=None)
SCRIPT = Artifact("script.txt", "text", 3, "aa")
AS_MADE = OnDisk("sha256:made")
EDITED = OnDisk("sha256:edited", changed=(Artifact("script.txt", "text", 4, "bb"),))
GONE = OnDisk("sha256:none", missing=("script.txt",))


def new_job(retries: int = 0) -> Job:
    names = {
        "outline": [],
        "script": ["outline"],
        "music": ["outline"],
        "video": ["script", "music"],
        "publish": ["video"],
    }
    facts = {
        "id": "j", "slug": "s", "intent": "i", "pipeline": "p", "pipeline_sha256": "0", "priority": "normal",
        "labels": {}, "params": {}, "gates": {}, "stage_timeouts": {},
        "stages": [
            {"name": n, "needs": needs, "retries": retries, "gate": n == "script"} for n, needs in names.items()
        ],
    }  # fmt: skip
    return then(None, [Event(Type.JOB_QUEUED, NOW, "j", None, None, "", facts)])


def then(job: Job | None, events: Sequence[Event]) -> Job:
    after = fold(events, job)
    assert after is not None
    return after


def run_stage(job: Job, gate: GateTerms | None = None, artifacts: Sequence[Artifact] = ()) -> Job:
    job = then(job, rulings.start(job, NOW, limit_seconds=60))
    done = rulings.completed(job, NOW, artifacts=artifacts, seconds=1, gate=gate, digest=AS_MADE.digest)
    return then(job, done)


def at_script_gate(terms: GateTerms = OPEN) -> Job:
    return run_stage(run_stage(new_job()), terms, [SCRIPT])


def decide(job: Job, kind: Any = "approve", on_disk: OnDisk = AS_MADE, **more: Any) -> Job:
    unbound = more.pop("refuse_unbound", False)
    decision = Decision(kind, more.pop("by", "alice"), "sha", **more)
    events = answers.answer(job, decision, NOW, on_disk, refuse_unbound=unbound, terms=OPEN)
    return then(job, events)


def where(job: Job) -> tuple[str, str, str | None, int]:
    return (str(job.status), job.reason, job.stage, job.attempt)


def test_approve_leads_to_the_next_stage() -> None:
    """An approval queues the job for the next stage and is recorded with its digest."""
    job = decide(at_script_gate(), digest=AS_MADE.digest, stage="script", attempt=1)
    assert where(job) == ("queued", "approved", "music", 1)
    assert [(d.decision, d.by, d.digest) for d in job.decided] == [("approve", "alice", AS_MADE.digest)]


@pytest.mark.parametrize(
    ("then_", "expected"),
    [
        (None, ("paused", "rejected", "script", 1)),
        ("pause", ("paused", "rejected", "script", 1)),
        ("retry", ("queued", "retry", "script", 2)),
        ("stop", ("canceled", "rejected", "script", 1)),
    ],
)
def test_reject(then_: Any, expected: tuple[str, str, str, int]) -> None:
    """A rejection pauses, makes the stage again with the notes, or cancels; pausing is the default."""
    job = decide(at_script_gate(), "reject", then=then_, notes="shorter")
    assert where(job) == expected
    assert job.told == {"script": Feedback("shorter")}


def test_reject_from_an_earlier_stage() -> None:
    """That stage and all later ones that read from it are pending again; others stay as they are."""
    job = decide(at_script_gate(), "reject", from_stage="outline", notes="start anew")
    assert where(job) == ("queued", "retry", "outline", 2)
    assert [str(s.status) for s in job.stages] == ["pending"] * 5


@pytest.mark.parametrize("then", ["retry", "pause"])
def test_what_was_rejected_is_made_again_though_it_did_not_read_what_is_gone_back_to(then: str) -> None:
    """Else it would pass its gate with no other answer than that rejection."""
    job = decide(at_script_gate())
    job = run_stage(job, OPEN)  # music, gated
    if then == "retry":
        job = decide(job, "reject", from_stage="script")
    else:
        job = decide(decide(job, "reject"), "resume", from_stage="script")
    assert where(job)[2] == "script"
    assert {s.name: str(s.status) for s in job.stages}["music"] == "pending"
    job = run_stage(decide(run_stage(job, OPEN)), OPEN)
    assert where(job)[:3] == ("needs_approval", "gate_open", "music")


def test_reject_from_goes_no_further_than_what_reads_from_it() -> None:
    """A stage that does not read from the one gone back to is not made again."""
    job = run_stage(run_stage(decide(at_script_gate())), OPEN)  # music, then video, gated
    job = decide(job, "reject", from_stage="script")
    assert {s.name: str(s.status) for s in job.stages}["music"] == "completed"
    assert where(job)[2] == "script"


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        ({"stage": "outline"}, "script attempt 1 waits"),
        ({"attempt": 2}, "script attempt 1 waits"),
        ({"digest": "sha256:other"}, "stale"),
        ({"kind": "reject", "from_stage": "video"}, "not a stage up to script"),
        ({"kind": "reject", "from_stage": "outline", "then": "stop"}, "leave one out"),
        ({"refuse_unbound": True}, "unbound: refuse"),
        ({"on_disk": GONE}, "missing"),
        ({"kind": "resume"}, "only a paused or failed job"),
        ({"stage": "outline", "attempt": None}, "it answers outline, but script attempt 1 waits"),
        ({"kind": "cancel", "stage": "video"}, "it is about video, the job is at script attempt 1"),
        ({"kind": "cancel", "attempt": 7}, "it is about script attempt 7, the job is at script attempt 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(decision: dict[str, Any], says: str) -> None:
    """Nothing happens to the job, and the message says what to do."""
    job = at_script_gate()
    with pytest.raises(Refused, match=says):
        decide(job, **decision)


def test_a_bound_decision_never_answers_another_gate() -> None:
    """Whatever git or a backup brings back: the old answer repeats or contradicts, it does not answer anew."""
    job = run_stage(decide(at_script_gate()), OPEN)  # at the gate of music
    with pytest.raises(Repeated):
        decide(job, stage="script", attempt=1)
    with pytest.raises(Refused, match="first decision stands"):
        decide(job, "reject", stage="script", attempt=1)


def test_an_unbound_answer_when_nothing_waits_is_refused() -> None:
    """There is no gate it could be about."""
    with pytest.raises(Refused, match="waits for no decision"):
        decide(decide(at_script_gate()))


def test_approving_edited_files_records_the_edit_first() -> None:
    """Both digests are in the record, and the approval is of what is on disk."""
    job = decide(at_script_gate(), on_disk=EDITED, digest=EDITED.digest)
    assert job.decided[-1].digest == EDITED.digest
    assert job.at("script").artifacts[0].sha256 == "bb"


def test_a_changed_file_asks_again_and_its_readers_are_made_again() -> None:
    """A stale approval reopens the same gate; approving the new bytes takes back what read the old ones."""
    job = run_stage(run_stage(decide(at_script_gate())))  # music and video made; video read the script
    assert where(job)[2] == "publish"
    job = then(job, rulings.stale(job, NOW, job.at("script"), OPEN, EDITED))
    assert where(job) == ("needs_approval", "stale", "script", 1)
    job = decide(job, on_disk=EDITED, digest=EDITED.digest)
    assert where(job) == ("queued", "approved", "video", 2)


def test_expiry_by_policy() -> None:
    """Unanswered, a gate pauses, cancels, fails, or approves itself as its terms say."""
    for on_timeout, expected in (("pause", "paused"), ("cancel", "canceled"), ("fail", "failed")):
        job = at_script_gate(GateTerms(60, auto_approve=False, on_timeout=on_timeout, expires_at=NOW))
        assert then(job, answers.expired(job, NOW, AS_MADE)).status == expected
    job = at_script_gate(GateTerms(60, auto_approve=True, on_timeout="pause", expires_at=NOW))
    approved = then(job, answers.expired(job, NOW, AS_MADE))
    assert (approved.status, approved.decided[-1].by) == ("queued", "timer")
    assert then(job, answers.expired(job, NOW, GONE)).status == "paused", "nothing approves a missing file"


def test_an_expired_gate_stays_answerable_and_can_be_given_new_time() -> None:
    """approve and reject work as before; resume opens the same gate and attempt again."""
    job = at_script_gate()
    job = then(job, answers.expired(job, NOW, AS_MADE))
    assert where(decide(job))[:2] == ("queued", "approved")
    assert where(decide(job, "reject"))[:2] == ("paused", "rejected")
    assert where(decide(job, "resume")) == ("needs_approval", "gate_open", "script", 1)


def test_resume_brings_the_rejections_notes_then_its_own() -> None:
    """The next attempt reads both."""
    job = decide(decide(at_script_gate(), "reject", notes="shorter"), "resume", notes="and kinder")
    assert where(job) == ("queued", "resumed", "script", 2)
    assert job.told == {"script": Feedback("shorter\nand kinder")}


def test_resume_from_an_earlier_stage() -> None:
    """A failed job can go back too."""
    job = run_stage(new_job())
    job = then(job, rulings.start(job, NOW, limit_seconds=60))
    job = then(job, rulings.failed(job, NOW, reason="timeout", message="late", hint=""))
    assert where(job) == ("failed", "timeout", "script", 1)
    assert where(decide(job, "resume", from_stage="outline")) == ("queued", "resumed", "outline", 2)


def test_failures_are_retried_while_the_budget_lasts() -> None:
    """One retry means two attempts; then the job fails and says why."""
    job = new_job(retries=1)
    for expected in (("queued", "retry", "outline", 2), ("failed", "stage_failed", "outline", 2)):
        job = then(job, rulings.start(job, NOW, limit_seconds=60))
        job = then(job, rulings.failed(job, NOW, reason="stage_failed", message="boom", hint="look"))
        assert where(job) == expected
    assert job.error is not None and (job.error.message, job.error.hint) == ("boom", "look")


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("video/a.mp4", "video/a.mp4"), ("video", "video/a.mp4"), ("video/a.mp4/b/c", "video/a.mp4"),
        ("outline.txt/x", "outline.txt"), ("video/b.mp4", ""), ("outline", ""), ("outline.txt.d/x", ""),
        ("vide", ""), ("video.mp4", ""), ("script.txt/x", ""),
        ("Outline.TXT", "outline.txt"), ("VIDEO", "video/a.mp4"), ("video/A.mp4/b", "video/a.mp4"),
        ("cafe\u0301.txt", "caf\u00e9.txt"), ("CAFE\u0301.txt", "caf\u00e9.txt"), ("cafe.txt", ""),
        ("Script.txt", ""), ("Video/b.mp4", ""),
    ],
)  # fmt: skip
def test_a_path_belongs_to_the_stage_that_published_it(path: str, theirs: str) -> None:
    """Nor may another leave what cannot lie beside it, on a file system that knows no case as well; folders may be
    shared, and its own do not count.
    """
    names = ("outline.txt", "video/a.mp4", "caf\u00e9.txt")
    made = [Artifact(name, "file", 3, "aa") for name in names]
    job = run_stage(run_stage(new_job(), artifacts=made), OPEN, [SCRIPT])
    told = clash(decide(job, "reject", then="retry"), ["else.txt", path])
    assert (f"{path}, " in told and "the stage outline" in told and theirs in told) if theirs else told == ""


def test_a_final_failure_is_not_retried() -> None:
    """What would fail in the same way again leaves the budget as it is."""
    job = then(new_job(retries=1), rulings.start(new_job(retries=1), NOW, limit_seconds=60))
    job = then(job, rulings.failed(job, NOW, reason="stage_failed", message="boom", hint="", final=True))
    assert where(job) == ("failed", "stage_failed", "outline", 1)


def test_the_fourth_crash_in_a_row_fails_the_job() -> None:
    """Three are forgiven; a stop in between is none."""
    job = new_job()
    for cause in ("crash", "crash", "stop", "crash"):
        job = then(job, rulings.start(job, NOW, limit_seconds=60))
        job = then(job, rulings.interrupted(job, NOW, cause=cause, max_interruptions=3))
        assert job.status == "queued"
    job = then(job, rulings.start(job, NOW, limit_seconds=60))
    job = then(job, rulings.interrupted(job, NOW, cause="crash", max_interruptions=3))
    assert where(job) == ("failed", "interrupted", "outline", 6)


def test_cancel_from_everywhere_but_the_end() -> None:
    """canceled at once; a running attempt's end is owed and recorded when it is gone."""
    job = then(new_job(), rulings.start(new_job(), NOW, limit_seconds=60))
    job = decide(job, "cancel")
    assert (job.status, job.open_attempt) == ("canceled", True)
    job = then(job, rulings.attempt_gone(job, NOW))
    assert not job.open_attempt
    for waiting in (new_job(), at_script_gate(), decide(at_script_gate(), "reject")):
        assert decide(waiting, "cancel").status == "canceled"


def test_the_last_stage_completes_the_job() -> None:
    """With or without a gate at the end."""
    job = run_stage(run_stage(run_stage(decide(at_script_gate()))))
    assert job.status == "completed"
    two_left = run_stage(decide(at_script_gate()))
    job = run_stage(run_stage(two_left), OPEN)
    assert job.status == "needs_approval"
    assert decide(job).status == "completed"
