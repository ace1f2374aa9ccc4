"""Documents that were made to hurt, on a live daemon: each is refused with its reason, and other work goes on."""

from __future__ import annotations

import hashlib
import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.hostile import HOSTILE, MIB
from tests.studio import Studio
from tests.support import wait_for

HARMLESS_DECISIONS = {"a comment", "null"}


def _peak(pid: int) -> int:
    """The most memory the process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.fault(59, 60, 61, 62, 63, 64, 65, 67, 69, 71, 73, 74, 75, 76, 78, 79)
def test_hostile_requests(studio: Studio) -> None:
    """All of them at once: a reason for each beside its copy, 100 MB at most, and a good request is taken."""
    process = studio.start()
    before = _peak(process.pid)
    for number, (data, _) in enumerate(HOSTILE.values()):
        beside = studio.root / f"{number}.part"
        beside.write_bytes(data)
        beside.rename(studio.root / f"inbox/hostile-{number}.yaml")
    studio.submit("good")
    studio.wait("good", "needs_approval")
    for number, (name, (_, told)) in enumerate(HOSTILE.items()):
        note = studio.root / f"inbox/rejected/hostile-{number}.yaml.error.txt"
        wait_for(note.exists, f"the reason why {name} is refused")
        said = note.read_text()
        # What is too large is not read at all.
        assert told in said or "at most 1,048,576 are accepted" in said, (name, said)
        assert "Traceback" not in said
    assert _peak(process.pid) - before < 100 * MIB


def _refused(studio: Studio, times: int) -> bool:
    return studio.types("g-1").count("decision_refused") == times


@pytest.mark.fault(59, 65, 67, 71, 73, 74, 75, 79)
def test_hostile_decisions(gated: Studio) -> None:
    """As answers to a gate: none of them decides, each is told why, and the right answer counts."""
    run = gated.run("g-1")
    answers = {
        name: data
        for name, (data, _) in HOSTILE.items()
        if name not in HARMLESS_DECISIONS and len(data) <= MIB
    }
    for number, (name, data) in enumerate(answers.items(), 1):
        (run / ".approve.part").write_bytes(data)
        (run / ".approve.part").rename(run / "approve.yaml")
        wait_for(partial(_refused, gated, number), f"{name} to be refused as an approval")
        assert (run / "approve.yaml.error.txt").read_text()
        assert gated.state("g-1")["status"] == "needs_approval"
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=alice", "-c", "user.email=alice@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=False, capture_output=True)


@pytest.mark.fault(66, 67)
@pytest.mark.parametrize(("driver", "told"), [("union", "given twice"), ("text", "merge conflict markers")])
def test_what_git_makes_of_two_answers(gated: Studio, tmp_path: Path, driver: str, told: str) -> None:
    """Two branches that answer differently, merged: no decision, whichever way git joins their lines."""
    repo = tmp_path / "repo"
    repo.mkdir()
    _git(repo, "init", "--quiet", "--initial-branch=main")
    (repo / ".gitattributes").write_text(f"approve.yaml merge={driver}\n")
    answer = repo / "approve.yaml"
    for branch, text in (("main", ""), ("alice", "by: alice\n"), ("bob", "by: bob\n")):
        _git(repo, "checkout", "--quiet", "-B", branch, "main")
        answer.write_text(f"attempt: 1\n{text}")
        _git(repo, "add", "--all")
        _git(repo, "commit", "--quiet", "--message", branch)
    _git(repo, "merge", "--quiet", "alice")
    merged = answer.read_bytes()
    assert b"alice" in merged
    assert b"bob" in merged
    run = gated.run("g-1")
    (run / ".part").write_bytes(merged)
    (run / ".part").rename(run / "approve.yaml")
    note = run / "approve.yaml.error.txt"
    wait_for(note.exists, "the reason")
    assert told in note.read_text()
    assert gated.state("g-1")["status"] == "needs_approval"


@pytest.mark.fault(77)
def test_windows_line_ends_are_kept(studio: Studio) -> None:
    """A request with CRLF is taken, and kept and hashed as the bytes it had."""
    studio.start()
    data = b"intent: a note\r\nid: crlf\r\npipeline: note\r\n...\r\n"
    beside = studio.root / "crlf.part"
    beside.write_bytes(data)
    beside.rename(studio.root / "inbox/crlf.yaml")
    studio.wait("crlf", "needs_approval")
    assert (studio.root / "jobs/crlf.yaml").read_bytes() == data
    queued = studio.events("crlf")[0]
    assert hashlib.sha256(data).hexdigest() in str(queued["payload"])


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("1e999", "the number 1e999 is too large"),
        ("-Infinity", "-Infinity is not a JSON number"),
        ("9" * 4000, ""),
        ("-0.1e-999", ""),
        ("[" * 29 + "]" * 29, ""),
    ],
    ids=lambda value: str(value)[:12],
)
def test_no_number_in_meta_keeps_a_workspace_from_starting(studio: Studio, number: str, says: str) -> None:
    """One that JSON does not have fails its stage with the reason; any other is kept, however large or deep."""
    said = f'{{"a.txt": {{"meta": {{"x": {number}}}}}}}'.replace("{", "{{").replace("}", "}}")
    command = json.dumps(["sh", "-c", f"echo > a.txt; echo '{said}' > .meta.json"])
    studio.pipeline(
        "odd",
        f"name: odd\nstages:\n  - {{name: s, command: {command}, gate: true}}\n",
    )
    studio.start()
    studio.submit("o-1", "odd")
    state = studio.wait("o-1", "failed" if says else "needs_approval")
    assert says in str(state["error"])
    studio.stop()
    assert "malformed" not in studio.spork("doctor", check=False).stdout
    studio.start()
    studio.write("o-1", "cancel.yaml", "by: alice\n...\n")
    studio.wait("o-1", "canceled")
