"""A language model as the writer: its answers are checked, sent back, and in the end replaced by extraction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.claims import fault_of
from stages.contract import StageError
from stages.items import Item, load_research
from stages.script_text import load_script
from stages.writer import writer_of
from tests.stages.model_server import Model, Question, listed, serving
from tests.stages.story_runs import Run

BEES = """\
# Bees

A bee visits about 1,000 flowers a day. It carries pollen from one flower to the next.

## The hive

A hive holds up to 60,000 bees in summer. The queen lays 2,000 eggs a day in spring.
Bees do not sleep in winter. They keep the hive warm with their muscles.

## Honey

Honey keeps for years without spoiling. A jar of honey takes the work of 300 bees.
"""
OUTLINE = {"title": "Bees and their honey", "opening": [0], "parts": [1, 2], "close": []}


def plan(_: Question) -> str:
    return json.dumps(OUTLINE)


def script(question: Question, spoil: Callable[[dict[str, Any]], None] = lambda _: None) -> str:
    """A script that says every item in its own words."""
    parts: list[dict[str, Any]] = []
    for item in listed(question):
        said = {"show": "", "sentences": [{"text": item["text"], "items": [item["id"]]}]}
        parts.append({"heading": item["section"], "paragraphs": [said]})
    answer = {"parts": parts}
    spoil(answer)
    return json.dumps(answer)


def first_sentence(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["parts"][0]["paragraphs"][0]["sentences"][0]
    return found


def invented(question: Question) -> str:
    def spoil(answer: dict[str, Any]) -> None:
        first_sentence(answer)["text"] = "A bee visits about 9,999 flowers a day."

    return script(question, spoil)


def unknown_item(question: Question) -> str:
    return script(question, lambda answer: first_sentence(answer).update(items=["f999"]))


def made_by(tmp_path: Path, model: Model, seconds: float = 31, **params: Any) -> Run:
    """The bees, planned by rules and written by a model."""
    run = Run(tmp_path, "Explain bees", seconds / 60)
    run.source("bees.md", BEES)
    run.stage("outline")
    run.stage("research")
    run.params |= {
        "writer": "openai",
        "base_url": model.url,
        "model": "small",
        "writer_seconds": 20,
        **params,
    }
    return run


def test_a_good_answer_is_the_script(tmp_path: Path) -> None:
    """Outline and script come from the model, each sentence with its item, the sources at the end."""
    with serving(Model(plan, script)) as model:
        run = made_by(tmp_path, model)
        outline = run.stage("outline")
        run.stage("research")
        text = run.stage("script", feedback="More cheerful, please")
    assert "Title: Bees and their honey" in outline
    assert "# Note: planned by small" in outline
    assert "# Note: written by small; each sentence was held against the items it names" in text
    assert "A jar of honey takes the work of 300 bees. [f008]" in text
    assert "More cheerful, please" in model.prompts[1]
    assert model.asked[0]["response_format"]["type"] == "json_schema"
    assert (
        load_script(run.path, {item.id for item in load_research(run.path).items}).parts[-1].heading
        == "Close"
    )


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("Sure! Here is your script:", "it is not JSON"),
        ('{"parts": []}', "parts: List should have at least 1 item"),
        (invented, "'9,999' is not a number of [f001]"),
        (unknown_item, "there is no item 'f999'"),
    ],
)
def test_a_bad_answer_is_sent_back_with_what_is_wrong(
    tmp_path: Path, bad: str | Callable[[Question], str], complaint: str
) -> None:
    """The model is told, and its next answer is taken."""
    with serving(Model(bad, script)) as model:
        text = made_by(tmp_path, model).stage("script")
    assert "# Note: written by small" in text
    assert "9,999" not in text
    assert len(model.asked) == 2
    assert complaint in model.prompts[1]


@pytest.mark.parametrize(
    ("bad", "why", "tries"),
    [
        (
            {"role": "assistant", "content": None, "refusal": "I cannot help with bees."},
            "refused: I cannot help",
            3,
        ),
        (500, "the server failed", 3),
        (404, "answered: ", 1),
        ("nonsense", "it is not JSON", 3),
        ("", "the server's answer is empty", 3),
    ],
)
def test_without_a_usable_answer_it_is_extraction(tmp_path: Path, bad: Any, why: str, tries: int) -> None:
    """The video is made all the same, and the person at the gate reads why the model did not write it."""
    with serving(Model(bad)) as model:
        text = made_by(tmp_path, model).stage("script", feedback="shorter")
    note = next(line for line in text.split("\n") if "written by extraction, not by the model" in line)
    assert why in note
    assert len(model.asked) == tries
    assert "# Note: honoured: 'shorter'" in text
    assert "A bee visits about 1,000 flowers a day. [f001]" in text


def test_a_model_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    """After its time the answer is given up; so is a server that is not there."""
    with serving(Model(0.5)) as model:
        run = made_by(tmp_path, model, writer_seconds=0.1)
        assert "no answer within 0.1 seconds" in run.stage("script")
    assert "cannot be reached" in run.stage("script")


def test_few_bad_sentences_are_said_as_the_source_says_them(tmp_path: Path) -> None:
    """At the last try one bad sentence in eight is mended and named, not a reason to drop the rest."""
    with serving(Model(invented)) as model:
        text = made_by(tmp_path, model).stage("script")
    assert "A bee visits about 1,000 flowers a day. [f001]" in text
    assert "# Note: not as the model wrote it: 'A bee visits about 9,999 flowers a day.'" in text


def test_a_script_of_another_length_is_sent_back(tmp_path: Path) -> None:
    """A minute and a half is not filled by half a minute, and is never padded: extraction says how long it is."""
    with serving(Model(script)) as model:
        text = made_by(tmp_path, model, seconds=90).stage("script")
    assert "words more" in model.prompts[1]
    assert "written by extraction" in text
    assert "nothing was padded" in text


def test_servers_that_know_no_schema_are_asked_otherwise(tmp_path: Path) -> None:
    """A server that refuses `json_schema` is asked for JSON, then for plain text; fences around it do no harm."""
    with serving(Model(400, 400, lambda question: f"```json\n{script(question)}\n```")) as model:
        text = made_by(tmp_path, model).stage("script")
    assert "# Note: written by small" in text
    shapes = [question.get("response_format", {}).get("type") for question in model.asked]
    assert shapes == ["json_schema", "json_object", None]


def test_the_key_comes_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy names a variable; what it holds goes to the server and into no file."""
    monkeypatch.setenv("WRITER_KEY", "not-for-print")
    with serving(Model(script)) as model:
        run = made_by(tmp_path, model, api_key_env="WRITER_KEY")
        run.stage("script")
    assert model.keys == ["Bearer not-for-print"]
    written = [path.read_text(encoding="utf-8") for path in run.path.rglob("*") if path.is_file()]
    assert not any("not-for-print" in text for text in written)


