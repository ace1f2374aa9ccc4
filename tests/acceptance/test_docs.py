"""What the documents show has been run."""

from __future__ import annotations

import json
import re

import pytest

from daemon.schemas import schema
from tests.studio import QUICK, ROOT, Studio


def test_the_stage_authors_example(studio: Studio) -> None:
    """The pipeline and the function of docs/stages.md, as they stand there."""
    page = (ROOT / "docs/stages.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"```(?:yaml|python)\n# (conf/\S+)\n(.*?)```", page, re.DOTALL):
        (studio.root / name).write_text(text)
    assert studio.spork("check", str(studio.root / "conf/pipelines/shout.yaml")).returncode == 0
    studio.start()
    studio.submit("s-1", "shout")
    studio.wait("s-1", "needs_approval")
    assert (studio.run("s-1") / "draft.txt").read_text() == "THE INTENT OF S-1\n"
    studio.answer("s-1", "approve")
    state = studio.wait("s-1", "completed")
    assert json.loads((studio.run("s-1") / "count.json").read_text()) == {"words": 4, "ending": "!"}
    assert state["stages"][1]["artifacts"][0]["meta"] == {"note": "4 words"}


def test_the_examples_are_asked_for_as_the_readme_says(studio: Studio) -> None:
    """Each example it names, submitted from a fresh workspace, comes with the documents that it reads."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.search(r"can be asked for with `spork submit`.*?\n\n", page, re.DOTALL)
    assert said is not None
    names = re.findall(r"`(examples/[a-z]+)\.yaml`", said.group())
    assert len(names) == 3
    for name in names:
        request = studio.root / f"{name}.yaml"
        studio.spork("submit", str(request))
        brought = studio.root / "inbox" / request.stem
        assert {p.stem for p in brought.iterdir()} == {request.stem}


REQUESTS = ROOT / "docs/requests.md"


@pytest.mark.parametrize(
    ("kind", "part"), [("job", None), ("job", "GateChange"), ("decision", None), ("operator", "GatePolicy")]
)
def test_the_page_of_requests_names_every_key(kind: str, part: str | None) -> None:
    """In its tables, each key that the schema has."""
    rows = "".join(re.findall(r"^\|.*\n", REQUESTS.read_text(encoding="utf-8"), re.MULTILINE))
    told = schema(kind)
    keys = (told["$defs"][part] if part else told)["properties"]
    assert [key for key in keys if not re.search(rf"`{key}[`:]", rows)] == []


def test_the_requests_and_answers_of_their_page(studio: Studio) -> None:
    """Its request, its policy and its answers, in the order in which they stand there."""
    page = REQUESTS.read_text(encoding="utf-8")
    shown = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.DOTALL))
    policy = studio.root / "conf/operator.yaml"
    policy.write_text(QUICK + shown["conf/operator.yaml"])
    studio.spork("check", str(policy))
    studio.start()
    studio.drop("downtime.yaml", shown["inbox/downtime.yaml"])
    state = studio.wait("downtime-1", "needs_approval", stage="draft")
    assert (state["priority"], state["labels"], state["params"]["width"]) == ("high", {"team": "ops"}, 60)
    assert state["gate"]["expires_at"] is not None
    for name, status in (("reject", "paused"), ("resume", "needs_approval"), ("cancel", "canceled")):
        studio.write("downtime-1", f"{name}.yaml", shown[f"runs/downtime-1/{name}.yaml"])
        state = studio.wait("downtime-1", status)
    assert state["stages"][0]["attempts"] == 2
