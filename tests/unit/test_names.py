"""Names: only exact ones count, look-alikes are named, nothing is shown that a terminal would obey."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.names import (
    DECISIONS,
    LONGEST_NAME,
    Decision,
    Ignored,
    Request,
    beside,
    classify_decision,
    classify_inbox,
    is_ours,
    shown,
    twin_key,
)

ANY_NAME = st.binary(min_size=1, max_size=255).map(os.fsdecode)

SIDE_FILES = [
    ".x.yaml",
    "._job.yaml",
    ".#job.yaml",
    "#job.yaml#",
    "#job.yaml",
    "~job.yaml",
    "~syncthing~job.yaml.tmp.yaml",
    "_aside.yaml",
    ".job.yaml.swp",
    ".job.yaml.swx",
    "4913",
    "job.yaml~",
    "job.sync-conflict-20260101-000000-ABCDEFG.yaml",
    "job (conflicted copy 2026-01-01 000000).yaml",
    "job (Alice's conflicted copy 2026-01-01).yaml",
    "job (Case Conflict).yaml",
    "job_conflict-20260101-120000.yaml",
    "job (SFConflict a@b.c 2026-01-01-12-00-00).yaml",
    "job_LOCAL_1234.yaml",
    "job_BACKUP_1234.yaml",
    ".spork-0123456789abcdef",
    ".goutputstream-ABCDEF",
    ".nfs0001",
    ".unison.job.yaml.0123.unison.tmp",
]


@pytest.mark.parametrize(
    "name", ["job.yaml", "job.yml", "-rf.yaml", "a b.yaml", "$(id).yaml", "é.yaml", "a.b.yaml"]
)
@pytest.mark.fault(52)
def test_requests(name: str) -> None:
    """Whatever a person calls a YAML file, it is a request."""
    assert classify_inbox(name) == Request(name, name.rpartition(".")[0])


@pytest.mark.fault(9, 10, 11)
@pytest.mark.parametrize("name", SIDE_FILES)
def test_side_files_are_never_requests(name: str) -> None:
    """What editors and sync tools leave behind is never a job."""
    assert isinstance(classify_inbox(name), Ignored)


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Job.YAML", "Job.yaml"),
        ("job.yaml.txt", "job.yaml"),
        ("job.yml.txt", "job.yaml"),
        ("job.yaml.filepart", "job.yaml"),
        ("notes.md", ""),
        ("picture.png", ""),
    ],
)
def test_near_requests_say_what_was_meant(name: str, meant: str) -> None:
    """A wrong ending is not taken, and its right spelling is named."""
    found = classify_inbox(name)
    assert isinstance(found, Ignored)
    assert found.meant == meant


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\nb.yaml", "control"),
        ("\x1b[31m.yaml", "control"),
        ("a\u202eb.yaml", "control"),
        ("\udcff\udcfe.yaml", "UTF-8"),
        ("x" * 250 + ".yaml", "255 bytes"),
    ],
)
@pytest.mark.fault(48, 49, 53)
def test_unfit_names_are_requests_to_refuse(name: str, why: str) -> None:
    """A name that logs, messages or derived names cannot carry is refused with its reason."""
    found = classify_inbox(name)
    assert isinstance(found, Request)
    assert why in found.unfit


def test_decisions_are_exactly_four_names() -> None:
    """The name is the decision, letter by letter."""
    for verb in DECISIONS:
        assert classify_decision(f"{verb}.yaml") == Decision(f"{verb}.yaml", verb)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("approve.yml", "approve.yaml"),
        ("Approve.yaml", "approve.yaml"),
        ("APPROVE.YAML", "approve.yaml"),
        ("approve.yaml.txt", "approve.yaml"),
        ("approve.yaml.part", "approve.yaml"),
        ("approve", "approve.yaml"),
        ("approved.yaml", "approve.yaml"),
        ("aprove.yaml", "approve.yaml"),
        ("approve.json", "approve.yaml"),
        ("approve (1).yaml", "approve.yaml"),
        ("reject copy.yaml", "reject.yaml"),
        ("approve .yaml", "approve.yaml"),
        ("approve\u200b.yaml", "approve.yaml"),
        ("\uff41pprove.yaml", "approve.yaml"),
        ("cancelled.yaml", "cancel.yaml"),
        ("approve.sync-conflict-20260101-000000-ABCDEFG.yaml", "approve.yaml"),
        ("reject (conflicted copy).yaml", "reject.yaml"),
        ("approve (Bob's conflicted copy 2026-01-01).yaml", "approve.yaml"),
    ],
)
def test_look_alikes_are_not_decisions_but_named(name: str, meant: str) -> None:
    """A wrong name never decides; what was meant is said."""
    found = classify_decision(name)
    assert isinstance(found, Ignored)
    assert found.meant == meant
    assert found.rule


@pytest.mark.parametrize(
    "name",
    ["approve.template.yaml", "reject.template.yaml", "approve.yaml.error.txt", "pipeline.yaml", "state.json"]
    + ["script.txt", "storyboard.json", "video.mp4", "approve.yaml~", ".approve.yaml.kak.AbCdEf", "sources"],
)
def test_other_files_of_a_run_are_no_look_alikes(name: str) -> None:
    """Artifacts, our own files and backup copies raise no false alarm."""
    found = classify_decision(name)
    assert isinstance(found, Ignored)
    assert found.meant == ""


@pytest.mark.parametrize(
    "marker",
    [".approve.yaml.swp", ".approve.yaml.swo", ".approve.yaml.swx", ".#approve.yaml", "#approve.yaml#"],
)
def test_editor_markers_name_what_is_being_edited(marker: str) -> None:
    """An editor's marker says which file is open, and never decides, whatever it holds."""
    found = classify_decision(marker)
    assert isinstance(found, Ignored)
    assert found.editing == "approve.yaml"


