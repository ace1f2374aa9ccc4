"""Files that cannot be removed or read, and folders that cannot be written: on a live daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bells import held
from tests.odd import NOBODY, REQUEST
from tests.studio import GATED, Studio
from tests.support import wait_for


@pytest.mark.fault(55)
def test_a_request_that_stays_and_changes_its_mode_and_name(studio: Studio) -> None:
    """A taken file without id that could not be removed stays the same file, whatever becomes of its mode, owner and
    names, across a restart too; the next file in its place is another, though it be equal to the byte and the time."""
    stuck = studio.drop("stuck.yaml", REQUEST)
    if subprocess.run(["chattr", "+i", stuck], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, cannot make a file immutable")

    def jobs() -> list[str]:
        return [p.stem for p in (studio.root / "jobs").glob("*.yaml") if not p.stem.startswith("next")]

    def another_look(name: str) -> None:
        studio.submit(name)
        studio.wait(name, "needs_approval")

    try:
        studio.start()
        wait_for(lambda: len(jobs()) == 1, "it to be taken")
        moved = studio.root / "inbox/moved.yaml"
        with held(studio.process):
            subprocess.run(["chattr", "-i", stuck], check=True)
            stuck.chmod(0o600)
            os.chown(stuck, NOBODY, NOBODY)
            stuck = stuck.rename(moved)
            subprocess.run(["chattr", "+i", stuck], check=True)
        another_look("next-1")
        studio.kill()
        studio.start()
        another_look("next-2")
        assert len(jobs()) == 1
        with held(studio.process):
            shutil.copy2(stuck, studio.root / "copy")
            subprocess.run(["chattr", "-i", stuck], check=True)
            (studio.root / "copy").rename(stuck)
    finally:
        subprocess.run(["chattr", "-i", stuck], check=False)
    wait_for(lambda: len(jobs()) == 2, "the equal request to be taken")


@pytest.mark.fault(55)
def test_an_answer_that_stays_answers_one_gate(studio: Studio) -> None:
    """An approval without a binding that cannot be removed counts once, chmod or not; renamed it says something new."""
    studio.pipeline(
        "two",
        "name: two\nstages:\n"
        "  - {name: one, gate: true, command: [sh, -c, 'echo > one.txt']}\n"
        "  - {name: two, gate: true, command: [sh, -c, 'echo > two.txt']}\n",
    )
    studio.start()
    studio.submit("t-1", "two")
    studio.wait("t-1", "needs_approval", stage="one")
    studio.write("t-1", ".beside", "by: alice\n...\n")
    answer = studio.run("t-1") / "approve.yaml"
    with held(studio.process):
        (studio.run("t-1") / ".beside").rename(answer)
        if subprocess.run(["chattr", "+i", answer], capture_output=True, check=False).returncode:
            pytest.skip("this file system, or this user, cannot make a file immutable")
    try:
        studio.wait("t-1", "needs_approval", stage="two")
        with held(studio.process):
            subprocess.run(["chattr", "-i", answer], check=True)
            answer.chmod(0o600)
            subprocess.run(["chattr", "+i", answer], check=True)
        for name in ("x-1", "x-2"):
            studio.submit(name, "two")
            studio.wait(name, "needs_approval")
        assert studio.state("t-1")["status"] == "needs_approval"
    finally:
        subprocess.run(["chattr", "-i", answer], check=True)
    wait_for(lambda: not answer.exists(), "the answer to be taken away")
    assert studio.types("t-1").count("gate_approved") == 1


@pytest.mark.fault(13)
def test_a_refused_answer_renamed_to_another(gated: Studio) -> None:
    """The name is the decision: what was refused as an approval is looked at anew as a rejection."""
    run = gated.run("g-1")
    gated.write("g-1", "approve.yaml", "digest: sha256:" + "0" * 64 + "\nby: alice\n...\n")
    wait_for((run / "approve.yaml.error.txt").exists, "the refusal")
    (run / "approve.yaml").write_text("by: alice\nthen: stop\n...\n")
    wait_for(lambda: "then" in (run / "approve.yaml.error.txt").read_text(), "the second refusal")
    (run / "approve.yaml").rename(run / "reject.yaml")
    gated.wait("g-1", "canceled", "rejected")


@pytest.fixture
def nobodys(studio: Studio) -> Iterator[tuple[Studio, list[str]]]:
    """A workspace of a user who is not root, and what to put before a command so that he gives it."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to act as another user")
    base = Path(tempfile.mkdtemp(prefix="spork-nobody-"))
    base.chmod(0o755)
    made = Studio(base / "studio")
    made.pipeline("gated", GATED)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", made.root], check=True)
    yield made, ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    made.close()
    shutil.rmtree(base)


@pytest.mark.two_users
@pytest.mark.fault(54)
def test_unreadable(studio: Studio) -> None:
    """A request and an answer that the daemon may not read wait, naming owner and mode; made readable they count."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to give root's powers up")
    studio.pipeline("gated", GATED)
    # Root, but without the power to read what is another's.
    studio.start(before=["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])

    def locked(path: Path, text: str) -> Path:
        beside = studio.root / "beside"
        beside.write_text(text)
        os.chown(beside, NOBODY, NOBODY)
        beside.chmod(0o600)
        return beside.rename(path)

    request = locked(studio.root / "inbox/locked.yaml", "intent: x\nid: locked\npipeline: gated\n...\n")
    studio.submit("open", "gated")
    studio.wait("open", "needs_approval")
    answer = locked(studio.run("open") / "approve.yaml", "by: them\n...\n")
    studio.submit("other", "gated")
    studio.wait("other", "needs_approval")
    assert studio.state("open")["status"] == "needs_approval" and not studio.run("locked").exists()
    answer.chmod(0o644)
    request.chmod(0o644)
    studio.wait("open", "completed")
    studio.wait("locked", "needs_approval")


@pytest.mark.two_users
@pytest.mark.fault(56)
@pytest.mark.parametrize("name", ["runs", "inbox/rejected"])
def test_a_folder_that_may_not_be_written(nobodys: tuple[Studio, list[str]], name: str) -> None:
    """Another's folder: the daemon does not start, and names the path."""
    studio, as_nobody = nobodys
    place = studio.root / name
    os.chown(place, 0, 0)
    place.chmod(0o755)
    process = studio.spawn(before=as_nobody)
    assert process.wait(timeout=60) == 73
    assert f"{place}: not writable for user {NOBODY} (mode 0755)" in studio.log.read_text()
