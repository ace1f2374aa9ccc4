"""Fixtures that tests of several folders use."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio import GATED, Studio
from tests.worked import PIPELINE, copy_of, make_history


def pytest_configure() -> None:
    """Ctrl-C reaches what the tests start, also where a shell started them in the background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A workspace whose daemon, if one was started, ends with the test."""
    made = Studio(tmp_path / "studio")
    yield made
    made.close()


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with some history (tests/worked.py), at rest."""
    studio = Studio(tmp_path_factory.mktemp("history") / "studio")
    studio.pipeline("gated", PIPELINE)
    try:
        studio.start()
        make_history(studio)
    finally:
        studio.close()
    return studio.root


@pytest.fixture
def worked(studio: Studio, history: Path) -> Studio:
    """A copy of that workspace; no daemon runs."""
    studio.remove()
    copy_of(history, studio.root)
    return studio


@pytest.fixture
def gated(studio: Studio) -> Studio:
    """A live daemon with job g-1 at the gate of its draft."""
    studio.pipeline("gated", GATED)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    return studio


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: what is tried are the names, not the disk."""
    shared = Path("/dev/shm")
    base = Path(tempfile.mkdtemp(prefix="swaps-", dir=shared if shared.is_dir() else tmp_path))
    yield base
    shutil.rmtree(base)
