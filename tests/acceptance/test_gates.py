"""Gates and their answers, on a live daemon: what counts, what is refused and why, what a person finds beside it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

LONG = """\
name: long
stages:
  - {name: draft, command: [sh, -euc, "seq 60000 | sed 'p;s/^/v/' > a.txt"], gate: true}
"""


def refusal(studio: Studio, name: str, job: str = "g-1") -> str:
    """Wait for the note beside a decision that did not count."""
    note = studio.run(job) / f"{name}.error.txt"
    wait_for(note.exists, f"{note.name}")
    return note.read_text()


def digest_of(run: Path) -> str:
    """The digest as the documents tell everybody to compute it, with sha256sum's lines."""
    lines = "".join(
        f"{hashlib.sha256((run / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("a.txt", "sub/b.txt")
    )
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def test_a_renamed_template_approves(gated: Studio) -> None:
    """The documented gesture, mv approve.template.yaml approve.yaml, and nothing else."""
    run = gated.run("g-1")
    given = (run / "approve.template.yaml").read_bytes()
    (run / "approve.template.yaml").rename(run / "approve.yaml")
    state = gated.wait("g-1", "completed")
    assert (run / "used.txt").read_text() == "onetwo"
    assert (run / "decisions/01-draft.1.approve.yaml").read_bytes() == given
    assert not [
        n for n in ("REVIEW.md", "gate.json", "approve.yaml", "reject.template.yaml") if (run / n).exists()
    ]
    assert state["decided"][0]["digest"] == digest_of(run)


def test_what_a_person_finds_at_a_gate(gated: Studio) -> None:
    """REVIEW.md, gate.json and both templates stand for the same files, and state.json says what it waits for."""
    run = gated.run("g-1")
    gate = json.loads((run / "gate.json").read_text())
    assert gate["digest"] == digest_of(run) == gated.state("g-1")["gate"]["digest"]
    assert [a["path"] for a in gate["artifacts"]] == ["a.txt", "sub/b.txt"]
    for name in ("REVIEW.md", "approve.template.yaml", "reject.template.yaml"):
        assert gate["digest"] in (run / name).read_text()
    assert "approve.yaml" in gated.state("g-1")["waits_for"]


@pytest.mark.fault(1)
@pytest.mark.parametrize("name", ["approve.yaml", "reject.yaml"])
def test_a_touched_file_counts_after_quiet(gated: Studio, name: str) -> None:
    """touch approve.yaml works: an empty file is an answer once it has rested."""
    (gated.run("g-1") / name).touch()
    gated.wait("g-1", "completed" if name.startswith("approve") else "paused")


@pytest.mark.fault(12, 19)
def test_both_answers_reject_wins_and_it_is_said(gated: Studio) -> None:
    """When both lie there, nothing passes the gate."""
    gated.stop()
    gated.write("g-1", "approve.yaml", "by: bob\n...\n")
    gated.write("g-1", "reject.yaml", "by: alice\n...\n")
    gated.start()
    gated.wait("g-1", "paused", "rejected")
    rejected = next(e for e in gated.events("g-1") if e["type"] == "gate_rejected")
    assert "approve.yaml lay there too" in rejected["message"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stage: polish\n...\n", "draft attempt 1 waits"),
        ("attempt: 2\n...\n", "draft attempt 1 waits"),
        (f"digest: sha256:{'0' * 64}\n...\n", "stale"),
        ("notse: hello\n...\n", "notes"),
        ("by: [a\n...\n", "approve.yaml:"),
        ("by: a\nby: b\n...\n", "2"),
        ("<<<<<<< HEAD\nby: a\n=======\nby: b\n>>>>>>> x\n...\n", "merge conflict"),
        ("by: &a x\nnotes: *a\n...\n", "not allowed"),
        ("then: retry\n...\n", "then"),
        ("notes: please see issue #12\n...\n", "1:8: the text ends before ` #`"),
        ("notes: mention: the coffee\n...\n", "put the text in quotes"),
    ],
)
def test_what_does_not_count_stays_with_its_reason(gated: Studio, text: str, says: str) -> None:
    """The file stays, the reason lies beside it, the gate goes on waiting; a good answer then counts."""
    gated.write("g-1", "approve.yaml", text)
    assert says in refusal(gated, "approve.yaml")
    assert (gated.run("g-1") / "approve.yaml").read_text() == text
    assert gated.state("g-1")["status"] == "needs_approval"
    wait_for(lambda: "decision_refused" in gated.types("g-1"), "the refusal to be recorded")
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")
    assert not (gated.run("g-1") / "approve.yaml.error.txt").exists()
    assert gated.types("g-1").count("decision_refused") == 1, "a refusal is recorded once per file"


