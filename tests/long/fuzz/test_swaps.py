"""Swaps between look and use: 100,000 looks at a name that another process exchanges, 20,000 of every other use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import swaps

LOOKS, USES = 100_000, 20_000


@pytest.mark.fault(45, 46)
@pytest.mark.parametrize("case", swaps.CASES, ids=str)
def test_swaps(case: swaps.Case, quick_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing outside is read, written, moved or removed."""
    tries = LOOKS if case.act.__name__.startswith("look") else USES
    count = swaps.run(case, quick_disk, tries)
    with capsys.disabled():
        print(f"\nswaps: {case}: {tries:,} tries, {count:,} swaps, 0 escapes", flush=True)
