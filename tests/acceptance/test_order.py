"""The order of fsync, rename and commit, on recorded calls of the real daemon: what needs no power cut to be seen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.carrier import AT_ONCE_BYTES
from tests.studio import QUICK, Studio
from tests.support import wait_for
from tests.traced import Trace, calls, in_order, strace

PIPELINE = """\
name: gated
params: {sources: {type: files, max: 2}}
stages:
  - {name: draft, gate: true, outputs: [a.txt], command: [sh, -euc, 'echo 1 > a.txt; mkdir sub; echo 2 > sub/b.txt']}
  - {name: use, outputs: [used.txt], command: [sh, -euc, 'cat "$SPORK_RUN/a.txt" > used.txt']}
  - {name: last, outputs: [last.txt], command: [sh, -euc, 'cat "$SPORK_RUN/used.txt" > last.txt']}
"""
REQUEST = "intent: x\nid: g-1\npipeline: gated\nparams: {sources: [deep/er/one.txt]}\n...\n"

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    """A day's work under strace: submitted, edited at the gate, rejected, made again, approved, completed."""
    base = tmp_path_factory.mktemp("order")
    studio, output = Studio(base / "studio"), base / "trace"
    studio.pipeline("gated", PIPELINE)
    studio.start(before=strace(output))
    (studio.root / "inbox/g-1/deep/er").mkdir(parents=True)
    (studio.root / "inbox/g-1/deep/er/one.txt").write_text("1\n")
    studio.drop("g-1.yaml", REQUEST)
    studio.wait("g-1", "needs_approval")
    studio.answer("g-1", "reject", then="retry")
    wait_for(lambda: studio.state("g-1").get("attempt") == 2, "the second attempt")
    studio.wait("g-1", "needs_approval", attempt=2)
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")
    studio.drop("wrong.yaml", "intnt: x\n...\n")
    wait_for(lambda: not (studio.root / "inbox/wrong.yaml").exists(), "the wrong request to go")
    assert studio.stop() == 0
    yield _whole(output)
    studio.close()


def _whole(output: Path) -> Trace:
    """The trace, once strace, which is detached, has seen the last process end."""

    def ended() -> bool:
        return subprocess.run(["pgrep", "-f", str(output)], capture_output=True, check=False).returncode != 0

    wait_for(ended, "strace to end")
    return Trace(calls(output))


@pytest.mark.fault(83)
def test_a_claim(trace: Trace) -> None:
    """Sources and every folder down to them are synced before the commit; only then the request may go."""
    source = trace.published(r"/\.incoming/g-1/sources/deep/er/one\.txt$")
    below = trace.first(
        "fsync", r"/\.incoming/g-1/sources$", after=trace.first("mkdir.*", r"sources/deep$").number
    )
    between = trace.first("fsync", r"sources/deep$", after=trace.first("mkdir.*", r"sources/deep/er$").number)
    own = trace.first("fsync", r"/\.incoming/g-1$")
    above = trace.first("fsync", r"/\.incoming$", after=trace.first("mkdir.*", r"/\.incoming/g-1$").number)
    # The database's own schema, written when it was made, names that event too.
    commit = trace.committed("job_queued", after=source.number)
    run = trace.first("rename.*", r"/runs/g-1$")
    gone = trace.first("unlink.*", r"/inbox/g-1\.yaml$")
    for step in (source, below, between, own, above):
        in_order(step, commit, run, gone)
    in_order(commit, trace.first("rename.*", r"/jobs/g-1\.yaml$"), gone)
    in_order(commit, trace.first("unlink.*", r"/inbox/g-1/deep/er/one\.txt$"), gone)


