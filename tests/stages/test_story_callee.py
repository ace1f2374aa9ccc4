"""References of functions and questions as headings: told in whole sentences, and shown once."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.callee import as_call, called, whole, whole_member
from stages.figures import every_figures, tell
from stages.scenes import Bullets, Scene, Storyboard
from stages.sections import shown_heading
from tests.stages.story_runs import Run

REFERENCE = """# The watch library

A program uses the library to hear of changes. None of its functions blocks for ever.

## `int watch_add(int fd, const char *path)`

Adds a watch for the path. Returns -1 on error. Call `sleep(5)` before you close it.

## watch_close(int fd)

This function closes the descriptor and wakes every thread that waits.

## What happens on overflow?

The kernel drops every event that comes after. A program must then scan the whole folder again.

## The folder is the truth

The folder is the truth. An event is only a hint, and hints can be lost.
"""


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("inotify_init1(int flags)", "inotify_init1"),
        ("foo(bar)", "foo"),
        ("`ssize_t read(int fd, void *buf, size_t n);`", "read"),
        ("Watcher.close(self, timeout: float = 5.0) -> None", "Watcher.close"),
        ("Watches (and their limits)", ""),
        ("Argument(s)", ""),
        ("How to call read(fd)", ""),
        ("The calls", ""),
    ],
)
def test_a_signature_is_told_from_a_heading(heading: str, name: str) -> None:
    """Only a declaration is one; on the screen it is the function's name."""
    assert called(heading) == name
    assert shown_heading(heading) == (f"{name}()" if name else heading)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Creates a queue.", "`foo()` creates a queue."),
        ("Copy the queue.", "`foo()` copies the queue."),
        ("This function returns a queue.", "`foo()` returns a queue."),
        ("Reads are cheap.", "Reads are cheap."),
        ("Call it before you close it.", "Call it before you close it."),
        ("The queue is full.", "The queue is full."),
    ],
)
def test_a_sentence_without_a_subject_gets_the_function(written: str, told: str) -> None:
    """What has one keeps it, under any other heading all do."""
    assert whole(written, "foo(bar)", opens=True) == told
    assert whole(written, "The queue", opens=True) == written
    assert whole("Set the flag first.", "foo(bar)", opens=False) == "Set the flag first."


def test_signatures_in_a_sentence_are_said_as_calls() -> None:
    """A call with a value stays what it is, and so do plain brackets."""
    assert as_call("Each `watch_add(fd, mask)` counts.") == "Each `watch_add()` counts."
    assert as_call("Then int watch_add(int fd, char *path) counts.") == "Then `watch_add()` counts."
    for kept in (
        "Call `sleep(5)`.",
        "See read(2).",
        "One file(s) more.",
        "Node.js(the runtime).",
        "Call `read()`.",
    ):
        assert as_call(kept) == kept
    assert whole_member("`reset(fd)`: Clears the queue") == "`reset()` clears the queue"
    assert whole_member("IN_CREATE: a name appeared") == "IN_CREATE: a name appeared"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("reference"), "Explain the watch library", 1.0)
    run.source("api.md", REFERENCE)
    for stage in ("outline", "research", "script", "storyboard"):
        run.stage(stage)
    return run


def scenes_of(run: Run, heading: str) -> list[Scene]:
    board = Storyboard.model_validate_json(run.text("storyboard.json"))
    return [scene for scene in board.scenes if scene.heading == heading]


def test_a_reference_is_told_in_whole_sentences(told: Run) -> None:
    """Each sentence has a subject, named once a paragraph; no signature is read out."""
    script = told.text("script.txt")
    assert "\n`watch_add()` adds a watch for the path. [" in script
    assert "\nIt returns -1 on error. [" in script
    assert "\n`watch_close()` closes the descriptor and wakes every thread that waits. [" in script
    assert scenes_of(told, "watch_add()")


def test_a_question_leads_in_and_is_shown_once(told: Run) -> None:
    """It is said before its answer; the picture has it as its heading, and its cards come with their sentences."""
    assert "\nWhat happens on overflow?\nThe kernel drops" in told.text("script.txt")
    (scene,) = scenes_of(told, "What happens on overflow?")
    assert scene.narration.startswith("What happens on overflow? The kernel drops")
    assert isinstance(scene.content, Bullets)
    assert [item.split()[0] for item in scene.content.items] == ["The", "A"]
    kernel = next(word for word in scene.words if word.text == "kernel")
    assert 0.0 < kernel.start - scene.reveals[0] < 0.6


def test_a_heading_that_is_said_is_not_shown_twice(told: Run) -> None:
    """A sentence that is its own heading stands there once."""
    (scene,) = scenes_of(told, "The folder is the truth")
    assert scene.narration.startswith("The folder is the truth.")
    assert "folder is the truth" not in scene.content.model_dump_json()


def test_years_side_by_side_are_told_by_their_change() -> None:
    """Columns that are years: each row's way, or of many the largest and the smallest."""
    columns = ["Town", "2019 (%)", "2023 (%)"]
    rows = [["Oslo", "12", "30"], ["Moss", "3", "9"], ["Voss", "4", "5"], ["Bergen", "1", "7"]]
    assert tell(*every_figures(columns, rows[:2])) == [
        "Oslo went from 12 % in 2019 to 30 % in 2023.",
        "Moss went from 3 % in 2019 to 9 % in 2023.",
    ]
    assert tell(*every_figures(columns, rows)) == [
        "The largest change: Oslo went from 12 % in 2019 to 30 % in 2023.",
        "The smallest: Voss went from 4 % in 2019 to 5 % in 2023.",
    ]


def test_a_lead_that_dangles_is_not_said(tmp_path: Path) -> None:
    """ "Here is what it did:" leans on a sentence that may not be told."""
    run = Run(tmp_path, "Explain the queue", 0.5)
    run.source(
        "queue.md", "# The queue\n\nHere is what it did in a year:\n\n- It lost no event.\n- It grew twice.\n"
    )
    for stage in ("outline", "research"):
        run.stage(stage)
    assert "Here is" not in run.stage("script")
