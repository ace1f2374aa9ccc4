"""Moving an attempt's files into the run directory: what lies in the way is told apart by its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from daemon.changes import Owed
from daemon.model import Artifact
from daemon.publication import clear, settle


@pytest.mark.parametrize("lies", ["other", "mine!"])
def test_what_lies_in_the_way_is_kept_unless_it_is_the_same(tmp_path: Path, lies: str) -> None:
    """Of the same name and length, but by somebody else: it goes to history, and what was made is published."""
    made = tmp_path / ".work/01-draft.1"
    made.mkdir(parents=True)
    (made / "a.txt").write_text("mine!")
    (tmp_path / "a.txt").write_text(lies)
    artifact = Artifact("a.txt", "text", 5, hashlib.sha256(b"mine!").hexdigest())
    debt = Owed("draft", 1, 1, "work", "run", (artifact,))
    for _ in range(2):
        assert settle(tmp_path, [debt]) >= {tmp_path}
    assert (tmp_path / "a.txt").read_text() == "mine!"
    kept = list((tmp_path / "history").rglob("*.txt")) if (tmp_path / "history").exists() else []
    assert [path.read_text() for path in kept] == ([lies] if lies != "mine!" else [])
    assert made.exists(), "until the moves are durable"
    clear(tmp_path, [debt])
    assert not made.exists()


@pytest.mark.parametrize("moved", [True, False])
def test_what_was_rejected_goes_to_history_from_where_it_lies(tmp_path: Path, moved: bool) -> None:
    """The disk had not taken it into the run directory, or a power cut took the move back."""
    made = tmp_path / ".work/01-draft.1"
    made.mkdir(parents=True)
    ((tmp_path if moved else made) / "a.txt").write_text("mine!")
    artifact = Artifact("a.txt", "text", 5, hashlib.sha256(b"mine!").hexdigest())
    debt = Owed("draft", 1, 1, "work", "history", (artifact,))
    for _ in range(2):
        assert settle(tmp_path, [debt]) == {tmp_path / "history/01-draft.1"}
    assert (tmp_path / "history/01-draft.1/a.txt").read_text() == "mine!"
    assert not (tmp_path / "a.txt").exists()
