"""The JSON Schemas that editors complete by: they take what the daemon takes, and the files are theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from daemon.errors import NotPossible
from daemon.schemas import KINDS, editor_line, schema

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    "conf/operator.yaml": "operator",
    "conf/pipelines/note.yaml": "pipeline",
    "conf/pipelines/video.yaml": "pipeline",
    "examples/note.yaml": "job",
    "examples/inotify.yaml": "job",
    "examples/compression.yaml": "job",
    "examples/metre.yaml": "job",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_made_from_the_models(kind: str) -> None:
    """conf/schema is what `spork init .` would write; run that after changing a model."""
    written = json.loads((ROOT / f"conf/schema/{kind}.schema.json").read_text())
    assert written == schema(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_schemas(kind: str) -> None:
    """Valid in the draft they name, every key of the top level with a description or a described type."""
    made = schema(kind)
    Draft202012Validator.check_schema(made)
    assert made["additionalProperties"] is False
    for name, field in made["properties"].items():
        described = (
            field
            if "description" in field or "$ref" not in field
            else made["$defs"][field["$ref"].split("/")[-1]]
        )
        assert described.get("description"), name


@pytest.mark.parametrize(("path", "kind"), DOCUMENTS.items())
def test_the_samples_fit_their_schema(path: str, kind: str) -> None:
    """Editors find nothing wrong in the repository's documents, and the schema by their first line."""
    text = (ROOT / path).read_text()
    Draft202012Validator(schema(kind)).validate(yaml.safe_load(text))
    first = text.splitlines()[0]
    folder = first.removeprefix("# yaml-language-server: $schema=").rpartition("/")[0]
    assert first == editor_line(kind, folder)  # type: ignore[arg-type]
    assert ((ROOT / path).parent / folder / f"{kind}.schema.json").is_file()


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("job", {"intent": "x", "slug": "A b"}),
        ("job", {"intnt": "x"}),
        ("job", {"intent": "x", "priority": "hgh"}),
        ("decision", {"then": "again"}),
        ("operator", {"gates": {"script": {"timeout_minutes": 0}}}),
        ("pipeline", {"name": "p", "stages": []}),
    ],
)
def test_wrong_documents_do_not_fit(kind: str, document: object) -> None:
    """What the daemon would refuse is underlined while it is typed."""
    assert not Draft202012Validator(schema(kind)).is_valid(document)


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    """`spork schema jobs` is told the right name."""
    with pytest.raises(NotPossible, match="did you mean 'job'"):
        schema("jobs")
