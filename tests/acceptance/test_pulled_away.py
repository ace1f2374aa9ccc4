"""A workspace or the lane's lock taken away under a running daemon: it stops loudly and makes nothing anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daemon.anchor import anchor_of
from tests.history import STAGE
from tests.studio import QUICK, Studio
from tests.support import wait_for

POLICY = QUICK + "watch: {rescan_seconds: 1}\n"


def away(path: Path, how: str) -> None:
    if how == "deleted":
        shutil.rmtree(path)
    else:
        path.rename(path.with_name("elsewhere"))


@pytest.mark.fault(91, 102)
@pytest.mark.parametrize(
    ("name", "how"), [("", "deleted"), ("", "moved"), ("jobs", "moved"), ("runs", "deleted")]
)
def test_a_workspace_that_goes_stops_its_daemon(tmp_path: Path, name: str, how: str) -> None:
    """All of it, its database or its runs: 73, and no empty one is begun in its place."""
    studio = Studio(tmp_path / "studio", POLICY)
    studio.log = tmp_path / "daemon.log"
    try:
        process = studio.start()
        gone = studio.root / name
        away(gone, how)
        assert process.wait(60) == 73
        told = studio.log.read_text().splitlines()[-1]
        assert str(studio.root) in told
        assert "Traceback" not in studio.log.read_text()
        assert not gone.exists()
    finally:
        studio.close()


HELD = """\
name: held
stages:
  - {name: first, run: "./held.py:run"}
"""
HOLD = """\
def work(context):
    while True:
        time.sleep(0.01)
"""


@pytest.mark.fault(102)
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_lane_that_goes_under_its_stage_stops_the_daemon_and_the_stage(tmp_path: Path, how: str) -> None:
    """Loudly, with the stage interrupted; and until then nobody else could take the lane."""
    studio = Studio(tmp_path / "studio", POLICY)
    place = tmp_path / "place"
    studio.pipeline("held", HELD, held=STAGE.format(place=str(place)) + HOLD)
    lane = studio.root / "jobs/lane.lock"
    try:
        process = studio.start()
        studio.submit("h-1", "held")
        wait_for(lambda: place.with_suffix(".witness").exists(), "the stage")
        assert lane.samefile(anchor_of(lane))
        lane.unlink()
        if how == "replaced":
            lane.touch()
        assert process.wait(60) == 73
        assert "lane.lock" in studio.log.read_text().splitlines()[-1]
        studio.start()
        studio.wait("h-1", "running", attempt=2)
        assert "overlap" not in place.with_suffix(".witness").read_text()
    finally:
        studio.close()
