"""What a writer that dies leaves of an answer: which beginnings are acted on, all of them, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.documents import load_decision
from daemon.errors import Invalid
from daemon.spool import DropBox, Whole
from tests.studio import Studio

HOLD = 2.0
BY_HAND = b"stage: script\nby: alice\nnotes: as told\n"
BEGINNINGS = """\
stage:|stage: |stage: s|stage: sc|stage: scr|stage: scri|stage: scrip|stage: script|stage: script/|stage: script/by:|
stage: script/by: |stage: script/by: a|stage: script/by: al|stage: script/by: ali|stage: script/by: alic|
stage: script/by: alice|stage: script/by: alice/|stage: script/by: alice/notes:|stage: script/by: alice/notes: |
stage: script/by: alice/notes: a|stage: script/by: alice/notes: as|stage: script/by: alice/notes: as |
stage: script/by: alice/notes: as t|stage: script/by: alice/notes: as to|stage: script/by: alice/notes: as tol|
stage: script/by: alice/notes: as told"""
"""The beginnings of it that are answers by themselves, / for a line's end. Of another stage or person, some of them."""


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def accepted(folder: Path, text: bytes) -> tuple[list[bytes], list[bytes]]:
    """The beginnings that are acted on at the first look, and those acted on after the hold."""
    clock = Clock()
    box = DropBox(HOLD, empty_seconds=10.0, clock=clock)
    found: tuple[list[bytes], list[bytes]] = ([], [])
    for length in range(1, len(text) + 1):
        (folder / "approve.yaml").write_bytes(text[:length])
        for which in found:
            seen = box.look(folder, "approve.yaml")
            clock.now += HOLD + 0.1
            if isinstance(seen, Whole) and _counts(seen.data):
                which.append(text[:length])
    return found


def _counts(data: bytes) -> bool:
    try:
        load_decision(data, "approve", "approve.yaml")
    except Invalid:
        return False
    return True


def _beginnings() -> list[bytes]:
    return [text.replace("/", "\n").encode() for text in BEGINNINGS.replace("|\n", "|").split("|")]


@pytest.mark.fault(6, 7)
def test_no_beginning_of_what_we_wrote_counts(gated: Studio, tmp_path: Path) -> None:
    """Of a template and of what `spork approve` writes: the whole text, its last line ending aside, or nothing."""
    template = (gated.run("g-1") / "approve.template.yaml").read_bytes()
    gated.stop()
    gated.spork("approve", "g-1", "--by", "alice", "--notes", "as told")
    by_command = (gated.run("g-1") / "approve.yaml").read_bytes()
    for text in (template, by_command):
        whole = [text.rstrip(b"\n"), text]
        assert accepted(tmp_path, text) == (whole, whole)


@pytest.mark.fault(6, 7)
def test_what_counts_of_an_answer_by_hand_with_the_mark(tmp_path: Path) -> None:
    """At once only the whole text; after the hold also the beginnings that are answers by themselves."""
    text = BY_HAND + b"...\n"
    at_once, after = accepted(tmp_path, text)
    assert at_once == [text.rstrip(b"\n"), text]
    assert after == [*_beginnings(), BY_HAND, text.rstrip(b"\n"), text]


@pytest.mark.fault(3, 6, 7)
def test_what_counts_of_an_answer_by_hand(tmp_path: Path) -> None:
    """Nothing at once; after the hold every beginning that is an answer by itself. These are all."""
    at_once, after = accepted(tmp_path, BY_HAND)
    assert at_once == []
    assert after == [*_beginnings(), BY_HAND]