def test_a_refused_file_mended_in_place_counts(gated: Studio) -> None:
    """Looked at again when its bytes change, without a rename."""
    gated.write("g-1", "approve.yaml", "bye: alice\n...\n")
    refusal(gated, "approve.yaml")
    (gated.run("g-1") / "approve.yaml").write_text("by: alice\n...\n")
    assert gated.wait("g-1", "completed")["decided"][0]["by"] == "alice"


@pytest.mark.fault(6, 7)
def test_a_template_without_its_end_is_never_an_answer(gated: Studio) -> None:
    """One cut short by its writer is caught by the missing end mark, however long it rests."""
    text = (gated.run("g-1") / "approve.template.yaml").read_text()
    (gated.run("g-1") / "approve.yaml").write_text(text[: text.index("...")])
    time.sleep(1.5)
    assert gated.state("g-1")["status"] == "needs_approval"
    with (gated.run("g-1") / "approve.yaml").open("a") as file:
        file.write("...\n")
    gated.wait("g-1", "completed")


@pytest.mark.fault(6, 7)
def test_no_prefix_of_a_template_is_an_answer(gated: Studio) -> None:
    """Of all the ways to cut a template short, none passes the gate."""
    text = (gated.run("g-1") / "approve.template.yaml").read_bytes()
    whole = text.rindex(b"...") + 3
    target = gated.run("g-1") / "approve.yaml"
    for cut in range(1, whole, 7):
        target.write_bytes(text[:cut])
        time.sleep(0.02)
    time.sleep(1.0)
    assert gated.state("g-1")["status"] == "needs_approval"


@pytest.mark.fault(2)
def test_a_file_being_written_is_waited_for(gated: Studio) -> None:
    """Valid YAML after every line, and read only when its writer has let go."""
    with (gated.run("g-1") / "reject.yaml").open("w") as file:
        for line in ("by: alice\n", "then: stop\n"):
            file.write(line)
            file.flush()
            time.sleep(0.6)
        assert gated.state("g-1")["status"] == "needs_approval"
        file.write("notes: too late for this one\n")
    gated.wait("g-1", "canceled", "rejected")


@pytest.mark.fault(2)
def test_an_unbound_answer_is_not_acted_on_beside_its_writer(gated: Studio) -> None:
    """Whole, marked, binding nothing, and at rest for longer than it would settle, but not closed by who writes it."""
    path = gated.run("g-1") / "approve.yaml"
    with path.open("w") as file:
        file.write("by: alice\n...\n")
        file.flush()
        gated.submit("n-1", "gated")
        gated.wait("n-1", "needs_approval")
        gated.answer("n-1", "approve")
        gated.wait("n-1", "completed")
        time.sleep(1.0)
        assert gated.state("g-1")["status"] == "needs_approval"
        assert "still open for writing by pid" in gated.spork("explain", str(path)).stdout
    assert gated.wait("g-1", "completed")["decided"][0]["by"] == "alice"


