"""Decisions in odd company and at odd moments: the daemon in this process, stages and clocks in a test's hands."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon import unhurried
from daemon.beneath import opened_beneath
from daemon.birth import birth_in
from daemon.identity import Identity
from tests.crashed import disagreements
from tests.studio import QUICK, Studio
from tests.support import wait_for
from tests.whole.mortal import Point
from tests.whole.unplugged import Unplugged

TIMED = QUICK + "gates: {draft: {required: true, timeout_minutes: 60, on_timeout: cancel}}\n"
APPROVING = QUICK + "gates: {draft: {required: true, timeout_minutes: 60, auto_approve: true}}\n"
LAST = "name: last\nstages:\n  - {name: draft, command: [never, run], gate: true, outputs: [note.txt]}\n"
Opener = Callable[..., tuple[Studio, Unplugged]]


@pytest.fixture
def at_gate(tmp_path: Path) -> Iterator[Opener]:
    """Makes a workspace whose job g waits at its one gate."""
    opened = []

    def make(
        root: Path = tmp_path / "studio", policy: str = TIMED, *, poll: bool = False
    ) -> tuple[Studio, Unplugged]:
        studio = Studio(root, policy)
        studio.pipeline("last", LAST)
        studio.submit("g", "last")
        daemon = Unplugged(root, poll=poll)
        opened.append(daemon)
        daemon.run()
        assert daemon.acting is not None
        (daemon.acting.order.out_dir / "note.txt").write_text("made\n")
        daemon.acting.succeed()
        daemon.run()
        assert studio.state("g")["status"] == "needs_approval"
        return studio, daemon

    yield make
    for daemon in opened:
        daemon.close()


@pytest.mark.parametrize(
    ("first", "status"),
    [("cancel.yaml", "canceled"), ("reject.yaml", "canceled"), ("approve.yaml", "completed")],
)
def test_what_lies_beside_the_last_decision_harms_nobody(
    at_gate: Opener, tmp_path: Path, first: str, status: str
) -> None:
    """A job that is over by one file is not moved by the next file, and the daemon lives."""
    studio, daemon = at_gate(tmp_path / "studio")
    for name in {first, "approve.yaml", "resume.yaml"}:
        studio.write("g", name, "then: stop\n...\n" if name == "reject.yaml" else "...\n")
    daemon.run()
    assert studio.state("g")["status"] == status
    assert (studio.run("g") / "resume.yaml").exists()
    daemon.stop()
    assert disagreements(studio.root) == []


@pytest.mark.fault(124)
@pytest.mark.parametrize(("text", "rests"), [("by: alice\n", 0.4), ("", 1.1)])
def test_the_timer_waits_for_an_answer_that_has_not_rested(
    at_gate: Opener, tmp_path: Path, text: str, rests: float
) -> None:
    """An answer by hand lies there when the gate's time is over: it counts as soon as it has settled."""
    studio, daemon = at_gate(tmp_path / "studio")
    (studio.run("g") / "approve.yaml").write_text(text)
    daemon.clock.pass_time(3700)
    daemon.run()
    assert studio.state("g")["status"] == "needs_approval"
    daemon.clock.pass_time(rests)
    daemon.run()
    assert studio.state("g")["status"] == "completed"


@pytest.mark.fault(124)
@pytest.mark.parametrize(
    ("what", "status"), [("pause", "paused"), ("cancel", "canceled"), ("fail", "failed")]
)
def test_a_gate_expires_while_the_daemon_is_down(at_gate: Opener, what: str, status: str) -> None:
    """What the policy says is done at the next start, once, and the files say so."""
    studio, daemon = at_gate(policy=TIMED.replace("cancel", what))
    daemon.dead()
    daemon.clock.pass_time(3700)
    for _ in range(2):
        assert studio.state("g")["status"] in ("needs_approval", status)
        daemon.run()
        assert (studio.state("g")["status"], studio.state("g")["reason"]) == (status, "expired")
        assert studio.types("g").count("gate_expired") == 1
        daemon.dead()
    review = studio.run("g") / "REVIEW.md"
    assert "This gate expired at" in review.read_text() if what == "pause" else not review.exists()


@pytest.mark.fault(124)
@pytest.mark.parametrize("text", ["by: alice\n...\n", "by: alice\n", ""])
def test_an_answer_given_while_the_daemon_was_down_wins_over_the_timer(at_gate: Opener, text: str) -> None:
    """Also one that has to rest before it counts."""
    studio, daemon = at_gate()
    daemon.stop()
    (studio.run("g") / "approve.yaml").write_text(text)
    daemon.clock.pass_time(3700)
    daemon.run()
    daemon.clock.pass_time(1.1)
    daemon.run()
    assert studio.state("g")["status"] == "completed"
    assert "gate_expired" not in studio.types("g")