@pytest.mark.fault(83)
def test_a_claim_of_large_sources(tmp_path: Path) -> None:
    """Copied beside the loop under another name, they are durable under their own before the commit."""
    studio, output = Studio(tmp_path / "studio"), tmp_path / "trace"
    studio.pipeline("gated", PIPELINE)
    (studio.root / "inbox/g-1/deep/er").mkdir(parents=True)
    (studio.root / "inbox/g-1/deep/er/one.txt").write_bytes(b"1" * (AT_ONCE_BYTES + 1))
    studio.drop("g-1.yaml", REQUEST)
    studio.start(before=strace(output))
    studio.wait("g-1", "needs_approval")
    assert studio.stop() == 0
    trace = _whole(output)
    source = trace.published(r"\.copying/sources/deep/er/one\.txt$")
    own = trace.first("fsync", r"\.copying$", after=source.number)
    named = trace.first("rename.*", r"/\.incoming/g-1$")
    durable = trace.first("fsync", r"/\.incoming$", after=named.number)
    commit = trace.committed("job_queued", after=source.number)
    in_order(source, own, named, durable, commit, trace.first("unlink.*", r"/inbox/g-1/deep/er/one\.txt$"))


@pytest.mark.fault(83)
def test_a_start(trace: Trace) -> None:
    """The attempt's folder is durable and its start committed before any of it runs; the lane is taken first."""
    lane = trace.first("flock", r"lane\.lock$")
    commit = trace.committed("stage_started")
    folder = trace.first("mkdir.*", r"/\.work/01-draft\.1$")
    durable = trace.first("fsync", r"/\.work$", after=folder.number)
    in_order(lane, commit, trace.first("openat", r"/\.work/01-draft\.1/a\.txt$"))
    in_order(durable, trace.committed("stage_completed"))


@pytest.mark.fault(83)
def test_a_run_without_sources(waiting_trace: Trace) -> None:
    """Its directory was made again from the database as long as it was empty: now its own name is durable too."""
    commit = waiting_trace.committed("stage_completed")
    for folder in (r"/runs/g-1/\.work$", r"/runs/g-1$", r"/runs$"):
        in_order(waiting_trace.first("fsync", folder), commit)


@pytest.mark.fault(83, 84)
@pytest.mark.parametrize(
    ("work", "event"), [("01-draft.1", "stage_completed"), ("03-last.1", "job_completed")]
)
def test_a_completion(trace: Trace, work: str, event: str) -> None:
    """Each file and each folder of an attempt is synced before it counts as completed, and moved after that."""
    folder = work.replace(".", r"\.")
    commit = trace.committed(event)
    names = ["/a.txt", "/sub/b.txt", "/sub", ""] if "draft" in work else ["/last.txt", ""]
    for name in names:
        in_order(trace.first("fsync", rf"/\.work/{folder}{name}$"), commit)
    moved = trace.first("rename.*", r"/runs/g-1/(a|last)\.txt$", after=commit.number)
    in_order(commit, moved)
    first = min(
        c.number for c in trace.calls if c.name.startswith("rename") and f"/.work/{work}/" in c.source
    )
    assert first > commit.number, "a file was moved out of its attempt before the completion was durable"


@pytest.mark.fault(83, 84)
def test_a_stage_that_follows_at_once(trace: Trace) -> None:
    """Started in the commit that completes the one before it, whose files are in their places before it runs."""
    commit = trace.committed("use attempt 1 completed")
    assert commit == trace.committed("last attempt 1 started")
    for name in ("/used.txt", ""):
        in_order(trace.first("fsync", rf"/\.work/02-use\.1{name}$"), commit)
    moved = trace.first("rename.*", r"/runs/g-1/used\.txt$")
    in_order(commit, moved, trace.first("openat", r"/\.work/03-last\.1/last\.txt$"))


@pytest.mark.fault(83)
def test_moves_are_durable_before_they_are_forgotten(trace: Trace) -> None:
    """The folders that were moved into are synced before any commit could say that nothing is owed."""
    moved = trace.first("rename.*", r"/runs/g-1/sub/b\.txt$")
    written = trace.first("pwrite64", r"spork\.db-wal$", after=moved.number)
    for folder in (r"/runs/g-1/sub$", r"/runs/g-1$"):
        in_order(trace.first("fsync", folder, after=moved.number), written)


