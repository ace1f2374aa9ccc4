"""Fixtures that tests of several folders use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A workspace whose daemon, if one was started, ends with the test."""
    made = Studio(tmp_path / "studio")
    yield made
    made.close()
