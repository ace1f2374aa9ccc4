"""A few power cuts and failed system calls; ``make power`` makes them by the hundred."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import powercut
from tests.faulty import Doors, Fault, Faulty, Trial
from tests.faulty import missing as missing_for_faults
from tests.studio import GATED, Studio
from tests.support import wait_for

FAULTS = pytest.mark.skipif(bool(missing_for_faults()), reason=missing_for_faults())
CUTS = pytest.mark.skipif(bool(powercut.missing()), reason=powercut.missing())

OF_THE_DAEMON = """
    fsync EIO 9; write short 15; open EMFILE 40; rename EIO 4
"""
OF_A_KEEPER = "fsync EIO 2; pipe EMFILE 2"
OF_A_COMMAND = """
    fsync EIO 3; fsync EIO 6; write ENOSPC 2; rename EIO 2; open EMFILE 5; mkdir ENOSPC 2
"""


def planned(who: str, text: str) -> list[Fault]:
    """The faults of a list such as ``fsync EIO 1; write short 2``."""
    words = [line.split() for line in text.replace("\n", ";").split(";") if line.strip()]
    return [Fault(who, call, how, int(number)) for call, how, number in words]


@pytest.fixture
def base() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def faulty(studio: Studio) -> Iterator[Faulty]:
    """The faults that the studio's daemon meets, if it is started with ``env=faulty.env``."""
    made = Faulty(studio.root.parent, studio.root)
    yield made
    made.close()


@CUTS
@pytest.mark.fault(83)
def test_power_cuts(base: Path) -> None:
    """What was acknowledged is there after each."""
    assert powercut.campaign(base, jobs=3, cuts=1, seed=1) == 1


@CUTS
@pytest.mark.fault(83)
def test_a_power_cut_where_nothing_lives_on_unsynced(base: Path) -> None:
    """Every acknowledgement came after the sync of the file and of its folder."""
    assert powercut.lossy(base, cuts=1, seed=2) == 1


@FAULTS
@pytest.mark.fault(84, 85, 86)
def test_calls_of_the_daemon_and_its_keeper_fail(tmp_path: Path) -> None:
    """It halts loudly or goes on; the jobs end as they were decided, and all files agree."""
    trial = Trial(tmp_path)
    try:
        for fault in (*planned("daemon", OF_THE_DAEMON), *planned("keeper", OF_A_KEEPER)):
            assert trial.meet(fault), f"{fault} was not reached"
        trial.rest()
    finally:
        trial.close()


@FAULTS
@pytest.mark.fault(84, 85, 86)
def test_calls_of_a_command_fail(tmp_path: Path) -> None:
    """``spork submit`` says 0 and the request is there with its source, or says why not and nothing is."""
    doors = Doors(tmp_path)
    try:
        for fault in planned("command", OF_A_COMMAND):
            doors.submit(fault)
            doors.approve(fault)
    finally:
        doors.close()


@FAULTS
@pytest.mark.fault(84)
def test_a_decision_whose_sync_failed_is_not_recorded(studio: Studio, faulty: Faulty) -> None:
    """The daemon halts and says so; the answer lies there, and counts once after the next start."""
    studio.pipeline("gated", GATED)
    process = studio.start(env=faulty.env)
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    faulty.plan(Fault("daemon", "fsync", "EIO", 1))
    studio.answer("g-1", "approve")
    assert process.wait(timeout=60) == 73
    assert faulty.hit.endswith("spork.db-wal")
    assert "cannot record" in studio.log.read_text()
    assert "approve" not in recorded(studio)
    assert (studio.run("g-1") / "approve.yaml").exists()
    studio.start()
    studio.wait("g-1", "completed")
    assert recorded(studio).count("approve") == 1


@FAULTS
@pytest.mark.fault(84)
def test_what_a_killed_daemon_left_is_synced_before_it_is_believed(studio: Studio, faulty: Faulty) -> None:
    """It reads as committed, but may be in memory only: a start that cannot sync it does not go on."""
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.kill()
    faulty.plan(Fault("daemon", "fsync", "EIO", 1))
    process = studio.spawn(env=faulty.env)
    assert process.wait(timeout=60) == 73
    assert faulty.hit.endswith("spork.db-wal")
    assert "cannot be opened" in studio.log.read_text()
    studio.start()
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")


@FAULTS
@pytest.mark.fault(84)
def test_the_copy_of_a_last_answer_is_tried_again(studio: Studio, faulty: Faulty) -> None:
    """The answer ended the job, and nobody looks there again but for what the disk refused to keep."""
    studio.pipeline("last", "name: last\n" + GATED.partition("\n")[2].partition("  - name: use")[0])
    studio.start(env=faulty.env)
    studio.submit("g-1", "last")
    studio.wait("g-1", "needs_approval")
    # The first syncs are those of the commit and of the folder for what is kept.
    faulty.plan(Fault("daemon", "fsync", "EIO", 3))
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")
    assert "/decisions/" in faulty.hit
    kept = studio.run("g-1") / "decisions/01-draft.1.approve.yaml"
    wait_for(kept.exists, "the answer to be kept")
    wait_for(lambda: not (studio.run("g-1") / "approve.yaml").exists(), "its name to be free")


@pytest.mark.fault(83)
def test_an_answer_that_is_empty_when_the_machine_starts_is_refused(gated: Studio) -> None:
    """It may have said something before the power was cut; one that is left empty later counts."""
    gated.stop()
    answer = gated.run("g-1") / "approve.yaml"
    answer.touch()
    powercut.new_boot(gated.root)
    gated.start()
    wait_for(answer.with_name("approve.yaml.error.txt").exists, "the reason beside it")
    assert "power cut" in answer.with_name("approve.yaml.error.txt").read_text()
    gated.stop()
    gated.start()
    assert "gate_approved" not in gated.types("g-1")
    answer.unlink()
    answer.touch()
    gated.wait("g-1", "completed")


@pytest.mark.fault(83)
def test_copies_without_their_bytes_are_written_again(gated: Studio) -> None:
    """The names of new files can be on the disk before what is in them."""
    copies = [
        gated.root / "jobs/g-1.yaml",
        *(gated.run("g-1") / name for name in ("pipeline.yaml", "state.json", "events.jsonl", "gate.json")),
    ]
    gated.stop()
    before = [path.read_bytes() for path in copies]
    for path in copies:
        path.write_bytes(b"")
    # The end of what was appended may be there, and not what stands before it.
    copies[3].write_bytes(bytes(100) + b"\n" + before[3].splitlines(keepends=True)[-1])
    powercut.new_boot(gated.root)
    gated.start()
    assert [path.read_bytes() for path in copies] == before


@pytest.mark.fault(83)
def test_a_recorded_answer_is_kept_though_its_file_came_back_empty(gated: Studio) -> None:
    """The cut came between the record and the copy, and took the bytes that somebody had moved there."""
    gated.answer("g-1", "approve")
    gated.wait("g-1", "completed")
    kept = gated.run("g-1") / "decisions/01-draft.1.approve.yaml"
    wait_for(kept.exists, "the answer to be kept")
    gated.stop()
    before = kept.read_bytes()
    kept.unlink()
    powercut.new_boot(gated.root)
    gated.start()
    assert kept.read_bytes() == before


def recorded(studio: Studio) -> list[str]:
    """The gate decisions in the database, in order."""
    with closing(sqlite3.connect(f"file:{studio.root}/jobs/spork.db?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT type FROM events WHERE type LIKE 'gate_%ed' ORDER BY seq")
        return ["approve" if row[0] == "gate_approved" else row[0] for row in rows]
