"""What a person's git brings into a run directory, by the real git: new answers count once, old ones nowhere else."""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.colleagues import Clone, share
from tests.studio import GATED, QUICK, ROOT, Studio
from tests.support import wait_for

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

TWO_GATES = GATED.replace("name: use\n", "name: use\n    gate: true\n")
ANSWER = "runs/g-1/approve.yaml"


@pytest.fixture
def shared(studio: Studio, tmp_path: Path) -> tuple[Studio, Clone, Clone]:
    """A live daemon with jobs g-1 and g-2 at the first of two gates, on equal files; ours, and a colleague's clone."""
    (studio.root / "conf/operator.yaml").write_text(QUICK + "watch: {rescan_seconds: 1}\n")
    studio.pipeline("gated", TWO_GATES)
    ours, theirs = share(studio.root, tmp_path / "git")
    studio.start()
    for job in ("g-1", "g-2"):
        studio.submit(job, "gated")
        studio.wait(job, "needs_approval", stage="draft")
    return studio, ours, theirs


def template(studio: Studio, job: str = "g-1") -> str:
    return (studio.run(job) / "approve.template.yaml").read_text()


def refusal(studio: Studio, job: str = "g-1", name: str = "approve.yaml") -> str:
    note = studio.run(job) / f"{name}.error.txt"
    wait_for(note.exists, f"the reason beside {name} of {job}")
    return note.read_text()


def gone(studio: Studio, what: str, job: str = "g-1") -> None:
    wait_for(lambda: not (studio.run(job) / "approve.yaml").exists(), what)


@pytest.mark.fault(125, 134)
def test_an_answer_pulled_counts_once_whatever_becomes_of_its_commit(
    shared: tuple[Studio, Clone, Clone],
) -> None:
    """Recorded as it was committed; taken back from history it stands; brought back it answers no other gate."""
    studio, ours, theirs = shared
    text = template(studio)
    theirs.commit(ANSWER, text)
    theirs.push()
    ours.pull()
    studio.wait("g-1", "needs_approval", stage="use")
    assert (studio.run("g-1") / "decisions/01-draft.1.approve.yaml").read_text() == text
    replays: dict[str, list[tuple[str, ...]]] = {
        "checkout": [("checkout", "-q", "--", ANSWER)],
        "stash pop": [("stash", "-q"), ("stash", "pop")],
        "reset": [("reset", "-q", "--hard")],
        "revert of a revert": [("revert", "--no-edit", "HEAD"), ("revert", "--no-edit", "HEAD")],
        "history rewritten, then restored": [
            ("reset", "-q", "--hard", "HEAD~3"),
            ("reset", "-q", "--hard", "@{1}"),
        ],
    }
    for name, commands in replays.items():
        for command in commands:
            ours.git(*command, check="stash" not in command)
        gone(studio, f"the answer brought back by {name} to be taken away")
        assert studio.state("g-1")["stage"] == "use", name
    assert studio.log.read_bytes().count(b'"decision_repeated"') >= 3
    ours.git("reset", "-q", "--hard", "HEAD~3")
    studio.spork("approve", "g-1", "--wait")
    decided = studio.wait("g-1", "completed")["decided"]
    assert [d["stage"] for d in decided] == ["draft", "use"], "what was recorded stands"
    assert "decision_refused" not in studio.types("g-1")


@pytest.mark.fault(125)
def test_an_answer_copied_to_another_run_is_refused(shared: tuple[Studio, Clone, Clone]) -> None:
    """The same blob under another job's name, whose files have the same bytes: it names the job it is about."""
    studio, ours, theirs = shared
    text = template(studio)
    assert text.split("digest: ")[1] == template(studio, "g-2").split("digest: ")[1]
    theirs.commit(ANSWER, text)
    theirs.commit("runs/g-2/approve.yaml", text)
    theirs.push()
    ours.pull()
    studio.wait("g-1", "needs_approval", stage="use")
    assert "it is about g-1, and this is g-2" in refusal(studio, "g-2")
    assert studio.state("g-2")["stage"] == "draft"


@pytest.mark.fault(67, 133)
def test_a_merge_conflict_is_no_answer(shared: tuple[Studio, Clone, Clone]) -> None:
    """Both sides wrote one: the markers are named with their line, and the gate waits until somebody resolves it."""
    studio, ours, theirs = shared
    held = studio.run("g-1") / "approve.yaml"
    theirs.commit(ANSWER, template(studio).replace("# by: your name", "by: carol"))
    theirs.push()
    studio.stop()
    ours.commit(ANSWER, template(studio).replace("# by: your name", "by: ann"))
    assert ours.pull("--no-rebase", check=False).returncode != 0
    assert "<<<<<<<" in held.read_text()
    studio.start()
    assert "merge conflict" in refusal(studio)
    assert studio.state("g-1")["status"] == "needs_approval"
    ours.git("checkout", "-q", "--theirs", "--", ANSWER)
    assert studio.wait("g-1", "needs_approval", stage="use")["decided"][0]["by"] == "carol"


