"""`spork explain` has an answer for every name in a drop-box, whatever lies there and whatever became of it."""

from __future__ import annotations

import json
import os

import pytest

from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

EXPECTED = {
    "inbox": ("folder", "where requests are dropped"),
    "inbox/g-1.yaml": ("taken", "became job g-1 at"),
    "inbox/bad.yaml": ("refused", "did you mean 'intent'"),
    "inbox/rejected/bad.yaml": ("refused", "did you mean 'intent'"),
    "inbox/rejected/bad.yaml.error.txt": ("refused", "did you mean 'intent'"),
    "inbox/approve.yaml": ("refused", "a decision belongs into runs/ID/"),
    "inbox/never.yaml": ("gone", "no file of this name was ever taken"),
    "inbox/" + "y" * 300 + ".yaml": ("gone", "no file of this name"),
    "inbox/fifo.yaml": ("refused", "is a FIFO"),
    "inbox/folder.yaml": ("refused", "is a folder"),
    "inbox/link.yaml": ("refused", "is a symbolic link"),
    "inbox/giant.yaml": ("refused", "at most 1,048,576 are accepted"),
    "inbox/nul.yaml": ("refused", "contains NUL bytes"),
    "inbox/sourdough.md": ("ignored", "it may be a source that a request names"),
    "inbox/empty.yaml": ("waiting", "it is empty, and waits for its content"),
    "inbox/a\nb.yaml": ("refused", "control characters"),
    os.fsdecode(b"inbox/\xff.yaml"): ("refused", "not UTF-8"),
    "inbox/plan": ("folder", "sources of the request plan.yaml"),
    "inbox/plan/x.yaml": ("ignored", "sources of the request of that name"),
    "inbox/x.yaml.part": ("ignored", "did you mean x.yaml?"),
    "runs": ("folder", "one folder for each job"),
    "runs/g-1": ("folder", "spork status g-1"),
    "runs/nope": ("unknown", "there is no job nope"),
    "runs/nope/approve.yaml": ("unknown", "there is no job nope"),
    "runs/approve.yaml": ("ignored", "decisions lie in runs/ID/"),
    "runs/g-1/approve.yaml": ("waiting", "incomplete: a template whose last line"),
    "runs/g-1/reject.yaml": ("refused", "did you mean 'by'?"),
    "runs/g-1/reject.yaml.error.txt": ("ours", "why reject.yaml does not count"),
    "runs/g-1/nosuch.yaml": ("gone", "nothing of this name lies there"),
    "runs/g-1/cancel.yaml": ("gone", "none was ever looked at"),
    "runs/g-1/Approve.yml": ("ignored", "did you mean approve.yaml?"),
    "runs/g-1/.approve.yaml.swp": ("ignored", "an editor seems to have approve.yaml open"),
    "runs/g-1/REVIEW.md": ("ours", "a file the daemon writes"),
    "runs/g-1/approve.template.yaml": ("ignored", "rename it to answer"),
    "runs/g-1/sub/b.txt": ("artifact", "made by draft, attempt 1"),
    "runs/g-1/sub/approve.yaml": ("ignored", "decisions lie in the run directory itself"),
    "runs/g-1/logs/01-draft.1.log": ("ours", "nothing in it is read as an answer"),
    "runs/g-2/approve.yaml": ("recorded", "about draft.1, by alice; kept in decisions/"),
    "runs/g-2/decisions/01-draft.1.approve.yaml": ("ours", "recorded at"),
    "runs/g-2/reject.yaml": ("ignored", "nothing can be decided any more"),
    "runs/g-2/Reject.yml": ("ignored", "nothing can be decided any more"),
    "sources/s.txt": ("ignored", "read when a request's params name it"),
    "sources/gone.txt": ("gone", "nothing of this name"),
}
AT_THE_GATE = {
    "stage: polish\n...\n": "it would be refused: it answers polish, but draft attempt 1 waits",
    'job: "g-7"\n...\n': "it would be refused: it is about g-7, and this is g-1",
    f"digest: sha256:{'0' * 64}\n...\n": "it would be refused: stale",
    "by: a\nby: b\n...\n": "it would be refused: approve.yaml:2",
    "by: alice\n": "complete once unchanged for 0.3 s",
    "by: alice\n...\n": "it is complete: it ends with `...`",
    "": "it is empty: that counts after 1 quiet seconds",
}


