"""One system call fails, at each call of each protocol: of the daemon, of keepers, and of the commands.

``SPORK_STRIDE``: every so many-th call only, 1 if not said; ``SPORK_ERRORS``: only these calls, as in ``fsync,write``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faulty import HOW, Doors, Fault, Trial, faults, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

STRIDE = int(os.environ.get("SPORK_STRIDE", "1"))
ONLY = os.environ.get("SPORK_ERRORS", ",".join(HOW)).split(",")
BATCH = 40
"""Faults that one workspace meets before everything is held against everything."""


@pytest.mark.fault(84, 85, 86)
@pytest.mark.parametrize("who", ["daemon", "keeper"])
def test_each_call_of_a_job_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], who: str) -> None:
    """The daemon halts loudly or goes on; the job ends as it was decided, once, and all files agree."""
    points = halts = 0
    trial = Trial(tmp_path / "0")
    try:
        for kind in faults(who, {call: HOW[call] for call in ONLY}):
            fault = replace(kind, number=1 + points % STRIDE)
            while trial.meet(fault):
                points += 1
                fault = replace(fault, number=fault.number + STRIDE)
                if points % BATCH == 0:
                    halts += trial.halts
                    trial = _anew(trial, tmp_path / str(points))
            with capsys.disabled():
                print(f"{points} points, the last {fault}", flush=True)
        halts += trial.halts
        trial.rest()
    finally:
        trial.close()
    with capsys.disabled():
        print(f"\n{points} failed calls of the {who}, {halts} halts, nothing lost")


def _anew(trial: Trial, base: Path) -> Trial:
    trial.rest()
    trial.close()
    return Trial(base)


@pytest.mark.fault(84, 85, 86)
@pytest.mark.parametrize("verb", ["submit", "approve"])
def test_each_call_of_a_command_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """It says 0 and the file is there, whole, or it says why not, and there is nothing."""
    doors = Doors(tmp_path)
    meet: Callable[[Fault], str] = doors.submit if verb == "submit" else doors.approve
    points = 0
    try:
        for kind in faults("command"):
            fault = kind
            while meet(fault):
                points += 1
                fault = replace(fault, number=fault.number + 1)
    finally:
        doors.close()
    with capsys.disabled():
        print(f"\n{points} failed calls of spork {verb}, no false word")
