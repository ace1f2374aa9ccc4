"""A few thousand of the swaps that ``make fuzz`` makes by the hundred thousand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests import swaps


@pytest.mark.fault(45, 46)
@pytest.mark.parametrize("case", swaps.CASES, ids=str)
def test_a_swap_between_look_and_use(case: swaps.Case, quick_disk: Path) -> None:
    """Whatever is exchanged for a link or a FIFO, and whenever: nothing outside is read, written, moved or removed."""
    # On a busy machine the two may never meet in one round.
    rounds = (Path(tempfile.mkdtemp(dir=quick_disk)) for _ in range(20))
    assert any(swaps.run(case, base, tries=400) for base in rounds)