@pytest.fixture
def filled(studio: Studio) -> Studio:
    """A live daemon that has looked at all of it."""
    studio.pipeline("gated", GATED)
    studio.start()
    for job in ("g-1", "g-2"):
        studio.submit(job, "gated")
        studio.wait(job, "needs_approval")
    studio.answer("g-2", "approve", by="alice")
    studio.wait("g-2", "completed")
    inbox, run = studio.root / "inbox", studio.run("g-1")
    os.mkfifo(inbox / "fifo.yaml")
    (inbox / "folder.yaml").mkdir()
    (inbox / "link.yaml").symlink_to("/etc/passwd")
    with (inbox / "giant.yaml").open("wb") as file:
        file.truncate(10 << 30)
    for name in ("inbox/a\nb.yaml", os.fsdecode(b"inbox/\xff.yaml"), "sources/s.txt", "runs/approve.yaml"):
        (studio.root / name).write_text("x")
    (inbox / "plan").mkdir()
    for path in (
        inbox / "plan/x.yaml",
        inbox / "x.yaml.part",
        run / "Approve.yml",
        run / ".approve.yaml.swp",
    ):
        path.write_text("...\n")
    (inbox / "empty.yaml").touch()
    (inbox / "nul.yaml").write_bytes(bytes(50))
    studio.drop("approve.yaml", "stage: draft\nby: alice\n...\n")
    studio.drop("bad.yaml", "intnet: x\n...\n")
    (run / "approve.yaml").write_text("# spork decision template\nby: alice\n")
    studio.write("g-1", "reject.yaml", "bye: alice\n...\n")
    studio.write("g-2", "reject.yaml", "by: alice\n...\n")
    for note in (run / "reject.yaml.error.txt", inbox / "rejected/nul.yaml.error.txt"):
        wait_for(note.exists, note.name)
    studio.wait_refused("bad.yaml")
    return studio


def test_every_name_has_its_story(filled: Studio) -> None:
    """What lies there, what lay there, what never did: a verdict and a reason each."""
    told = json.loads(filled.spork("explain", "--json", *EXPECTED).stdout)
    for (verdict, says), story in zip(EXPECTED.values(), told, strict=True):
        assert (story["verdict"], any(says in line for line in story["why"])) == (verdict, True), story
    assert "nul.yaml: refused where it is" in filled.spork("status").stdout
    checked = filled.spork("check", str(filled.root / "inbox/nul.yaml"), check=False).stdout
    reason = (filled.root / "inbox/rejected/nul.yaml.error.txt").read_text().strip().partition("contains")
    assert "".join(reason[1:]) in checked


def test_all_of_a_reason_is_indented(studio: Studio) -> None:
    """A refusal may have several lines, one for each thing that is wrong."""
    studio.start()
    studio.drop("two.yaml", "intnet: x\nslag: y\n...\n")
    studio.wait_refused("two.yaml")
    first, *rest = studio.spork("explain", "inbox/two.yaml").stdout.splitlines()
    assert first == "inbox/two.yaml: refused"
    assert len(rest) > 1 and all(line.startswith("  ") for line in rest)


def test_what_a_decision_waits_for(studio: Studio) -> None:
    """Without a daemon: what the settling rule and the rules themselves would say of it."""
    (studio.root / "conf/operator.yaml").write_text(QUICK)
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.stop()
    for text, says in AT_THE_GATE.items():
        (studio.run("g-1") / "approve.yaml").write_text(text)
        told = studio.spork("explain", "runs/g-1/approve.yaml").stdout
        assert "approve.yaml: waiting" in told
        assert says in told, told
        assert "no daemon runs here" in told