def test_editing_at_the_gate(gated: Studio) -> None:
    """The old template is stale, the fresh one confirms the edit, the next stage reads it, the diff is kept."""
    run = gated.run("g-1")
    old = (run / "approve.template.yaml").read_text()
    (run / "sub/b.txt").write_text("edited")
    wait_for(lambda: "artifact_edited" in gated.types("g-1"), "the edit to be recorded")
    gated.write("g-1", "approve.yaml", old)
    assert "stale" in refusal(gated, "approve.yaml")
    gated.wait_for_review("g-1", "+edited")
    assert digest_of(run) in (run / "approve.template.yaml").read_text()
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")
    assert (run / "used.txt").read_text() == "oneedited"
    assert "+edited" in (run / "decisions/01-draft.1.edits.diff").read_text()
    edit = next(e for e in gated.events("g-1") if e["type"] == "artifact_edited")
    assert edit["payload"]["old"] != edit["payload"]["new"] == digest_of(run)


def test_notes_typed_into_a_template_survive_an_edit(gated: Studio) -> None:
    """Not renamed yet as a file changes: the notes stay, the digest follows, and the renamed template counts."""
    run = gated.run("g-1")
    template = run / "reject.template.yaml"
    text = template.read_text().replace("# notes: what to change", "notes: typed with care")
    template.write_text(text)
    (run / "a.txt").write_text("edited")
    gated.wait_for_review("g-1", "+edited")
    wait_for(lambda: digest_of(run) in template.read_text(), "the template to follow")
    template.rename(run / "reject.yaml")
    gated.wait("g-1", "paused", "rejected")
    assert "typed with care" in (run / "decisions/01-draft.1.reject.yaml").read_text()


def test_edits_are_heard_after_a_restart(gated: Studio) -> None:
    """Also in the folders below the run directory, and without waiting for a rescan."""
    gated.kill()
    gated.start()
    (gated.run("g-1") / "sub/b.txt").write_text("edited after the restart")
    gated.wait_for_review("g-1", "+edited after the restart")


def test_a_missing_file_cannot_be_approved(gated: Studio) -> None:
    """It says which; putting it back mends it."""
    (gated.run("g-1") / "a.txt").unlink()
    gated.write("g-1", "approve.yaml", "by: alice\n...\n")
    assert "a.txt is missing" in refusal(gated, "approve.yaml")
    (gated.run("g-1") / "a.txt").write_text("one")
    gated.write("g-1", "approve.yaml", "by: alice\n...\n")
    gated.wait("g-1", "completed")


def test_early_decisions_are_refused(studio: Studio) -> None:
    """A file that lay there before the gate opened cannot be about what was made, whoever wrote it."""
    source = GATED.replace(
        "printf one > a.txt", 'sleep 1; printf one > a.txt; echo ... > "$SPORK_RUN/approve.yaml"'
    )
    studio.pipeline("gated", source)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    assert "approve.yaml" in refusal(studio, "approve.yaml")
    time.sleep(0.5)
    assert studio.state("g-1")["status"] == "needs_approval"


def test_a_stage_does_not_answer_its_own_gate(studio: Studio) -> None:
    """What it left under that name lay there when the gate opened, whenever it comes to rest."""
    command = "'echo 1 > a.txt; : > \"$SPORK_RUN/approve.yaml\"'"
    studio.pipeline(
        "own", f"name: own\nstages:\n  - {{name: draft, gate: true, command: [sh, -euc, {command}]}}\n"
    )
    studio.start()
    studio.submit("o-1", "own")
    studio.wait("o-1", "needs_approval")
    note = studio.run("o-1") / "approve.yaml.error.txt"
    wait_for(note.exists, "the reason")
    assert "before the gate opened" in note.read_text()
    assert studio.state("o-1")["status"] == "needs_approval"


@pytest.mark.fault(14, 125)
def test_an_old_answer_brought_back_answers_nothing_else(studio: Studio) -> None:
    """Copied to another run, or restored by git or a backup: a bound decision is about its own gate only."""
    studio.pipeline("gated", GATED.replace("name: use\n", "name: use\n    gate: true\n"))
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval", stage="draft")
    studio.answer("g-1", "approve")
    studio.wait("g-1", "needs_approval", stage="use")
    old = (studio.run("g-1") / "decisions/01-draft.1.approve.yaml").read_text()
    studio.write("g-1", "approve.yaml", old)
    wait_for(
        lambda: not (studio.run("g-1") / "approve.yaml").exists(), "the repeated answer to be taken away"
    )
    contrary = old.replace("approve.template.yaml approve.yaml", "reject.template.yaml reject.yaml")
    studio.write("g-1", "reject.yaml", contrary)
    assert "first decision stands" in refusal(studio, "reject.yaml")
    assert studio.state("g-1")["stage"] == "use"


