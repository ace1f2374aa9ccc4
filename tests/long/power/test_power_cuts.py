"""Power cuts by the hundred: on an ext4 in a file, and on a file system that forgets what was not synced.

``SPORK_CUTS``: how many of each, 300 if not said.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.powercut import campaign, lossy, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

CUTS = int(os.environ.get("SPORK_CUTS", "300"))
EACH = {campaign: 50, lossy: 10}
"""Cuts of one run of load, or of one workspace that is worked on after each; another seed then."""


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder in memory, where there is such: a disk that is mounted so often needs to be quick."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.mark.fault(83)
@pytest.mark.parametrize("kind", [campaign, lossy])
def test_power_cuts(base: Path, capsys: pytest.CaptureFixture[str], kind: Callable[..., int]) -> None:
    """Whatever was acknowledged is there; nothing is doubled, and nothing half there is believed."""
    made = seed = 0
    while made < CUTS:
        place = base / str(seed)
        place.mkdir()
        count = min(EACH[kind], CUTS - made)
        with capsys.disabled():
            made += (
                campaign(place, jobs=12, cuts=count, seed=seed)
                if kind is campaign
                else lossy(place, cuts=count, seed=seed)
            )
            print(f"{made} cuts", flush=True)
        shutil.rmtree(place)
        seed += 1
    with capsys.disabled():
        print(f"\n{made} power cuts ({'ext4' if kind is campaign else 'lossy'}), nothing lost")