@pytest.mark.fault(124)
def test_the_timer_looks_for_an_answer_that_nobody_heard_of(at_gate: Opener) -> None:
    """No bell rang and no scan was due: the answer lies there, so the gate does not expire."""
    studio, daemon = at_gate(policy=TIMED + "watch: {rescan_seconds: 60, poll_seconds: 60}\n", poll=True)
    daemon.clock.pass_time(3595)
    daemon.run()
    studio.write("g", "approve.yaml", "by: alice\n...\n")
    daemon.run()
    assert studio.state("g")["status"] == "needs_approval", "it was looked at before the gate's time was over"
    daemon.clock.pass_time(10)
    daemon.run()
    assert studio.state("g")["status"] == "completed"


def test_the_timer_approves_nothing_that_is_being_written(at_gate: Opener) -> None:
    """Half a file is approved at no time: it is closed first, rests, is recorded as an edit and shown."""
    studio, daemon = at_gate(policy=APPROVING)
    review = studio.run("g") / "REVIEW.md"
    with (studio.run("g") / "note.txt").open("a", buffering=1) as file:
        file.write("half\n")
        for seconds in (3600, 10, 10):
            daemon.clock.pass_time(seconds)
            daemon.run()
            assert "gate_approved" not in studio.types("g")
        file.write("rest\n")
    for _ in range(2):
        daemon.clock.pass_time(1.1)
        daemon.run()
        assert "gate_approved" not in studio.types("g")
    assert "rest" in review.read_text()
    daemon.clock.pass_time(1.1)
    daemon.run()
    assert studio.types("g")[-3:] == ["artifact_edited", "gate_approved", "job_completed"]


@pytest.mark.parametrize("down", [False, True])
def test_the_timer_approves_an_edit_once_it_was_shown(at_gate: Opener, *, down: bool) -> None:
    """What is edited in the last moment counts as at any other: it settles, is recorded, and then REVIEW.md has it."""
    studio, daemon = at_gate(policy=APPROVING)
    if down:
        daemon.stop()
    daemon.clock.pass_time(3600)
    (studio.run("g") / "note.txt").write_text("mended\n")
    daemon.run()
    assert "mended" not in (studio.run("g") / "REVIEW.md").read_text()
    daemon.clock.pass_time(1.1)
    daemon.run()
    assert studio.types("g")[-1] == "artifact_edited"
    assert "mended" in (studio.run("g") / "REVIEW.md").read_text()
    daemon.clock.pass_time(1.1)
    daemon.run()
    assert studio.types("g")[-2:] == ["gate_approved", "job_completed"]


def test_a_file_that_stays_away_holds_the_timer_no_longer_than_it_takes_to_settle(at_gate: Opener) -> None:
    """An editor may only be exchanging it; then there is nothing that time could approve, and the gate expires."""
    studio, daemon = at_gate(policy=APPROVING)
    daemon.clock.pass_time(3600)
    note = studio.run("g") / "note.txt"
    note.rename(note.with_suffix(".aside"))
    daemon.run()
    assert studio.state("g")["status"] == "needs_approval"
    daemon.clock.pass_time(1.1)
    daemon.run()
    assert (studio.state("g")["status"], studio.state("g")["reason"]) == ("paused", "expired")


@pytest.mark.fault(123)
def test_gated_files_are_read_again_whatever_their_stamps_say(at_gate: Opener) -> None:
    """A store into a mapped page that is dirty already changes bytes and no time stamp: the approval is stale."""
    studio, daemon = at_gate()
    assert daemon.opened is not None
    path, gates = studio.run("g") / "note.txt", daemon.opened.parts.gates
    gates.files._digests._digests._clock = daemon.clock.boot
    path.write_bytes(b"true" * 5000)  # of a smaller file no digest is remembered
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as page:
        page[0] = page[0]
        before = path.stat()
        for look in ("one", "another"):
            (studio.run("g") / look).touch()
            daemon.clock.pass_time(10)
            daemon.run()
        page[:4] = b"fake"
        after = path.stat()
        studio.answer("g", "approve")
        daemon.run()
    if (before.st_mtime_ns, before.st_ctime_ns) != (after.st_mtime_ns, after.st_ctime_ns):
        pytest.skip("the page was written to the disk meanwhile, and the store was seen")
    assert "stale" in (studio.run("g") / "approve.yaml.error.txt").read_text()
    assert studio.state("g")["status"] == "needs_approval"


