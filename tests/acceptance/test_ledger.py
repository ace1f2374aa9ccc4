"""The ledger rolls over at a size: whatever happens in between, each event stands in it once, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashed import APPROVE, PATIENT, Crashed, lead
from tests.history import entered
from tests.support import wait_for

SMALL = PATIENT + "retention: {ledger_mib: 0.002}\nwatch: {rescan_seconds: 1}\n"
"""Closed at each full look, as soon as it holds a few events."""

ROLLED_OVER = """
    before os.fsync in daemon.ledger:close
    before os.rename in daemon.ledger:close
    before os.fsync in daemon.ledger:close#2
    after daemon.ledger:close; half os.write in daemon.projection:Projection.enter
"""


@pytest.fixture
def rolling(tmp_path: Path) -> Iterator[Crashed]:
    made = Crashed(tmp_path / "studio", SMALL)
    yield made
    made.close()


def closed(studio: Crashed) -> list[Path]:
    return sorted((studio.root / "jobs").glob("state-*.jsonl"))


def wait_closed(studio: Crashed, files: int) -> None:
    wait_for(lambda: len(closed(studio)) >= files, f"the ledger to be closed {files} times")


@pytest.mark.parametrize("points", [line.strip() for line in ROLLED_OVER.strip().splitlines()])
def test_killed_while_it_rolls_over(rolling: Crashed, points: str) -> None:
    """Nothing is lost or doubled at any point of it, and what follows goes into the new file."""
    rolling.doom(points)
    lead(rolling, rolling.ask("job-1", "last"), APPROVE)
    lead(rolling, rolling.ask("job-2", "straight"), ())
    wait_closed(rolling, 1)
    rolling.rest()


@pytest.mark.fault(94)
def test_what_rolled_over_is_rebuilt(rolling: Crashed) -> None:
    """Without a database, a pruned run and another run's events.jsonl cut: the files of the ledger tell all."""
    rolling.start()
    for number in range(1, 4):
        lead(rolling, rolling.ask(f"job-{number}", "last"), APPROVE)
        wait_closed(rolling, number)
    rolling.stop()
    before = {name: rolling.spork("status", name, "--json").stdout for name in rolling.asked}
    ledger = entered(rolling.root)
    rolling.spork("prune", "--older-than", "0d")
    for path in (rolling.root / "jobs").glob("spork.db*"):
        path.unlink()
    done = rolling.spork("rebuild")
    assert done.stdout.startswith(f"3 jobs from {len(ledger)} events")
    assert entered(rolling.root) == ledger
    assert {name: rolling.spork("status", name, "--json").stdout for name in rolling.asked} == before
    rolling.start()
    rolling.drop("again.yaml", "intent: other\nid: job-1\npipeline: walk\n...\n")
    wait_for((rolling.root / "inbox/rejected/again.yaml.error.txt").exists, "the id to be refused")


def test_a_closed_file_that_was_lost_is_made_again(rolling: Crashed) -> None:
    """The database knows its events: rebuild brings them back into the ledger, doctor asks for it."""
    rolling.start()
    lead(rolling, rolling.ask("job-1"), APPROVE)
    wait_closed(rolling, 1)
    rolling.stop()
    ledger = entered(rolling.root)
    closed(rolling)[0].unlink()
    found = json.loads(rolling.spork("doctor", "--json", check=False).stdout)
    assert any("ledger" in f["said"] and "spork rebuild" in f["mend"] for f in found)
    rolling.spork("rebuild")
    assert entered(rolling.root) == ledger
    rolling.start()
    lead(rolling, rolling.ask("job-2"), APPROVE)
    rolling.rest()


def test_a_ledger_that_is_removed_under_the_daemon_is_written_again(rolling: Crashed) -> None:
    """Not only what comes after: the next full look finds that it lacks the rest."""
    (rolling.root / "conf/operator.yaml").write_text(SMALL.replace("0.002", "64"))
    rolling.start()
    lead(rolling, rolling.ask("job-1"), APPROVE)
    wait_for(lambda: "job_completed" in (rolling.root / "jobs/state.jsonl").read_text(), "the ledger")
    (rolling.root / "jobs/state.jsonl").unlink()
    lead(rolling, rolling.ask("job-2", "last"), APPROVE)
    rolling.rest()
