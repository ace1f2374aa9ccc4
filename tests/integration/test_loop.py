"""The loop in this process, on a real workspace: what it must not sleep over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.opening import Opened, open_workspace
from daemon.workspace import Workspace
from tests.studio import Studio


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """An open workspace that has had its first turns and rests."""
    studio = Studio(tmp_path / "studio")
    made = open_workspace(Workspace(studio.root))
    while made.loop.turn() == 0.0:
        pass
    yield made
    made.close()


def test_what_rings_while_a_file_is_looked_at_is_not_slept_over(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking whether a file arrived whole reads the bell; what else had rung is still heard, without a rescan."""
    inbox = opened.workspace.inbox

    def look(arrived_whole: object, *_: object) -> None:
        assert callable(arrived_whole)
        (inbox / "later.yaml").write_text("intent: came while another was looked at\n")
        arrived_whole("other.yaml")

    (inbox / "other.yaml").write_text("intent: x\n")
    monkeypatch.setattr(opened.loop._inbox, "look", look)
    opened.loop._inbox.taken_ids = []
    assert opened.loop.turn() == 0.0
