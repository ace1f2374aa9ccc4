"""Sentences that say nothing by themselves: questions, and what leads to code or explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.announced import announces, asks, explains
from stages.claims import fault_of
from stages.items import Item, load_research
from stages.script_text import load_script
from tests.stages.story_runs import Run


def item(text: str, kind: Any = "fact", paragraph: int = 0) -> Item:
    return Item(id="f001", kind=kind, text=text, section="S", source="a.md", line=1, paragraph=paragraph)


@pytest.mark.parametrize(
    ("text", "kind", "leads"),
    [
        ("This short function gives what to weigh.", "code", True),
        ("Here are the numbers of a warm week.", "table", True),
        ("These three points help.", "list", True),
        ("This short function gives what to weigh.", "table", False),
        ("A function has a name.", "code", False),
    ],
)
def test_a_sentence_that_announces_what_follows(text: str, kind: str, leads: bool) -> None:
    """Only what stands right after it, and is of the kind that it names."""
    assert announces(item(text), item("S", kind, 1)) is leads
    assert not announces(item(text), item("S", kind, 2))


def test_a_sentence_that_explains_code() -> None:
    """Its subject is the code before it."""
    code = item("S", "code")
    assert explains(item("For 220 g it answers 20 g of starter.", paragraph=1), code)
    assert explains(item("The function counts whole grams.", paragraph=1), code)
    assert not explains(item("Bread is old, and it is good.", paragraph=1), code)


def test_a_question_claims_nothing() -> None:
    """A sentence cannot rest on an item that only asks."""
    question = item("How do you know that a starter is ripe?")
    assert asks(question.text)
    assert "only asks" in fault_of("You know that a starter is ripe.", [question], question.text)


def test_a_question_is_told_with_its_answer_and_never_summed_up(tmp_path: Path) -> None:
    """The short sentence that opens a part may be a question: the recap says the answer or nothing."""
    run = Run(tmp_path, "Explain when a starter is ripe and how it is fed", 0.6)
    run.source(
        "dough.md",
        "# Dough\n\nA starter lives in flour and water.\n\n"
        "## Ripeness\n\nHow do you know that the starter is ripe? A spoonful of a ripe starter floats.\n\n"
        "## Feeding\n\nA starter is fed once a day. Half of it is thrown away.\n\n"
        "## Trouble\n\nMould ruins a starter. Is a pink starter lost?\n",
    )
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    script = load_script(run.path, {each.id for each in load_research(run.path).items})
    recap = [line.text for _, p in script.paragraphs if p.show == "recap" for line in p.lines]
    assert len(recap) > 1
    assert not any(map(asks, recap))
    assert "How do you know that the starter is ripe? A spoonful of a ripe starter floats." in script.text
    assert "pink" not in script.text
