"""SIGTERM at every phase of the work: a clean end, and as safe as a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crashed import APPROVE, Crashed, lead
from tests.support import wait_for

PHASES = [
    "before daemon.strays:end_strays",
    "before daemon.incoming:Nursery.make",
    "inside commit:stage_started",
    "after daemon.runner:Runner.start",
    "before daemon.publication:_move",
    "before daemon.decisionfiles:DecisionFiles._take_away",
]


@pytest.mark.fault(118)
@pytest.mark.parametrize("point", PHASES)
def test_sigterm_in_this_phase_ends_cleanly(tmp_path: Path, point: str) -> None:
    """Exit code 0; the next start goes on, and nothing was lost, doubled or left half done."""
    studio = Crashed(tmp_path / "studio")
    try:
        studio.source("job-1", "one.txt", "1\n")
        studio.ask("job-1", sources=["one.txt"])
        process = studio.spawn(dies=point, env={"POINT_SIGNAL": "SIGTERM"})
        wait_for(lambda: studio.step("job-1", APPROVE) or process.poll() is not None, "the daemon's end")
        assert process.wait(60) == 0, studio.log.read_text()[-3000:]
        studio.start()
        lead(studio, "job-1", APPROVE)
        studio.rest()
    finally:
        studio.close()