@given(ANY_NAME)
def test_every_name_has_a_class(name: str) -> None:
    """Any bytes that a folder can hold as a name are classified, and only the four names decide."""
    decision = classify_decision(name)
    assert isinstance(decision, Decision) == (name in {f"{verb}.yaml" for verb in DECISIONS})
    request = classify_inbox(name)
    if isinstance(request, Request):
        assert name.endswith((".yaml", ".yml"))
        assert name[0] not in ".#~_"


@given(ANY_NAME, ANY_NAME)
def test_shown_is_harmless_and_ambiguous_never(one: str, other: str) -> None:
    """What is displayed holds printable characters only, and two names never look the same."""
    assert shown(one).isprintable()
    assert (shown(one) == shown(other)) == (one == other)


@pytest.mark.fault(48, 80)
def test_shown_escapes_what_terminals_obey() -> None:
    """Escapes, newlines, direction marks and undecodable bytes are spelled out; plain names stay."""
    assert shown("job é.yaml") == "job é.yaml"
    assert shown("\x1b[31m\n\u202e\udcff\\") == "\\x1b[31m\\n\\u202e\\xff\\\\"


@given(ANY_NAME)
@pytest.mark.fault(49)
def test_names_beside_fit_into_a_folder(name: str) -> None:
    """A file about a file can always be made, for the longest name too."""
    made = beside(name, ".error.txt")
    assert len(os.fsencode(made)) <= 255
    assert made.endswith(".error.txt")
    assert made.isprintable()
    if len(os.fsencode(name)) <= LONGEST_NAME and shown(name) == name:
        assert made == f"{name}.error.txt"


def test_names_beside_long_names_differ() -> None:
    """Two long names that agree where they are cut still have two files."""
    assert beside("x" * 250 + "a", ".error.txt") != beside("x" * 250 + "b", ".error.txt")


@pytest.mark.fault(50, 51)
def test_twins() -> None:
    """Other case and other Unicode form are the same name to some file systems."""
    assert twin_key("Job.yaml") == twin_key("job.yaml")
    assert twin_key("e\u0301.yaml") == twin_key("\u00c9.yaml")


def test_own_files_do_not_ring() -> None:
    """The daemon's own files are known by name; decisions and artifacts are not among them."""
    own = [
        "state.json",
        "events.jsonl",
        "REVIEW.md",
        "approve.template.yaml",
        ".spork-1",
        "approve.yaml.error.txt",
    ]
    assert all(map(is_ours, own))
    assert not any(map(is_ours, ["approve.yaml", "reject.yaml", "script.txt", "job.yaml"]))
