"""What a person wrote in script.txt is in the next script too, or the next one says that it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stages.items import load_research
from stages.script_text import load_script
from tests.stages.story_runs import Run

SOURDOUGH = Path(__file__).parent / "sourdough.md"
OWN = "Feed it as you would feed a cat."
MORE = "A cat would not wait, either."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = Run(tmp_path_factory.mktemp("made"), "Explain how to keep a sourdough starter alive", 1.0)
    run.source("sourdough.md", SOURDOUGH.read_bytes())
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    return run.path


@pytest.fixture
def dough(made: Path, tmp_path: Path) -> Run:
    """A script of a minute, at its gate."""
    run = Run(tmp_path, "Explain how to keep a sourdough starter alive", 1.0)
    shutil.copytree(made, run.path, dirs_exist_ok=True)
    return run


def edited(run: Run, *changes: tuple[str, str], attempt: int = 1) -> None:
    """A person changes ``script.txt`` at its gate; as it was made it lies in history/, as the daemon keeps it."""
    kept = run.path / f"history/03-script.{attempt}/made/script.txt"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(run.path / "script.txt", kept)
    text = run.text("script.txt")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (run.path / "script.txt").write_text(text, encoding="utf-8")


def sentences(run: Run) -> list[str]:
    script = load_script(run.path, {item.id for item in load_research(run.path).items})
    return [line.text for _, paragraph in script.paragraphs for line in paragraph.lines]


def lines_with(run: Run, *numbers: int) -> list[str]:
    """Lines of ``script.txt`` that are a sentence with its item, by their order."""
    found = [
        line for line in run.text("script.txt").splitlines() if line.endswith("]") and line[0] not in "#="
    ]
    return [found[number] for number in numbers]


def test_what_was_edited_survives_a_rejection(dough: Run) -> None:
    """A sentence that was changed, one put in and one taken out; the rest is as the rules write it."""
    before = sentences(dough)
    changed, followed, dropped = lines_with(dough, 1, 3, 5)
    edited(dough, (changed, OWN), (followed, f"{followed}\n{MORE}"), (dropped + "\n", ""))
    left = sentences(dough)
    assert len(left) == len(before)
    text = dough.stage("script", feedback="make it split scene 3")
    assert sentences(dough) == left
    assert f"# Note: kept as somebody wrote it in script.txt: “{OWN}”, “{MORE}”" in text
    assert "could not be honoured without a writer: 'make it split scene 3'" in text


def test_edits_of_every_attempt_survive(dough: Run) -> None:
    """Also those of the attempt before the last one."""
    (first,) = lines_with(dough, 1)
    edited(dough, (first, OWN))
    dough.stage("script", feedback="a joke")
    (folder,) = dough.path.glob("history/03-script.1")
    shutil.copyfile(dough.path / "script.txt", folder / "script.txt")
    (second,) = lines_with(dough, 2)
    edited(dough, (second, f"{second}\n{MORE}"), ("Title: ", "Title: Our "), attempt=2)
    left = sentences(dough)
    text = dough.stage("script", feedback="a better joke")
    assert sentences(dough) == left
    assert {OWN, MORE} <= set(left)
    assert "Title: Our " in text


def test_what_cannot_be_kept_is_named(dough: Run) -> None:
    """The sentence that it was written for is not told any more; a heading is, under its new name."""
    headings = [line for line in dough.text("script.txt").splitlines() if line.startswith("== ")]
    sentence = next(line for line in dough.text("script.txt").splitlines() if line.startswith("show: f"))
    at = dough.text("script.txt").split(sentence + "\n", 1)[1].split("\n", 1)[0]
    edited(dough, (at, OWN), (headings[1], "== Cats =="))
    item = sentence.removeprefix("show: ")
    kind = next(each.kind for each in load_research(dough.path).items if each.id == item)
    text = dough.stage("script", feedback=f"leave out the {kind}")
    assert OWN not in sentences(dough)
    assert f"could not be kept, what it was written for is not told any more: “{OWN}”" in text


def test_an_unedited_script_is_written_anew_as_ever(dough: Run) -> None:
    """Nothing is told of edits where there are none; nor where the edited one cannot be read."""
    before = dough.text("script.txt")
    edited(dough)
    assert "as somebody wrote it" not in dough.stage("script", feedback="a joke")
    (dough.path / "script.txt").write_text("Bees buzz. [f9999]\n", encoding="utf-8")
    text = dough.stage("script", feedback="a joke")
    assert text.split("# Note")[0] == before.split("# Note")[0]
