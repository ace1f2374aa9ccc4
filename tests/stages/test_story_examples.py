"""The examples become scripts that could be published: three kinds of document, each told nearly whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stages.items import load_research
from stages.plan import load_plan
from stages.script_text import Script, load_script
from stages.sentences import count_words
from stages.sources import read_documents
from tests.stages.story_runs import EXAMPLE, Run

EXAMPLES = EXAMPLE.parent


@pytest.fixture(scope="module", params=["inotify", "compression", "metre"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One example as its request asks for it, up to the script."""
    asked = yaml.safe_load((EXAMPLES / f"{request.param}.yaml").read_text(encoding="utf-8"))
    run = Run(tmp_path_factory.mktemp(request.param), asked["intent"])
    run.params |= asked["params"]
    for name in asked["params"]["sources"]:
        run.source(name, (EXAMPLES / name).read_bytes())
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    return run


def script_of(run: Run) -> Script:
    return load_script(run.path, {item.id for item in load_research(run.path).items})


def test_the_main_parts_are_told(told: Run) -> None:
    """At most one planned part and a quarter of the parts of the source have no sentence."""
    plan = load_plan(told.path)
    spoken = {item.section for item in load_research(told.path).items if item.id in cited(told)}
    assert len({part.heading for part in plan.all_parts} - spoken) <= 1
    (document,) = read_documents(told.context("outline"))
    assert len(spoken) >= 0.75 * len(document.sections)


def cited(run: Run) -> set[str]:
    return {name for _, paragraph in script_of(run).paragraphs for name in paragraph.items}


def test_pictures_have_material(told: Run) -> None:
    """Lists, steps, tables, comparisons and dates of the source are told as such."""
    kinds = {item.id: item.kind for item in load_research(told.path).items}
    shown = [kinds.get(paragraph.show, "") for _, paragraph in script_of(told).paragraphs]
    assert sum(kind in ("list", "steps", "table", "code", "quote") for kind in shown) >= 2


def test_a_part_that_is_told_shows_its_code(told: Run) -> None:
    """With a sentence that explains it: a manual without its code would only describe what it is about."""
    spoken = {item.section: set[str]() for item in load_research(told.path).items}
    for item in load_research(told.path).items:
        spoken[item.section] |= {item.kind} if item.id in cited(told) else set()
    coded = {item.section for item in load_research(told.path).items if item.kind == "code"}
    assert all("code" in spoken[section] for section in coded if spoken[section])
    explained = [paragraph for _, paragraph in script_of(told).paragraphs if _is_code(told, paragraph.show)]
    assert len(explained) == len(coded)
    assert all(len(paragraph.items) > 1 for paragraph in explained)


def _is_code(run: Run, name: str) -> bool:
    return any(item.id == name and item.kind == "code" for item in load_research(run.path).items)


def test_it_is_spoken_language(told: Run) -> None:
    """An opening and a close, sentences of at most 25 words, near the length asked for, all claims cited."""
    paragraphs = [paragraph for _, paragraph in script_of(told).paragraphs]
    assert paragraphs[0].show == "title"
    assert paragraphs[0].items
    assert paragraphs[-1].show == "sources"
    lines = [line for paragraph in paragraphs for line in paragraph.lines]
    assert all(count_words(line.text) <= 25 for line in lines)
    bare = [line.text for line in lines if not line.items]
    assert all(re.match(r"In the next|That is how|The source", text) for text in bare)
    seconds = re.search(r"about (\d+) seconds", told.text("script.txt"))
    assert seconds
    assert float(seconds[1]) == pytest.approx(60 * told.params["minutes"], rel=0.1)


def test_what_the_page_says_of_itself_is_left_out(told: Run) -> None:
    """Navigation, licences, footers and further reading are no part of a story."""
    everything = Path(told.path, "research.json").read_text(encoding="utf-8")
    assert not re.search(
        r"newsletter|All histories|rights reserved|Weights and Measures|licence of", everything
    )
