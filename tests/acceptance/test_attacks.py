"""Attacks on a live workspace: what a member of the group, or a stage, can put where the daemon does not expect it.

Whatever it is, nothing outside the workspace is read, written or removed, other work goes on, and the
daemon starts again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.studio import GATED, Studio
from tests.support import wait_for


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is nobody's business here."""
    folder = tmp_path / "outside"
    (folder / "01-draft.1").mkdir(parents=True)
    (folder / "01-draft.1/kept.txt").write_text("kept")
    return folder


def swap(place: Path, kind: str, outside: Path) -> None:
    """Put something else in the place, though the daemon may write anew there what was taken away."""
    for _ in range(100):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        with suppress(FileExistsError, NotADirectoryError):
            return put(place, kind, outside)
    raise AssertionError(f"{place} comes back again and again")


def put(place: Path, kind: str, outside: Path) -> None:
    if kind == "link":
        place.symlink_to(outside)
    elif kind == "hard link":
        place.hardlink_to(outside / "01-draft.1/kept.txt")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        (place / "inside").mkdir(parents=True)
    else:
        place.write_text("not what it was")


def untouched(outside: Path) -> bool:
    names = [p.name for p in sorted(outside.rglob("*"))]
    return names == ["01-draft.1", "kept.txt"] and (outside / "01-draft.1/kept.txt").read_text() == "kept"


def start_again(studio: Studio) -> None:
    studio.kill()
    studio.start()
    studio.submit("other", "gated")
    studio.wait("other", "needs_approval")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".work", "link"),
        (".work", "file"),
        ("logs", "link"),
        ("logs", "fifo"),
        ("decisions", "link"),
        ("history", "link"),
        ("state.json", "folder"),
        ("events.jsonl", "link"),
        ("events.jsonl", "hard link"),
        ("events.jsonl", "fifo"),
        ("events.jsonl", "folder"),
        ("REVIEW.md", "folder"),
        (".spork-1-x", "folder"),
    ],
)
def test_a_place_of_ours_taken_by_something_else(gated: Studio, outside: Path, name: str, kind: str) -> None:
    """It is set aside or left; the job goes on, all its copies are whole, and the daemon starts again."""
    swap(gated.run("g-1") / name, kind, outside)
    if name != "state.json":
        gated.answer("g-1", "approve", by="alice")
    else:
        gated.write("g-1", "approve.yaml", "by: alice\n...\n")
    wait_for((gated.run("g-1") / "used.txt").exists, "the next stage's file")
    # Copies are written a little after what they tell of.
    wait_for((gated.run("g-1") / "state.json").is_file, "state.json in its place")
    gated.wait("g-1", "completed")
    seqs = [event["seq"] for event in gated.events("g-1")]
    assert gated.types("g-1")[0] == "job_queued" and seqs == sorted(set(seqs))
    assert untouched(outside)
    start_again(gated)
    assert untouched(outside)


def test_a_fifo_where_the_log_will_be(gated: Studio) -> None:
    """Opening it for writing would wait for a reader for ever."""
    (gated.run("g-1") / "logs").mkdir(exist_ok=True)
    os.mkfifo(gated.run("g-1") / "logs/02-use.1.log")
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")


@pytest.mark.parametrize("kind", ["link", "file", "gone"])
@pytest.mark.fault(46)
def test_a_run_directory_taken_away(gated: Studio, outside: Path, kind: str) -> None:
    """It is made anew, the review says what is missing, nothing behind a link is touched."""
    run = gated.run("g-1")
    assert gated.process is not None
    # Held still, or the directory is made anew between the two steps of its replacement.
    gated.process.send_signal(signal.SIGSTOP)
    run.rename(outside.parent / "taken")
    if kind != "gone":
        swap(run, kind, outside)
    gated.process.send_signal(signal.SIGCONT)
    wait_for(
        lambda: run.is_dir() and not run.is_symlink() and (run / "state.json").exists(), "a run directory"
    )
    wait_for(lambda: "Missing" in (run / "REVIEW.md").read_text(), "the review to say what is missing")
    assert gated.types("g-1")[0] == "job_queued"
    start_again(gated)
    assert untouched(outside)
    gated.write("g-1", "reject.yaml", "then: retry\n...\n")
    gated.wait("g-1", "needs_approval", attempt=2)
    assert (run / "a.txt").read_text() == "one"


@pytest.mark.parametrize("kind", ["folder", "link", "file"])
@pytest.mark.fault(46)
def test_a_run_directory_that_was_there_before_its_job(studio: Studio, outside: Path, kind: str) -> None:
    """The id is new, so nothing there is a run of ours, nor an answer."""
    swap(studio.run("g-1"), kind, outside)
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    wait_for((studio.run("g-1") / "pipeline.yaml").is_file, "a run directory of ours")
    studio.wait("g-1", "needs_approval")
    assert (studio.run("g-1") / "pipeline.yaml").exists() and not (studio.run("g-1") / "inside").exists()
    assert untouched(outside)