def test_unbound_can_be_forbidden(studio: Studio) -> None:
    """With unbound: refuse only a decision that names the digest counts."""
    (studio.root / "conf/operator.yaml").write_text(QUICK + "decisions: {unbound: refuse}\n")
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.write("g-1", "approve.yaml", "by: alice\n...\n")
    assert "unbound: refuse" in refusal(studio, "approve.yaml")
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")


SIDE_NAMES = [
    "approve.yml", "Approve.yaml", "approve.yaml.txt", "#approve.yaml#", "approve.yaml~", ".approve.yaml.swp",
    "approve.sync-conflict-20260101-000000-ABC.yaml", "approve (conflicted copy).yaml", "._approve.yaml", "4913",
]  # fmt: skip


@pytest.mark.fault(9, 10, 15)
def test_side_files_never_decide_and_look_alikes_are_named(gated: Studio) -> None:
    """Complete, valid approvals under names that nobody meant."""
    run = gated.run("g-1")
    text = (run / "approve.template.yaml").read_text()
    for name in SIDE_NAMES:
        (run / name).write_text(text)
    (run / "sub/b.txt").write_text("touched, so that the review is written anew")
    wait_for(
        lambda: "did you mean approve.yaml" in (run / "REVIEW.md").read_text(), "look-alikes in the review"
    )
    assert gated.state("g-1")["status"] == "needs_approval"


@pytest.mark.parametrize("make", ["symlink", "fifo", "folder"])
def test_what_is_no_file_is_no_answer(gated: Studio, make: str, tmp_path: Path) -> None:
    """A link is never followed, a FIFO never waited on."""
    target = gated.run("g-1") / "approve.yaml"
    if make == "symlink":
        (tmp_path / "elsewhere").write_text("by: mallory\n...\n")
        target.symlink_to(tmp_path / "elsewhere")
    elif make == "fifo":
        os.mkfifo(target)
    else:
        target.mkdir()
    assert "regular file" in refusal(gated, "approve.yaml")
    gated.write("g-1", "reject.yaml", "then: stop\n...\n")
    gated.wait("g-1", "canceled")


def with_gate(**terms: Any) -> str:
    return QUICK + f"gates: {{draft: {json.dumps({'required': True, **terms})}}}\n"


def test_an_expired_gate_pauses_and_stays_answerable(studio: Studio) -> None:
    """Its files stay and say so; an approval then counts."""
    (studio.root / "conf/operator.yaml").write_text(with_gate(timeout_minutes=0.01))
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "paused", "expired")
    assert "expired" in (studio.run("g-1") / "REVIEW.md").read_text()
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")


def test_resume_gives_an_expired_gate_new_time(studio: Studio) -> None:
    """Same gate, same attempt, and it expires again if nobody answers."""
    (studio.root / "conf/operator.yaml").write_text(with_gate(timeout_minutes=0.02))
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "paused", "expired")
    studio.write("g-1", "resume.yaml", "by: alice\n...\n")
    state = studio.wait("g-1", "needs_approval", "gate_open")
    assert (state["gate"]["stage"], state["gate"]["attempt"]) == ("draft", 1)
    wait_for(lambda: studio.types("g-1").count("gate_expired") == 2, "the second expiry")


def test_auto_approve_is_recorded_as_the_timers(studio: Studio) -> None:
    """Unanswered, and the policy says so: by: timer."""
    (studio.root / "conf/operator.yaml").write_text(with_gate(timeout_minutes=0.01, auto_approve=True))
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    assert studio.wait("g-1", "completed")["decided"][0]["by"] == "timer"


