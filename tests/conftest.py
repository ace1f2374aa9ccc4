"""Fixtures that tests of several folders use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import GATED, Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A workspace whose daemon, if one was started, ends with the test."""
    made = Studio(tmp_path / "studio")
    yield made
    made.close()


@pytest.fixture
def gated(studio: Studio) -> Studio:
    """A live daemon with job g-1 at the gate of its draft."""
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    return studio