@pytest.mark.fault(66, 133)
def test_a_union_merge_is_no_answer(shared: tuple[Studio, Clone, Clone]) -> None:
    """git made one file of both: keys stand there twice, and which one was meant nobody can say."""
    studio, ours, theirs = shared
    base = "stage: draft\nby: nobody\n"
    studio.stop()
    ours.commit(".gitattributes", "*.yaml merge=union\n")
    ours.commit(ANSWER, base)
    ours.push()
    theirs.pull()
    theirs.commit(ANSWER, "stage: draft\nby: carol\n")
    theirs.push()
    ours.commit(ANSWER, "stage: draft\nby: ann\n")
    ours.pull("--no-rebase")
    assert (studio.run("g-1") / "approve.yaml").read_text().count("by:") == 2
    studio.start()
    said = refusal(studio)
    assert "by" in said
    assert "2" in said and "3" in said, said
    assert studio.state("g-1")["stage"] == "draft"


@pytest.mark.fault(132)
def test_links_in_the_tree_lead_nowhere(shared: tuple[Studio, Clone, Clone], tmp_path: Path) -> None:
    """As a link, as the plain file that git writes without links, and as a whole run directory."""
    studio, ours, theirs = shared
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "approve.yaml").write_text("by: mallory\n...\n")
    (theirs.root / "runs/g-1").mkdir(parents=True)
    (theirs.root / ANSWER).symlink_to(elsewhere / "approve.yaml")
    theirs.add(ANSWER)
    (theirs.root / "runs/g-9").symlink_to(elsewhere)
    theirs.add("runs/g-9")
    theirs.push()
    ours.pull()
    assert "symbolic link" in refusal(studio)
    (studio.run("g-1") / "approve.yaml").unlink()
    ours.git("-c", "core.symlinks=false", "checkout", "-q", "--", ANSWER)
    wait_for(lambda: "symbolic link" not in refusal(studio), "the plain file to be looked at")
    assert "mapping" in refusal(studio)
    assert studio.state("g-1")["stage"] == "draft"
    studio.submit("g-9", "gated")
    studio.wait("g-9", "needs_approval", stage="draft")
    assert not studio.run("g-9").is_symlink()
    assert (elsewhere / "approve.yaml").read_text() == "by: mallory\n...\n"


@pytest.mark.fault(135)
def test_what_else_git_makes_of_a_file(shared: tuple[Studio, Clone, Clone]) -> None:
    """A pointer in the content's place is refused and says so; CRLF counts, byte for byte; case twins do not."""
    studio, ours, theirs = shared
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 42\n"
    theirs.commit(ANSWER, pointer)
    theirs.commit("runs/g-1/Approve.yaml", template(studio))
    theirs.commit(".gitattributes", "runs/g-2/*.yaml eol=crlf\n")
    theirs.commit("runs/g-2/approve.yaml", template(studio, "g-2"))
    theirs.push()
    ours.pull()
    assert "git LFS pointer" in refusal(studio)
    studio.wait("g-2", "needs_approval", stage="use")
    kept = (studio.run("g-2") / "decisions/01-draft.1.approve.yaml").read_bytes()
    assert kept.endswith(b"\r\n...\r\n")
    assert studio.state("g-1")["stage"] == "draft"
    assert "did you mean approve.yaml? not read" in studio.spork("status").stdout


@pytest.mark.fault(135)
def test_a_submodule_is_not_followed(shared: tuple[Studio, Clone, Clone], tmp_path: Path) -> None:
    """Repositories in the place of a request or of a run: a folder, refused or nothing."""
    studio, ours, _ = shared
    inner = Clone(tmp_path / "inner")
    inner.root.mkdir()
    inner.git("init", "-q", "-b", "main")
    inner.commit("approve.yaml", "...\n")
    inner.commit("x.yaml", "intent: hidden\nid: hidden\n...\n")
    allowed = ("-c", "protocol.file.allow=always")
    for place in ("inbox/module.yaml", "runs/module"):
        ours.git(*allowed, "submodule", "--quiet", "add", "-f", str(inner.root), place)
    note = studio.root / "inbox/rejected/module.yaml.error.txt"
    wait_for(note.exists, "the reason")
    assert "is a folder" in note.read_text()
    studio.submit("after", "gated")
    studio.wait("after", "needs_approval")
    assert not (studio.root / "jobs/hidden.yaml").exists()
    assert "there is no job module" in studio.spork("explain", "runs/module/approve.yaml").stdout


@pytest.mark.fault(126, 127, 128, 129, 130, 131, 136, 137, 138)
def test_we_run_no_git(studio: Studio, tmp_path: Path) -> None:
    """A day's work in a repository full of traps starts no git, and our code names no such command."""
    trap = tmp_path / "bin/git"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    ours, _ = share(studio.root, tmp_path / "git")
    ours.git("config", "core.fsmonitor", str(trap))
    (studio.root / ".git/index.lock").touch()
    studio.pipeline("gated", GATED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{trap.parent}:{os.environ['PATH']}")
        studio.start()
        studio.submit("g-1", "gated")
        studio.wait("g-1", "needs_approval")
        studio.spork("status")
        studio.spork("doctor", check=False)
        studio.spork("approve", "g-1", "--wait")
        studio.wait("g-1", "completed")
        studio.stop()
    assert not (tmp_path / "sprung").exists()
    assert (studio.root / ".git/index.lock").exists()
    assert list(_git_commands()) == []


def _git_commands() -> Iterator[str]:
    """Texts in our code that could be the name, or the beginning, of a git command."""
    for path in (path for part in ("daemon", "stages") for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            words = (
                node.value.split() if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
            )
            if words and Path(words[0]).name == "git" and len(words) < 4:
                yield f"{path}: {words}"