def test_an_answer_that_lay_there_wins_over_the_timer(studio: Studio) -> None:
    """The gate's time passed while the daemon was down; the rejection was there before it looked."""
    (studio.root / "conf/operator.yaml").write_text(with_gate(timeout_minutes=0.03, auto_approve=True))
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.kill()
    studio.write("g-1", "reject.yaml", "by: alice\n...\n")
    time.sleep(2.0)
    studio.start()
    studio.wait("g-1", "paused", "rejected")
    assert "gate_expired" not in studio.types("g-1")


def test_a_file_changed_after_its_approval_is_asked_about_again(studio: Studio) -> None:
    """The approval bound other bytes; the stage that reads them does not start."""
    studio.pipeline(
        "gated",
        GATED.replace("  - name: use", "  - {name: slow, command: [sleep, '1.5']}\n  - name: use"),
    )
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.answer("g-1", "approve")
    studio.wait("g-1", "running", stage="slow")
    (studio.run("g-1") / "a.txt").write_text("changed behind the approval")
    state = studio.wait("g-1", "needs_approval", "stale")
    assert state["gate"]["stage"] == "draft"
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    assert (studio.run("g-1") / "used.txt").read_text() == "changed behind the approvaltwo"


def test_going_back_keeps_history(gated: Studio) -> None:
    """A rejection with retry: the next attempt publishes anew, the earlier one's files are in history/."""
    run = gated.run("g-1")
    (run / "a.txt").write_text("by hand")
    wait_for(lambda: "artifact_edited" in gated.types("g-1"), "the edit to be recorded")
    gated.answer("g-1", "reject", then="retry", notes="again")
    gated.wait("g-1", "needs_approval", attempt=2)
    assert (run / "a.txt").read_text() == "one"
    assert (run / "history/01-draft.1/a.txt").read_text() == "by hand"
    assert (run / "history/01-draft.1/made/a.txt").read_text() == "one"
    assert "Changed since 01-draft.1" in (run / "REVIEW.md").read_text()


def test_a_long_text_edited_in_every_second_line(studio: Studio) -> None:
    """Who edits it and answers waits for no diff that takes minutes; nor does anybody else."""
    studio.pipeline("long", LONG)
    studio.start()
    studio.submit("g-1", "long")
    studio.wait("g-1", "needs_approval")
    made = (studio.run("g-1") / "a.txt").read_text()
    studio.write("g-1", "a.txt", made.replace("v", "w"))
    studio.wait_for_review("g-1", "Changed since it was published")
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    kept = (studio.run("g-1") / "decisions/01-draft.1.edits.diff").read_text()
    assert kept.count("\n-v") == kept.count("\n+w") == 60_000


def test_cancel_and_resume_are_files_too(gated: Studio) -> None:
    """cancel.yaml ends a waiting job; a final job takes nothing more."""
    gated.write("g-1", "cancel.yaml", "by: alice\n...\n")
    gated.wait("g-1", "canceled", "canceled")
    assert (gated.run("g-1") / "decisions/01-draft.1.cancel.yaml").exists()


def test_a_reason_goes_with_the_file_it_is_about(gated: Studio) -> None:
    """Removed, or replaced by one that is not whole yet: nothing says any more that it was refused."""
    gated.write("g-1", "approve.yaml", "bye: alice\n...\n")
    refusal(gated, "approve.yaml")
    note = gated.run("g-1") / "approve.yaml.error.txt"
    (gated.run("g-1") / "approve.yaml").unlink()
    gated.write("g-1", "reject.yaml", "bye: alice\n...\n")  # rings, as a removal does not
    wait_for(lambda: not note.exists(), "the note to go")


def test_a_reason_does_not_outlive_its_gate(gated: Studio) -> None:
    """The refused answer was removed, which rings no bell: once the gate is answered its reason goes too."""
    gated.write("g-1", "reject.yaml", "bye: alice\n...\n")
    refusal(gated, "reject.yaml")
    gated.stop()
    (gated.run("g-1") / "reject.yaml").unlink()
    gated.answer("g-1", "approve")
    gated.start()
    gated.wait("g-1", "completed")
    assert not (gated.run("g-1") / "reject.yaml.error.txt").exists()