@pytest.mark.fault(83)
@pytest.mark.parametrize(
    ("work", "name"),
    [
        ("01-draft.1", "sub/b.txt"),
        ("02-use.1", "used.txt"),
        ("03-last.1", "last.txt"),
    ],
)
def test_an_attempts_folder_goes_after_its_files_have_their_places_for_good(
    trace: Trace, work: str, name: str
) -> None:
    """Else a power cut could take the move back and not the removal, and the file would be in neither place."""
    inside = re.escape(f"/.work/{work}")
    moved = next(
        c for c in trace.calls if c.name.startswith("rename") and c.source.endswith(f"/{work}/{name}")
    )
    durable = trace.first("fsync", f"^{re.escape(os.path.dirname(moved.path))}$", after=moved.number)
    in_order(moved, durable, trace.first("unlink.*", f"{inside}(/sub)?$"))


@pytest.mark.fault(83)
def test_a_gate(trace: Trace) -> None:
    """Opened in the same commit as its stage's completion; review, answers, then state.json, then the ledger."""
    commit = trace.committed("gate_pause")
    assert commit == trace.committed("stage_completed")
    files = [
        trace.first("rename.*", rf"/runs/g-1/{name}$", after=commit.number)
        for name in (r"REVIEW\.md", r"gate\.json", r"approve\.template\.yaml", r"reject\.template\.yaml")
    ]
    artifact = trace.first("rename.*", r"/runs/g-1/a\.txt$")
    events = trace.first("write", r"/runs/g-1/events\.jsonl$", after=commit.number, holding=b"gate_pause")
    state = trace.first("rename.*", r"/runs/g-1/state\.json$", after=events.number)
    ledger = trace.first("write", r"/jobs/state\.jsonl$", after=commit.number, holding=b"gate_pause")
    for file in files:
        in_order(commit, artifact, file, state, ledger)


@pytest.mark.fault(83)
@pytest.mark.parametrize(
    ("event", "name", "kept"),
    [
        ("gate_rejected", "reject", r"/decisions/01-draft\.1\.reject\.yaml$"),
        ("gate_approved", "approve", r"/decisions/01-draft\.2\.approve\.yaml$"),
    ],
)
def test_a_decision(trace: Trace, event: str, name: str, kept: str) -> None:
    """Committed, then kept durably, and only then taken away."""
    commit = trace.committed(event)
    copy = trace.published(kept)
    gone = trace.first("unlink.*", rf"/runs/g-1/{name}\.yaml$")
    in_order(commit, copy, gone)


@pytest.mark.fault(83)
def test_a_refusal(trace: Trace) -> None:
    """A refused request is kept durably, with its reason, before it is taken out of the inbox."""
    copy = trace.published(r"/rejected/wrong\.yaml$")
    reason = trace.published(r"/rejected/wrong\.yaml\.error\.txt$")
    gone = trace.first("unlink.*", r"/inbox/wrong\.yaml$")
    in_order(copy, gone)
    in_order(reason, gone)


def test_copies_wait_for_no_disk(trace: Trace) -> None:
    """What can be made again from the database is never synced."""
    synced = [c.path for c in trace.calls if c.name in ("fsync", "fdatasync")]
    copies = (
        "state.json",
        "events.jsonl",
        "state.jsonl",
        "REVIEW.md",
        "gate.json",
        ".template.yaml",
        "daemon.log",
    )
    assert [path for path in synced if path.endswith(copies)] == []


@pytest.fixture
def waiting_trace(studio: Studio, tmp_path: Path) -> Trace:
    """How a job without sources came to its gate."""
    studio.pipeline("gated", PIPELINE)
    studio.start(before=strace(tmp_path / "trace"))
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.stop()
    return _whole(tmp_path / "trace")


