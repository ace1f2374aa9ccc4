"""Swaps between look and use: 100,000 looks at a name that another process exchanges, 20,000 of every other use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import swaps

LOOKS, USES = 100_000, 20_000


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: what is tried are the names, not the disk."""
    shared = Path("/dev/shm")
    base = Path(tempfile.mkdtemp(prefix="swaps-", dir=shared if shared.is_dir() else tmp_path))
    yield base
    shutil.rmtree(base)


@pytest.mark.fault(45, 46)
@pytest.mark.parametrize("case", swaps.CASES, ids=str)
def test_swaps(case: swaps.Case, quick_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing outside is read, written, moved or removed."""
    tries = LOOKS if case.act.__name__.startswith("look") else USES
    count = swaps.run(case, quick_disk, tries)
    with capsys.disabled():
        print(f"\nswaps: {case}: {tries:,} tries, {count:,} swaps, 0 escapes", flush=True)
