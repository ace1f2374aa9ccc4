"""``transcript.md``: every word with its time, and each claim with the place in its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages import transcript
from stages.items import Item, Research, save_research
from stages.scenes import Citation
from stages.transcript import sentences
from tests.stages.tiny_runs import context, save, storyboard

pytestmark = pytest.mark.video

TEXTS = ("The `queue` holds 16,384 events. Whatever comes after that is dropped.", "Look again, always.")
SCRIPT = """title: Queues

== The limit ==
The `queue` holds 16,384 events. [f001]
Whatever comes after that is dropped. [f002]

Look again, always.
"""
CITED = [
    Citation(item="f001", source="inotify.md", line=12),
    Citation(item="f002", source="man_page.pdf", line=3, page=4),
]


def item(name: str, text: str, source: str, page: int | None = None) -> Item:
    return Item(
        id=name, kind="fact", text=text, section="Limits", source=source, line=12, page=page, paragraph=0
    )


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    board = storyboard(TEXTS)
    first = board.scenes[0].model_copy(update={"citations": CITED, "heading": "The *limit*"})
    save(board.model_copy(update={"scenes": [first, board.scenes[1]]}), tmp_path)
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    items = [
        item("f001", "The queue of each descriptor holds\n16,384 events.", "inotify.md"),
        item("f002", "Further events are dropped.", "man_page.pdf", 4),
    ]
    research = Research(brief="Queues", documents=[], items=items)
    save_research(research, tmp_path / "research.json")
    return tmp_path


def written(run_dir: Path) -> str:
    from stages.placing import spoken_board

    transcript.write(context(run_dir, run_dir / "out", "assemble"), spoken_board(run_dir))
    return (run_dir / "out" / "transcript.md").read_text(encoding="utf-8")


def test_each_claim_leads_to_its_place(run_dir: Path) -> None:
    """File and line, or page, and the words that stand there; what claims nothing has no number."""
    text = written(run_dir)
    assert "# Tiny" in text
    assert r"## 0:00 The \*limit\*" in text
    assert "The queue holds 16,384 events. [[1]](#source-1)" in text
    assert "Whatever comes after that is dropped. [[2]](#source-2)" in text
    assert "\nLook again, always.\n" in text
    assert "inotify.md, line 12: “The queue of each descriptor holds 16,384 events.”" in text
    assert r"man\_page.pdf, page 4: “Further events are dropped.”" in text


def test_what_a_person_changed_is_cited_with_its_scene(run_dir: Path) -> None:
    """The sentence of the script is not there any more: its items are still named, after the scene."""
    script = SCRIPT.replace("Whatever comes after", "What comes after")
    (run_dir / "script.txt").write_text(script, encoding="utf-8")
    assert "Whatever comes after that is dropped. [[2]](#source-2)" in written(run_dir)


def test_without_a_script_the_scenes_are_cited(run_dir: Path) -> None:
    (run_dir / "script.txt").unlink()
    text = written(run_dir)
    assert "dropped. [[1]](#source-1) [[2]](#source-2)" in text
    assert "Further events" in text


def test_sentences_of_the_script_are_found_among_others() -> None:
    """Longest first; what stands between them is divided at its own ends."""
    lines = {("a", "b."): ("a b.", ("f001",)), ("a", "b.", "c."): ("a b. c.", ("f002",))}
    words = "x y. z a b. c. a b. w".split()
    assert list(sentences(words, lines)) == [
        ("x y.", ()), ("z", ()), ("a b. c.", ("f002",)), ("a b.", ("f001",)), ("w", ()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "filled", "quoted"),
    [
        ("steps", {"parts": ["Weigh 20 g.", "Add flour."]}, "Weigh 20 g. / Add flour."),
        ("code", {"parts": ["def feed():", "", "    return 20"]}, "def feed(): / return 20"),
        ("table", {"columns": ["at", "hours"], "rows": [["18 °C", "12"]]}, "at, hours / 18 °C, 12"),
        ("quote", {"parts": ["A baker"]}, "Feeding"),
    ],
)
def test_the_words_that_stand_at_the_place_are_quoted(kind: str, filled: dict[str, Any], quoted: str) -> None:
    """Of steps, a table or code the line is where they begin: not their heading or lead, which is above it."""
    found = Item.model_validate(
        {**item("f001", "Feeding", "dough.md").model_dump(), "kind": kind, **filled},
    )
    assert transcript._quoted(found) == quoted