@pytest.mark.parametrize(
    ("params", "message", "hint"),
    [
        ({"model": "small"}, "needs base_url", "pipeline.params.video"),
        (
            {"base_url": "http://x/v1", "model": "m", "api_key_env": "NO_SUCH_KEY"},
            "NO_SUCH_KEY",
            "stages: {env:",
        ),
    ],
)
def test_a_writer_that_cannot_be_asked_is_told(params: dict[str, str], message: str, hint: str) -> None:
    """What is missing in the policy is named; nothing is written in its place."""
    with pytest.raises(StageError, match=message) as caught:
        writer_of({"writer": "openai", **params})
    assert hint in caught.value.hint


def fact(text: str, kind: str = "fact") -> Item:
    return Item(id="f001", kind=kind, text=text, section="Bees", source="b.md", line=1, paragraph=0)


BEE = fact("A hive holds up to 60,000 bees, and `hive_open()` counts 12 percent of them in Moss.", "number")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("A hive holds up to 60,000 bees.", ""),
        ("In Moss, `hive_open()` counts twelve percent of the bees.", ""),
        ("A hive holds 70,000 bees.", "'70,000' is not a number"),
        ("A hive holds twenty bees.", "'twenty' is not a number"),
        ("The hive of bees opens with `hive_shut()`.", "does not occur"),
        ("A hive in Bergen holds bees.", "the name 'Bergen'"),
        ("A hive never holds up to 60,000 bees.", "it denies"),
        ("Bees sting and dance for hungry foxes.", "too little of it stands"),
        ("A hive of bees " + "and bees " * 14 + "hums.", "at most 25"),
    ],
)
def test_a_claim_says_no_more_than_its_item(said: str, fault: str) -> None:
    """Figures, code, names, denials and words are held against the item."""
    found = fault_of(said, [BEE], BEE.text)
    assert fault in found
    assert bool(fault) == bool(found)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("So what happens in the hive?", ""),
        ("Let us look at bees in another way.", ""),
        ("There are 7 of them.", "holds a figure"),
        ("Foxes like the hive.", "no source speaks of 'fox'"),
        ("In the hive there are bees and bees and bees and more bees still.", "more than 12 words"),
    ],
)
def test_a_sentence_without_an_item_claims_nothing(said: str, fault: str) -> None:
    """It greets, asks or leads over, in words of the sources."""
    found = fault_of(said, [], BEE.text)
    assert fault in found
    assert bool(fault) == bool(found)


def test_leaving_out_a_denial_turns_a_fact_round() -> None:
    """ "Bees do not sleep" is not "Bees sleep"."""
    assert "leaves out the denial" in fault_of(
        "Bees sleep in winter.", [fact("Bees do not sleep in winter.")], ""
    )
