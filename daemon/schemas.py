"""JSON Schemas of the documents people write, so that their editors complete and check while they type."""

from __future__ import annotations

from typing import Any, Literal, get_args

from daemon.documents import Decision, Request, Strict
from daemon.errors import NotPossible
from daemon.explain import nearest
from daemon.pipelines import Pipeline
from daemon.settings import Policy

Kind = Literal["job", "decision", "operator", "pipeline"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_MODELS: dict[str, type[Strict]] = {
    "job": Request,
    "decision": Decision,
    "operator": Policy,
    "pipeline": Pipeline,
}


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of document. Raises NotPossible for a kind there is not."""
    model = _MODELS.get(kind)
    if model is None:
        raise NotPossible(f"there is no schema {kind}; {nearest(kind, KINDS)}")
    made = model.model_json_schema(by_alias=True)
    _tidy(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": f"Probable Spork: {kind}",
    }


def editor_line(kind: Kind, folder: str) -> str:
    """The first line by which editors find the schema; ``folder`` leads to ``conf/schema``."""
    return f"# yaml-language-server: $schema={folder}/{kind}.schema.json"


def _tidy(part: Any) -> None:
    """Drop titles made from field names: editors would show them in place of the description."""
    if isinstance(part, dict):
        for name, child in part.items():
            if name in ("properties", "$defs") and isinstance(child, dict):
                for field in child.values():
                    if isinstance(field, dict) and name == "properties":
                        field.pop("title", None)
                    _tidy(field)
            else:
                _tidy(child)
    elif isinstance(part, list):
        for child in part:
            _tidy(child)