@pytest.mark.fault(84)
def test_an_answer_that_could_not_be_removed_is_not_left_in_a_finished_run(
    at_gate: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken away under a name of ours: where that file stays, nobody looks there again once the job is over."""
    studio, daemon = at_gate()
    real, failed = os.unlink, list[str]()

    def sick(path: str, **at: Any) -> None:
        if not failed and str(path).startswith(".spork-"):
            failed.append(path)
            raise OSError(errno.EIO, "the disk fails", path)
        real(path, **at)

    monkeypatch.setattr(os, "unlink", sick)
    studio.answer("g", "approve")
    daemon.run()
    daemon.clock.pass_time(2.0)
    daemon.run()
    assert failed and studio.state("g")["status"] == "completed"
    assert not list(studio.run("g").glob(".spork-*"))


def test_nobody_waits_for_the_large_files_of_another_gate(
    at_gate: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read beside the loop: an answer about them waits for that, other answers and the stop do not."""
    studio, daemon = at_gate()
    studio.submit("h", "last")
    daemon.run()
    assert daemon.acting is not None
    (daemon.acting.order.out_dir / "note.txt").write_text("made\n")
    daemon.acting.succeed()
    daemon.run()
    monkeypatch.setattr(unhurried, "AT_ONCE_BYTES", 100)
    with unhurried._one_at_a_time:
        (studio.run("g") / "note.txt").write_text("large " * 100)
        studio.write("g", "approve.yaml", "by: alice\n...\n")
        studio.write("h", "approve.yaml", "by: alice\n...\n")
        daemon.run()
        assert studio.state("h")["status"] == "completed"
        assert studio.state("g")["status"] == "needs_approval"

    def decided() -> bool:
        daemon.clock.pass_time(0.2)
        daemon.run()
        return bool(studio.state("g")["status"] == "completed")

    wait_for(decided, "the answer to count once the file was read")
    digest = hashlib.sha256(b"large " * 100).hexdigest()
    assert [a["sha256"] for s in studio.state("g")["stages"] for a in s["artifacts"]] == [digest]


def test_a_note_about_a_misnamed_answer_goes_with_it(at_gate: Opener) -> None:
    """REVIEW.md names what looks like an answer and is none, for as long as it lies there, soon without a bell."""
    studio, daemon = at_gate()
    review = studio.run("g") / "REVIEW.md"
    studio.write("g", "approve.yml", "...\n")
    daemon.clock.pass_time(1)
    daemon.run()
    assert "`approve.yml` is not read" in review.read_text()
    (studio.run("g") / "approve.yml").unlink()
    daemon.clock.pass_time(2.1)
    daemon.run()
    assert "approve.yml" not in review.read_text()


def test_an_empty_answer_of_before_the_boot_is_refused_once(at_gate: Opener) -> None:
    """By when it was made: chmod moves every other stamp, and the boots after that find it refused already."""
    studio, daemon = at_gate()
    assert daemon.opened is not None
    parts, path = daemon.opened.parts, studio.run("g") / "approve.yaml"
    path.touch()
    for mode in (0o600, 0o640):
        path.chmod(mode)
        job = parts.recorder.store.job("g")
        assert job is not None
        parts.decision_files.distrust_empty(job, daemon.clock.wall())
    daemon.run()
    (refusal,) = [e for e in parts.recorder.store.events("g") if e.type == "decision_refused"]
    with opened_beneath(studio.run("g")) as run:
        assert refusal.payload["identity"] == Identity.of(path.stat(), birth_in(run, "approve.yaml")).key
    assert studio.state("g")["status"] == "needs_approval"


@pytest.mark.parametrize("number", [1, 2])
def test_a_refused_request_never_lies_there_without_its_reason(tmp_path: Path, number: int) -> None:
    """Killed while it refuses: whatever is in rejected/ has its reason beside it."""
    studio = Studio(tmp_path / "studio", QUICK)
    studio.drop("worse.yaml", "nonsense: 2\n...\n")
    daemon = Unplugged(studio.root)
    try:
        daemon.fate.points.append(Point("rename", number, "after"))
        daemon.run()
        assert daemon.fate.kills == 1
        rejected = studio.root / "inbox/rejected"
        assert not (studio.root / "inbox/worse.yaml").exists()
        kept = [path for path in rejected.iterdir() if not path.name.endswith(".error.txt")]
        assert kept
        assert all(path.with_name(f"{path.name}.error.txt").exists() for path in kept)
    finally:
        daemon.close()


@pytest.fixture
def coarse(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that counts time in whole seconds: ext4 with small inodes, as FAT and some NFS do."""
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    image, folder = tmp_path / "image", tmp_path / "coarse"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-I", "128", image], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a file: no loop devices here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.fault(123)
def test_other_bytes_at_the_same_moment_are_another_decision(at_gate: Opener, coarse: Path) -> None:
    """A refused answer that is mended in place within the same second, to the same size: its bytes tell it apart."""
    studio, daemon = at_gate(coarse / "studio")
    path = studio.run("g") / "approve.yaml"
    wait_for(lambda: time.time() % 1 < 0.2, "a second to begin")
    path.write_text("attempt: 2\n...\n")
    daemon.run()
    before = path.stat()
    assert studio.state("g")["status"] == "needs_approval"
    path.write_text("attempt: 1\n...\n")
    after = path.stat()
    daemon.run()
    if before.st_ctime_ns != after.st_ctime_ns:
        pytest.skip("too slow a machine: the two writes did not fall into one second")
    assert before.st_mtime_ns == after.st_mtime_ns
    assert studio.state("g")["status"] == "completed"
