"""Digests of a gate's files: small ones at once, those that are large together beside the loop."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import unhurried
from daemon.unhurried import Underway, UnhurriedDigests
from tests.support import wait_for


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[UnhurriedDigests]:
    """What has more than ten bytes together is large."""
    monkeypatch.setattr(unhurried, "AT_ONCE_BYTES", 10)
    made = UnhurriedDigests()
    yield made
    made.end()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked(
    files: UnhurriedDigests, root: Path, *paths: str, fresh: bool = False
) -> dict[str, str | OSError] | None:
    """The digests; None while they are being read."""
    try:
        return files.digests(root, paths, fresh=fresh)
    except Underway:
        return None


@pytest.mark.parametrize("fresh", [True, False])
def test_small_files_are_read_at_once(files: UnhurriedDigests, tmp_path: Path, fresh: bool) -> None:
    """And why there is no digest is told in its place."""
    (tmp_path / "a").write_text("small")
    (tmp_path / "b").symlink_to("a")
    found = asked(files, tmp_path, "a", "b", "c", fresh=fresh)
    assert found is not None
    assert found["a"] == sha("small")
    assert [found[name].errno for name in "bc" if isinstance(found[name], OSError)] == [  # type: ignore[union-attr]
        errno.ELOOP,
        errno.ENOENT,
    ]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("texts", [["x" * 100], ["few", "bytes", "in all"]])
def test_what_is_large_together_is_read_beside_the_loop(
    files: UnhurriedDigests, tmp_path: Path, texts: list[str], fresh: bool
) -> None:
    """The first to ask is told to ask again, and given all of it once it is read."""
    names = [f"{number}" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_text(text)
    with unhurried._one_at_a_time:
        assert asked(files, tmp_path, *names, fresh=fresh) is None
        assert asked(files, tmp_path, *names, fresh=fresh) is None
    found = wait_for(lambda: asked(files, tmp_path, *names, fresh=fresh), "the digests")
    assert found == {name: sha(text) for name, text in zip(names, texts, strict=True)}


def test_what_changed_since_it_was_read_is_read_again(files: UnhurriedDigests, tmp_path: Path) -> None:
    """A digest is of the file that is there when it is given."""
    (tmp_path / "a").write_text("x" * 100)
    assert asked(files, tmp_path, "a") is None
    reading = files._readings[str(tmp_path), False]
    wait_for(lambda: reading.over, "the reading to be over")
    (tmp_path / "a").write_text("y" * 100)
    assert asked(files, tmp_path, "a") is None
    assert wait_for(lambda: asked(files, tmp_path, "a"), "the digest") == {"a": sha("y" * 100)}


def test_what_was_read_for_a_look_is_not_taken_for_fresh(files: UnhurriedDigests, tmp_path: Path) -> None:
    """An answer is held against bytes that were read after it was there."""
    (tmp_path / "a").write_text("x" * 100)
    assert asked(files, tmp_path, "a") is None
    wait_for(lambda: files._readings[str(tmp_path), False].over, "the reading to be over")
    assert asked(files, tmp_path, "a", fresh=True) is None
    assert asked(files, tmp_path, "a") == {"a": sha("x" * 100)}


def test_what_nobody_asks_for_any_more_is_not_read_to_its_end(
    files: UnhurriedDigests, tmp_path: Path
) -> None:
    """A file without end (sparse, 4 TB) keeps no thread."""
    with (tmp_path / "a").open("wb") as file:
        os.truncate(file.fileno(), 4 << 40)
    assert asked(files, tmp_path, "a") is None
    reading = files._readings[str(tmp_path), False]
    files.forget(tmp_path)
    wait_for(lambda: reading.over, "the reading to end")
    assert not files._readings
