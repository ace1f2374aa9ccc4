"""What people and programs put beside a gate or into the inbox: what counts, what waits, and who says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

SOON = QUICK + "watch: {rescan_seconds: 1}\n"
ONE = "name: one\nstages:\n  - {name: only, command: [sh, -euc, 'echo > done.txt'], outputs: [done.txt]}\n"
REQUEST = "intent: a note\npipeline: one\n"


@pytest.fixture
def rescanned(studio: Studio) -> Studio:
    """A live daemon that rescans often, with job g-1 at its gate."""
    (studio.root / "conf/operator.yaml").write_text(SOON)
    studio.pipeline("gated", GATED)
    studio.pipeline("one", ONE)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    return studio


def review(studio: Studio) -> str:
    return (studio.run("g-1") / "REVIEW.md").read_text()


LOOK_ALIKES = [
    "approve.yml", "Approve.yaml", "APPROVE.YAML", "approve.yaml.txt", "approve.yaml.part", "approve - Copy.yaml",
    "approve (conflicted copy 2026-01-01).yaml", "approve.sync-conflict-20260101-000000-ABCDEFG.yaml",
]  # fmt: skip


@pytest.mark.fault(10, 15)
def test_look_alikes_are_named_beside_the_gate_while_they_lie_there(rescanned: Studio) -> None:
    """In REVIEW.md, in status and by explain, each with the name that counts; gone from there when they are gone."""
    run = rescanned.run("g-1")
    text = (run / "approve.template.yaml").read_text()
    for name in LOOK_ALIKES:
        (run / name).write_text(text)
    told = f"`{LOOK_ALIKES[-1]}` is not read"
    wait_for(lambda: told in review(rescanned), "the last look-alike in the review")
    status = rescanned.spork("status").stdout
    explained = json.loads(
        rescanned.spork("explain", "--json", *(str(run / name) for name in LOOK_ALIKES)).stdout
    )
    for name, story in zip(LOOK_ALIKES, explained, strict=True):
        assert f"- `{name}` is not read" in review(rescanned)
        assert f": runs/g-1/{name}\n" in status
        assert story["verdict"] == "ignored"
        assert "did you mean approve.yaml? Rename it to that" in story["why"]
    assert rescanned.state("g-1")["status"] == "needs_approval"
    for name in LOOK_ALIKES:
        (run / name).unlink()
    wait_for(lambda: "Beside the gate" not in review(rescanned), "the note to go with the look-alikes")
    assert "not read" not in rescanned.spork("status").stdout


@pytest.mark.fault(15, 36)
def test_a_look_alike_is_noted_once_and_leads_to_no_loop(rescanned: Studio) -> None:
    """The review is written when the look-alike comes, and not again by what the daemon itself writes."""
    run = rescanned.run("g-1")
    (run / "approve.yml").write_text("...\n")
    wait_for(lambda: "Beside the gate" in review(rescanned), "the note")
    before = (run / "REVIEW.md").stat()
    rescanned.submit("after", "one")
    rescanned.wait("after", "completed")
    after = (run / "REVIEW.md").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.fault(10, 11)
def test_side_files_in_the_inbox(rescanned: Studio) -> None:
    """Never a job; conflict copies are named in status, and explain tells the rule of each."""
    inbox = rescanned.root / "inbox"
    copies = {
        "a.sync-conflict-20260101-000000-ABCDEFG.yaml": "Syncthing",
        "a (conflicted copy).yaml": "sync tool",
        "._a.yaml": "macOS",
        ".DS_Store": "hidden",
        "#a.yaml#": "editor",
        "a.yaml~": "backup",
    }
    for name in copies:
        (inbox / name).write_text(REQUEST + "...\n")
    rescanned.submit("after", "one")
    rescanned.wait("after", "completed")
    status = rescanned.spork("status").stdout
    for name, rule in copies.items():
        assert (inbox / name).exists()
        assert rule in rescanned.spork("explain", str(inbox / name)).stdout
        assert (f"{name}: not read, a conflict copy" in status) == ("conflict" in name)


@pytest.mark.fault(20)
def test_a_writer_that_stays_is_named(rescanned: Studio) -> None:
    """Complete to its mark and open for writing: it waits, and status and explain say for which process."""
    writer = subprocess.Popen(
        ["sh", "-c", 'exec 3> "$0"; printf "by: alice\\n...\\n" >&3; exec sleep 600', "approve.yaml"],
        cwd=rescanned.run("g-1"),
    )
    request = rescanned.root / "inbox/slow.yaml"
    try:
        with request.open("w") as file:
            file.write(REQUEST + "id: slow\n...\n")
            file.flush()
            wait_for((rescanned.run("g-1") / "approve.yaml").exists, "the writer to begin")
            rescanned.submit("after", "one")
            rescanned.wait("after", "completed")
            told = rescanned.spork("status").stdout
            assert f"runs/g-1/approve.yaml: still open for writing by pid {writer.pid}" in told
            assert f"slow.yaml: still open for writing by pid {os.getpid()}" in told
            explained = rescanned.spork("explain", "runs/g-1/approve.yaml", "inbox/slow.yaml").stdout
            assert f"still open for writing by pid {writer.pid}" in explained
            assert f"still open for writing by pid {os.getpid()}" in explained
            assert rescanned.state("g-1")["status"] == "needs_approval"
    finally:
        writer.kill()
        writer.wait()
    rescanned.wait("g-1", "completed")
    rescanned.wait("slow", "completed")


@pytest.mark.fault(12)
def test_a_rejection_in_the_making_holds_an_approval(rescanned: Studio) -> None:
    """Both lie there; the approval is whole first, and waits until the rejection can be read."""
    run = rescanned.run("g-1")
    with (run / "reject.yaml").open("w") as file:
        file.write("then: stop\n")
        file.flush()
        rescanned.write("g-1", "approve.yaml", "by: bob\n...\n")
        rescanned.submit("after", "one")
        rescanned.wait("after", "completed")
        assert rescanned.state("g-1")["status"] == "needs_approval"
        assert "reject.yaml lies there too" in rescanned.spork("explain", str(run / "approve.yaml")).stdout
    rescanned.wait("g-1", "canceled", "rejected")
    rejected = next(e for e in rescanned.events("g-1") if e["type"] == "gate_rejected")
    assert "approve.yaml lay there too" in rejected["message"]


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("first", "others"), [("cancel", ("reject", "approve", "resume")), ("reject", ("approve", "resume"))]
)
def test_what_ends_the_job_ends_the_looking(rescanned: Studio, first: str, others: tuple[str, ...]) -> None:
    """All four lie there at once: the one that ends the job counts, the others decide nothing, the daemon works on."""
    assert rescanned.process is not None
    rescanned.process.send_signal(signal.SIGSTOP)
    rescanned.write("g-1", f"{first}.yaml", "then: stop\n...\n" if first == "reject" else "...\n")
    for verb in others:
        rescanned.write("g-1", f"{verb}.yaml", "by: bob\n...\n")
    rescanned.process.send_signal(signal.SIGCONT)
    rescanned.wait("g-1", "canceled")
    rescanned.submit("after", "one")
    rescanned.wait("after", "completed")
    for verb in others:
        said = rescanned.spork("explain", f"runs/g-1/{verb}.yaml").stdout
        assert "ignored" in said
        assert "nothing can be decided any more" in said


@pytest.mark.fault(12)
def test_a_rejection_that_never_comes_lets_the_approval_through(rescanned: Studio) -> None:
    """The half-written rejection is removed: what lies there now decides."""
    run = rescanned.run("g-1")
    (run / "reject.yaml").write_text("# spork decision template\n")
    rescanned.write("g-1", "approve.yaml", "by: bob\n...\n")
    rescanned.submit("after", "one")
    rescanned.wait("after", "completed")
    assert rescanned.state("g-1")["status"] == "needs_approval"
    (run / "reject.yaml").unlink()
    assert rescanned.wait("g-1", "completed")["decided"][0]["by"] == "bob"


@pytest.mark.fault(12, 124)
def test_a_rejection_in_the_making_holds_the_timer(studio: Studio) -> None:
    """A gate that approves itself does not, while a rejection is being written."""
    gates = "gates: {draft: {required: true, auto_approve: true, timeout_minutes: 0.04}}\n"
    (studio.root / "conf/operator.yaml").write_text(QUICK + gates)
    studio.pipeline("gated", GATED)
    studio.pipeline("one", ONE)
    studio.start()
    studio.submit("g-1", "gated")
    expires = studio.wait("g-1", "needs_approval")["gate"]["expires_at"]
    with (studio.run("g-1") / "reject.yaml").open("w") as file:
        file.write("then: stop\n")
        file.flush()
        over = datetime.fromisoformat(expires)
        wait_for(lambda: datetime.now(UTC) > over, "the gate's time to be over")
        studio.submit("after", "one")
        studio.wait("after", "completed")
        assert studio.state("g-1")["status"] == "needs_approval"
    studio.wait("g-1", "canceled", "rejected")


@pytest.mark.fault(13)
def test_renamed_before_it_was_read(gated: Studio) -> None:
    """The name that lies there when somebody looks is the decision."""
    assert gated.process is not None
    run = gated.run("g-1")
    gated.process.send_signal(signal.SIGSTOP)
    try:
        (run / "approve.yaml").write_text("by: alice\n...\n")
        (run / "approve.yaml").rename(run / "reject.yaml")
    finally:
        gated.process.send_signal(signal.SIGCONT)
    gated.wait("g-1", "paused", "rejected")
    assert "gate_approved" not in gated.types("g-1")


@pytest.mark.fault(4, 14)
def test_an_answer_that_changes_its_mind_too_late(studio: Studio) -> None:
    """Approved, then edited to a rejection of the same gate: the first stands, the second is refused once."""
    studio.pipeline("gated", GATED.replace("name: use\n", "name: use\n    gate: true\n"))
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval", stage="draft")
    bound = "stage: draft\nattempt: 1\n"
    studio.write("g-1", "approve.yaml", bound + "by: alice\n...\n")
    studio.wait("g-1", "needs_approval", stage="use")
    (studio.run("g-1") / "reject.yaml").write_text(bound + "then: stop\n...\n")
    note = studio.run("g-1") / "reject.yaml.error.txt"
    wait_for(note.exists, "the refusal")
    assert "the first decision stands" in note.read_text()
    (studio.run("g-1") / "a.txt").touch()
    studio.spork("approve", "g-1", "--wait")
    studio.wait("g-1", "completed")
    assert studio.types("g-1").count("decision_refused") == 1
    assert [d["decision"] for d in studio.state("g-1")["decided"]] == ["approve", "approve"]


@pytest.mark.fault(5)
def test_reserved_space_is_no_answer(gated: Studio) -> None:
    """A file of NULs is waited for, then refused with the place; its content in their stead counts."""
    target = gated.run("g-1") / "approve.yaml"
    with target.open("wb") as file:
        file.truncate(127)
    note = gated.run("g-1") / "approve.yaml.error.txt"
    wait_for(note.exists, "the refusal")
    assert "NUL bytes (the first at byte 0)" in note.read_text()
    target.write_text("by: alice\n...\n")
    gated.wait("g-1", "completed")


@pytest.mark.fault(17)
def test_a_folder_that_is_moved_in_is_no_job(rescanned: Studio, tmp_path: Path) -> None:
    """Requests in a folder are not read, and status says so; a folder with a request's name is refused."""
    for name in ("plans", "plan.yaml"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text(REQUEST + "id: hidden\n...\n")
        (tmp_path / name).rename(rescanned.root / "inbox" / name)
    note = rescanned.root / "inbox/rejected/plan.yaml.error.txt"
    wait_for(note.exists, "the reason")
    assert "is a folder; put a regular file here" in note.read_text()
    status = rescanned.spork("status").stdout
    assert "plans/: a folder, and requests in it are not read; put them into inbox/ itself" in status
    assert "plan.yaml: a folder, not read" in status
    assert "refused" in rescanned.spork("explain", "inbox/plan.yaml").stdout
    assert not (rescanned.root / "jobs/hidden.yaml").exists()


@pytest.mark.fault(18)
def test_a_decision_in_a_directory_that_was_just_made(rescanned: Studio) -> None:
    """cancel.yaml, written in the instant the run directory appears, twenty times: none is missed."""
    jobs = [f"c-{number}" for number in range(20)]
    script = """
import os, sys
left = set(sys.argv[1:])
while left:
    for job in sorted(left):
        try:
            open(f"runs/{job}/cancel.yaml", "w").write("...\\n")
        except FileNotFoundError:
            continue
        left.remove(job)
"""
    with subprocess.Popen([sys.executable, "-c", script, *jobs], cwd=rescanned.root) as writer:
        for job in jobs:
            rescanned.submit(job, "gated")
        assert writer.wait(timeout=60) == 0
    for job in jobs:
        rescanned.wait(job, "canceled")


@pytest.mark.fault(23)
def test_a_request_that_repeats_a_job_is_said_aloud(rescanned: Studio) -> None:
    """Same id and bytes: no second job, a line in the log, and explain says beforehand and after."""
    text = REQUEST + "id: twice\n...\n"
    rescanned.drop("a.yaml", text)
    rescanned.wait("twice", "completed")
    rescanned.drop("b.yaml", text)
    wait_for(lambda: b'"request_repeated"' in rescanned.log.read_bytes(), "the repetition to be told")
    wait_for(lambda: not (rescanned.root / "inbox/b.yaml").exists(), "the file to be removed")
    assert "repeats a job" in rescanned.spork("explain", "inbox/b.yaml").stdout
    rescanned.stop()
    rescanned.drop("c.yaml", text)
    assert "it repeats job twice" in rescanned.spork("explain", "inbox/c.yaml").stdout


def _gone(path: Path) -> bool:
    return not path.exists()


@pytest.mark.fault(23)
def test_a_second_name_of_a_request_is_no_second_job(rescanned: Studio) -> None:
    """The same file, linked into the inbox once more after it was taken: it is said, and the name goes."""
    kept = rescanned.root / "kept.yaml"
    kept.write_text(REQUEST + "...\n")
    for name in ("a.yaml", "b.yaml"):
        target = rescanned.root / "inbox" / name
        os.link(kept, target)
        wait_for(partial(_gone, target), f"{name} to be taken")
    wait_for(lambda: b'"request_repeated"' in rescanned.log.read_bytes(), "the repetition to be told")
    assert len(list((rescanned.root / "jobs").glob("2*.yaml"))) == 1


@pytest.mark.fault(24)
def test_the_same_name_with_other_content_is_another_job(rescanned: Studio) -> None:
    """While the first one runs: each job has the bytes it was made of."""
    slow = ONE.replace("name: one", "name: slow").replace("echo > done.txt", "sleep 1; echo > done.txt")
    rescanned.pipeline("slow", slow)
    first, second = "intent: first\npipeline: slow\nid: s-1\n", "intent: second\npipeline: slow\nid: s-2\n"
    rescanned.drop("plan.yaml", first)
    rescanned.wait("s-1", "running")
    rescanned.drop("plan.yaml", second)
    rescanned.wait("s-2", "completed")
    rescanned.wait("s-1", "completed")
    for job, text in (("s-1", first), ("s-2", second)):
        assert (rescanned.root / f"jobs/{job}.yaml").read_text() == text
        assert rescanned.state(job)["intent"] in text
    assert "s-1" in (said := rescanned.spork("explain", "inbox/plan.yaml").stdout)
    assert "s-2" in said


@pytest.mark.fault(25)
def test_files_that_vanish_raise_no_alarm(rescanned: Studio) -> None:
    """Made and removed 2,000 times, in the inbox and at the gate: no job, no decision, no line in the log."""
    script = """
import os
for turn in range(2000):
    for name in ("inbox/x.yaml", "runs/g-1/approve.yaml"):
        open(name, "w").close()
        os.unlink(name)
"""
    told = rescanned.log.read_bytes()
    subprocess.run([sys.executable, "-c", script], cwd=rescanned.root, check=True)
    rescanned.submit("after", "one")
    rescanned.wait("after", "completed")
    said = [json.loads(line) for line in rescanned.log.read_bytes()[len(told) :].splitlines()]
    assert [line for line in said if line["level"] in ("warning", "error", "critical")] == []
    assert rescanned.state("g-1")["status"] == "needs_approval"