@pytest.mark.fault(46)
def test_a_link_where_an_artifacts_folder_goes(studio: Studio, outside: Path) -> None:
    """Publication never passes it; the files are in the run directory when the gate opens."""
    studio.pipeline("gated", GATED.replace("'printf one", f'\'ln -s {outside} "$SPORK_RUN/sub"; printf one'))
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    assert (studio.run("g-1") / "sub/b.txt").read_text() == "two"
    assert not (studio.run("g-1") / "sub").is_symlink() and untouched(outside)
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")


def test_a_stage_that_removes_its_run_directory(studio: Studio) -> None:
    """Its job fails; other work goes on."""
    studio.pipeline("gated", GATED)
    studio.pipeline(
        "wild", "name: wild\nstages:\n  - {name: rm, command: [sh, -c, 'rm -rf \"$SPORK_RUN\"']}\n"
    )
    studio.start()
    studio.submit("w-1", "wild")
    studio.wait("w-1", "failed", "stage_failed")
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")


def test_a_stage_that_stops_its_keeper(studio: Studio) -> None:
    """A keeper that cannot obey is ended itself; the lane is free after that."""
    studio.pipeline("gated", GATED)
    studio.pipeline(
        "still", "name: still\nstages:\n  - {name: s, command: [sh, -c, 'kill -STOP $PPID; sleep 99']}\n"
    )
    studio.start()
    studio.submit("s-1", "still")
    studio.wait("s-1", "running")
    studio.write("s-1", "cancel.yaml", "by: alice\n...\n")
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    assert "stage_canceled" in studio.types("s-1")


def test_what_a_stage_says_of_its_files_is_its_own(studio: Studio) -> None:
    """Any JSON may stand in meta, also where we look for notes."""
    said = json.dumps({"a.txt": {"meta": {"notes": 3, "note": ["x"], "placeholder": "no", "table": [3, []]}}})
    command = ["sh", "-c", f"echo > a.txt; echo '{said}' > .meta.json".replace("{", "{{").replace("}", "}}")]
    studio.pipeline(
        "odd",
        f"name: odd\nstages:\n  - {{name: s, command: {json.dumps(command)}, gate: true, outputs: [a.txt]}}\n",
    )
    studio.start()
    studio.submit("o-1", "odd")
    studio.wait("o-1", "needs_approval")
    assert "a.txt" in (studio.run("o-1") / "REVIEW.md").read_text()


@pytest.mark.fault(46)
def test_a_request_whose_own_folder_is_a_link(studio: Studio, outside: Path) -> None:
    """inbox/STEM/ leads nowhere else: what it leads to is never read."""
    studio.pipeline(
        "quoting",
        "name: quoting\nparams: {docs: {type: files}}\nstages:\n  - {name: q, command: ['true']}\n",
    )
    (studio.root / "inbox/quote").symlink_to(outside / "01-draft.1")
    studio.start()
    studio.drop("quote.yaml", "intent: x\nid: q-1\npipeline: quoting\nparams: {docs: [kept.txt]}\n")
    note = studio.root / "inbox/rejected/quote.yaml.error.txt"
    wait_for(note.exists, "the refusal")
    assert "link" in note.read_text() and not studio.run("q-1").exists() and untouched(outside)


def test_a_request_called_rejected(studio: Studio) -> None:
    """Its own folder would be inbox/rejected/, and that stays."""
    studio.start()
    studio.drop("rejected.yaml", "intent: x\nid: r-1\npipeline: note\n")
    studio.wait("r-1", "needs_approval")
    studio.drop("wrong.yaml", "intent: [\n")
    wait_for((studio.root / "inbox/rejected/wrong.yaml.error.txt").exists, "the refusal")


@pytest.mark.parametrize("name", ["operator.yaml", "pipelines/gated.yaml"])
def test_a_fifo_among_the_settings(studio: Studio, name: str) -> None:
    """Refused with its name, never waited on; other work goes on."""
    studio.pipeline("gated", GATED)
    studio.start()
    place = studio.root / "conf" / name
    place.unlink()
    os.mkfifo(place)
    if name == "operator.yaml":
        assert studio.process is not None
        studio.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "not a regular file" in studio.log.read_text().lower(), "the refusal")
    else:
        studio.submit("g-1", "gated")
        note = studio.root / "inbox/rejected/g-1.yaml.error.txt"
        wait_for(note.exists, "the refusal")
        assert "conf/pipelines/gated.yaml: cannot be read: not a regular file" in note.read_text()
    studio.submit("n-1", "note")
    studio.wait("n-1", "needs_approval")


