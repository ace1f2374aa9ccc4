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


def _made(stage: str, attempt: int, number: int, goal: str, text: str) -> Owed:
    """An attempt whose one file is ``a.txt`` with this text."""
    artifact = Artifact("a.txt", "text", len(text), hashlib.sha256(text.encode()).hexdigest())
    return Owed(stage, attempt, number, "run" if goal == "history" else "work", goal, (artifact,))


@pytest.mark.parametrize("stage", ["draft", "polish"])
def test_what_was_published_is_not_retired_for_what_it_replaced(tmp_path: Path, stage: str) -> None:
    """The old file's place in history was removed before the move there was noted: the new file stays where it is."""
    (tmp_path / "a.txt").write_text("new")
    old = _made(stage, 1, 1 if stage == "draft" else 2, "history", "old")
    settle(tmp_path, [old, _made("draft", 2, 1, "run", "new")])
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_path_that_changed_hands_is_given_up_before_it_is_taken(tmp_path: Path) -> None:
    """After going back the first stage makes what the second had made, and a power cut took all moves back."""
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / ".work/01-draft.2").mkdir(parents=True)
    (tmp_path / ".work/01-draft.2/a.txt").write_text("new")
    for _ in range(2):
        settle(tmp_path, [_made("draft", 2, 1, "run", "new"), _made("polish", 1, 2, "history", "old")])
    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "history/02-polish.1/a.txt").read_text() == "old"


@pytest.mark.parametrize("folder", ["made", "before", "published"])
def test_what_is_kept_in_history_takes_no_place_from_what_was_published(tmp_path: Path, folder: str) -> None:
    """A stage may name a folder as we do: its files are retired beside the text that was kept as it was made."""
    path, kept = f"{folder}/a.txt", tmp_path / "history/01-draft.1" / folder / "a.txt"
    for place, text in ((kept, "as made"), (tmp_path / path, "published")):
        place.parent.mkdir(parents=True)
        place.write_text(text)
    artifact = Artifact(path, "text", 9, hashlib.sha256(b"published").hexdigest())
    for _ in range(2):
        settle(tmp_path, [Owed("draft", 1, 1, "run", "history", (artifact,))])
    assert not (tmp_path / path).exists()
    assert kept.read_text() == "as made"
    assert (tmp_path / "history/01-draft.1/published" / path).read_text() == "published"
