"""Ten thousand requests at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.saves import PLAIN
from tests.studio import Studio
from tests.support import wait_for

COUNT = 10_000


@pytest.mark.fault(26)
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
def test_ten_thousand_files_at_once(studio: Studio, marked: bool) -> None:
    """All are taken, once, in the order of their names, whatever order they were made in."""
    studio.pipeline("plain", PLAIN)
    inbox = studio.root / "inbox"
    names = [f"n{number * 7919 % COUNT:05d}" for number in range(COUNT)]
    for name in names:
        text = f"intent: a note\npipeline: plain\nid: {name}\n" + ("...\n" if marked else "")
        (inbox / f"{name}.yaml").write_text(text)
    studio.start()
    wait_for(lambda: not list(inbox.glob("*.yaml")), "the inbox to be empty", seconds=3000)
    wait_for(lambda: len(queued(studio.root)) >= COUNT, "the ledger to follow", seconds=120)
    assert queued(studio.root) == sorted(names)
    assert {path.stem for path in (studio.root / "jobs").glob("*.yaml")} == set(names)
    assert not list((inbox / "rejected").iterdir())


def queued(root: Path) -> list[str]:
    lines = (root / "jobs/state.jsonl").read_text().splitlines()
    return [e["job_id"] for e in map(json.loads, lines) if e["type"] == "job_queued"]