def test_many_wrong_requests_do_not_hold_up_a_right_one(studio: Studio) -> None:
    """A turn refuses as many as it takes; then what can start is started."""
    for number in range(250):
        studio.drop(f"wrong-{number:03d}.yaml", "intent: [\n")
    studio.submit("right")
    studio.start()
    assert len(list((studio.root / "inbox/rejected").glob("*.error.txt"))) < 250
    studio.wait("right", "needs_approval")


@pytest.mark.parametrize("text", ["intent: x\nid: s-1\npipeline: note\n...\n", "intent: [\n"])
@pytest.mark.fault(55)
def test_a_request_that_cannot_be_removed(studio: Studio, text: str) -> None:
    """Taken or refused once; what is dropped beside it is taken too."""
    stuck = studio.drop("stuck.yaml", text)
    if subprocess.run(["chattr", "+i", stuck], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, cannot make a file immutable")
    try:
        studio.start()
        settled = "jobs/s-1.yaml" if "id: s-1" in text else "inbox/rejected/stuck.yaml.error.txt"
        wait_for((studio.root / settled).exists, settled)
        # Each of these has the inbox looked at once more, and stands before or after it there.
        for name in ("before", "then", "there"):
            studio.submit(name)
            studio.wait(name, "needs_approval")
        kept = list((studio.root / "inbox/rejected").glob("stuck*"))
        jobs = list((studio.root / "jobs").glob("*.yaml"))
        assert (len(jobs), len(kept)) == ((4, 0) if "id: s-1" in text else (3, 2))
    finally:
        subprocess.run(["chattr", "-i", stuck], check=True)
    wait_for(lambda: not stuck.exists(), "it to be taken away")


@pytest.mark.parametrize("name", ["sources", "sources/in.txt", "made.txt", "folder/made.txt", "folder"])
@pytest.mark.fault(46)
def test_a_link_where_a_stage_will_read(studio: Studio, outside: Path, name: str) -> None:
    """The stage does not start: what it is told to read is never outside the run directory."""
    studio.pipeline(
        "reads",
        "name: reads\nparams: {docs: {type: files}}\nstages:\n"
        "  - {name: make, command: [sh, -c, 'mkdir folder; echo > folder/made.txt; echo > made.txt']}\n"
        "  - {name: hold, needs: [], gate: true, command: [sh, -c, 'echo > held.txt']}\n"
        "  - {name: read, needs: [make], command: [sh, -c, 'cat $SPORK_RUN/*.txt $SPORK_SOURCES/* > r.txt']}\n",
    )
    (studio.root / "sources/in.txt").write_text("in")
    studio.start()
    studio.submit("r-1", "reads", params={"docs": ["in.txt"]})
    studio.wait("r-1", "needs_approval")
    swap(studio.run("r-1") / name, "link", outside)
    studio.answer("r-1", "approve")
    error = studio.wait("r-1", "failed", "stage_failed", stage="read")["error"]
    assert name in error["message"] and "regular file" in error["message"]


@pytest.fixture
def buried(gated: Studio) -> Iterator[Studio]:
    """Removed by rm, which pytest's own clearing up is not: that calls itself for each folder."""
    yield gated
    gated.close()
    subprocess.run(["rm", "-rf", gated.root], check=True)


def bury(folder: Path, levels: int) -> None:
    """Make folders in the folder, one in the other."""
    at = os.open(folder, os.O_PATH)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


@pytest.mark.parametrize("levels", [1200, 2500])
@pytest.mark.parametrize("name", ["sources", "history/01-draft.1/made"])
def test_folders_in_folders(buried: Studio, name: str, levels: int) -> None:
    """A thousand are only passed over; where the path is too long to look there, no stage is started beside them."""
    bury(buried.run("g-1") / name, levels)
    buried.answer("g-1", "approve")
    if (name, levels) == ("sources", 2500):
        assert "too deep" in buried.wait("g-1", "failed", "stage_failed")["error"]["message"]
    else:
        buried.wait("g-1", "completed")
    buried.submit("g-2", "gated")
    buried.wait("g-2", "needs_approval")
    bury(buried.run("g-2") / name, levels)
    buried.kill()
    # What the ledger lacks is caught up with, and all that lies beside it looked at.
    (buried.root / "jobs/state.jsonl").write_text("")
    buried.start()
    buried.spork("backup", str(buried.root / "backup.tar"))
    buried.submit("other", "gated")
    buried.wait("other", "needs_approval")
