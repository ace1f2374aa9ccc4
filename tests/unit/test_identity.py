"""Which file a decision was: the forms in which databases of this release and the one before have kept that."""

from __future__ import annotations

from pathlib import Path

from daemon.catalog import file_key, key_of
from daemon.identity import Identity


def test_every_form_of_an_identity_names_the_same_file(tmp_path: Path) -> None:
    """With a device before and a change time behind, or with its birth: `spork explain` and approve find it."""
    path = tmp_path / "approve.yaml"
    path.write_text("...\n")
    for birth in (None, 17):
        keys = Identity.of(path.stat(), birth).keys
        assert {key_of(key) for key in keys} == {file_key(path.stat())}
        assert len({key.count(":") for key in keys}) == 2, "a form of each release"