@pytest.mark.fault(83)
def test_a_roll_over(studio: Studio, tmp_path: Path) -> None:
    """A closed ledger is whole on the disk before it has the name that says where it ends, and that is durable."""
    policy = QUICK + "retention: {ledger_mib: 0.001}\nwatch: {rescan_seconds: 1}\n"
    (studio.root / "conf/operator.yaml").write_text(policy)
    studio.pipeline("gated", PIPELINE)
    studio.start(before=strace(tmp_path / "trace"))
    studio.submit("g-1", "gated")
    wait_for(lambda: list((studio.root / "jobs").glob("state-*.jsonl")), "the ledger to be closed")
    studio.stop()
    trace = _whole(tmp_path / "trace")
    closed = trace.first("rename.*", r"/jobs/state-\d+\.jsonl$")
    in_order(trace.first("fsync", r"/jobs/state\.jsonl$"), closed)
    in_order(closed, trace.first("fsync", r"/jobs$", after=closed.number))


@pytest.fixture
def waiting(studio: Studio) -> Studio:
    """A job at its gate and no daemon: the doors write their files themselves."""
    studio.pipeline("gated", PIPELINE)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.stop()
    return studio


def _commanded(studio: Studio, output: Path, *arguments: str) -> Trace:
    subprocess.run(
        [*strace(output), *studio.command(*arguments)], check=True, timeout=120, capture_output=True
    )
    return _whole(output)


@pytest.mark.fault(83)
@pytest.mark.parametrize("verb", ["approve", "reject", "cancel"])
def test_an_answer_by_command(waiting: Studio, tmp_path: Path, verb: str) -> None:
    """0 is returned once the file and its name are on the disk."""
    trace = _commanded(waiting, tmp_path / "trace", verb, "g-1")
    dropped = trace.first("rename.*|link", rf"/runs/g-1/{verb}\.yaml$")
    whole = trace.last("fsync", r"/\.spork-[^/]*$", before=dropped.number)
    in_order(whole, dropped, trace.first("fsync", r"/runs/g-1$", after=dropped.number))


@pytest.mark.fault(83)
def test_a_submission(studio: Studio, tmp_path: Path) -> None:
    """The sources and their folders are on the disk before the request has its name, and that before 0 is returned."""
    studio.pipeline("gated", PIPELINE)
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/one.txt").write_text("1\n")
    (tmp_path / "job.yaml").write_text(REQUEST)
    trace = _commanded(studio, tmp_path / "trace", "submit", str(tmp_path / "job.yaml"))
    dropped = trace.first("rename.*|link", r"/inbox/job\.yaml$")
    for folder, made in (
        (r"/inbox/job/deep$", r"/inbox/job/deep/er$"),
        (r"/inbox/job$", r"/inbox/job/deep$"),
    ):
        in_order(trace.first("fsync", folder, after=trace.first("mkdir.*", made).number), dropped)
    in_order(trace.published(r"/inbox/job/deep/er/one\.txt$"), dropped)
    in_order(dropped, trace.first("fsync", r"/inbox$", after=dropped.number))


@pytest.mark.fault(83)
def test_a_backup(waiting: Studio, tmp_path: Path) -> None:
    """The archive is whole on the disk before it has its name, and that before 0 is returned."""
    trace = _commanded(waiting, tmp_path / "trace", "backup", str(tmp_path / "kept.tar"))
    named = trace.first("rename.*|link.*", r"/kept\.tar$")
    in_order(trace.last("fsync", r"\.tar$", before=named.number), named)
    in_order(named, trace.first("fsync", f"^{tmp_path}$", after=named.number))


@pytest.mark.fault(83)
def test_a_rebuild(waiting: Studio, tmp_path: Path) -> None:
    """The new database and the ledger are on the disk before the new one takes the old one's place."""
    trace = _commanded(waiting, tmp_path / "trace", "rebuild")
    named = trace.first("rename.*|link.*", r"/jobs/spork\.db$")
    # SQLite syncs it when it is closed.
    written = trace.last("pwrite64", r"/jobs/spork\.db\.new$", before=named.number)
    in_order(trace.first("fsync|fdatasync", r"/jobs/spork\.db\.new$", after=written.number), named)
    in_order(named, trace.first("fsync", r"/jobs$", after=named.number))
