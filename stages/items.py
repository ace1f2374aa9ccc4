"""Research items: what the sources say, each with its place. ``research.json`` is this, printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stages.contract import StageError

ItemKind = Literal["fact", "number", "list", "steps", "code", "table", "quote"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(Strict):
    """One thing that a source says. A claim in the script names the item it rests on."""

    id: str = Field(pattern=r"^f\d{3,}$")
    kind: ItemKind
    text: str
    """The sentence, the quote, or for a list, code and table the words that lead to it."""
    section: str
    source: str
    line: int = Field(ge=1)
    page: int | None = None
    paragraph: int
    """The block of the document it stands in; sentences of one paragraph share it."""
    score: float = 0.0
    """How near it is to the brief, 0 to 1."""
    alone: bool = True
    """Whether it can be said without the sentence before it."""
    parts: list[str] = []
    language: str = ""
    columns: list[str] = []
    rows: list[list[str]] = []

    @property
    def place(self) -> str:
        """Where it stands, as a person writes it."""
        return f"{self.source}, page {self.page}" if self.page else f"{self.source}:{self.line}"


class SourceDocument(Strict):
    """One document that was read."""

    name: str
    title: str
    words: int


class Research(Strict):
    """Everything that may be said, and what was left out and why."""

    schema_version: Literal[1] = Field(1, alias="schema")
    brief: str
    documents: list[SourceDocument]
    items: list[Item]
    notes: list[str] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    def item(self, name: str) -> Item | None:
        """The item of that id."""
        return next((item for item in self.items if item.id == name), None)


def load_research(run_dir: Path) -> Research:
    """Read ``research.json``. Raises StageError saying which field is wrong."""
    path = run_dir / "research.json"
    try:
        return Research.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError("research.json is missing", "run the stage research first") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise StageError(
            f"research.json: {place}: {first['msg']}", "undo the last change to that file"
        ) from None


def save_research(research: Research, path: Path) -> None:
    """Write ``research.json`` so that a person can read it."""
    data = research.model_dump(by_alias=True, exclude_defaults=False)
    for item in data["items"]:
        for empty in [key for key in ("parts", "language", "columns", "rows", "page") if not item[key]]:
            del item[empty]
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
