"""What people write, as types: job requests and decisions, and how any document becomes its model.

Scalars are strict: text is never read as a number, nor a number as text; a whole number will do where a
number is wanted. A key without a value counts as not given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from daemon import strictyaml
from daemon.errors import Invalid, Problem
from daemon.explain import explain
from daemon.tree import Document, shown

NAME = r"^[a-z][a-z0-9_-]{0,39}$"
ID = r"^[a-z0-9][a-z0-9._-]{0,79}$"
SLUG = r"^[a-z0-9][a-z0-9-]{0,59}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
LABEL = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"

M = TypeVar("M", bound="Strict")


def matching(pattern: str, expected: str) -> Callable[[str], str]:
    """A check that says what was expected instead of showing a regular expression."""
    compiled = re.compile(pattern.removesuffix("$") + r"\Z")

    def check(text: str) -> str:
        if not compiled.match(text):
            raise ValueError(f"{shown(text)} is not {expected}")
        return text

    return check


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("must be one line, without tabs")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


_NAMED = "a name: a lower-case letter, then lower-case letters, digits, - or _, at most 40"
Name = Annotated[str, AfterValidator(matching(NAME, _NAMED)), Field(json_schema_extra={"pattern": NAME})]
JobId = Annotated[
    str,
    AfterValidator(
        matching(ID, "an id: lower-case letters, digits, . _ -, a letter or digit first, at most 80")
    ),
    Field(json_schema_extra={"pattern": ID}),
]
Slug = Annotated[
    str,
    AfterValidator(matching(SLUG, "a slug: lower-case letters, digits and -, at most 60")),
    Field(json_schema_extra={"pattern": SLUG}),
]
Digest = Annotated[
    str,
    AfterValidator(matching(DIGEST, "a digest: sha256: and 64 hex digits, as in gate.json")),
    Field(json_schema_extra={"pattern": DIGEST}),
]
LabelKey = Annotated[str, AfterValidator(matching(LABEL, "a label: letters, digits, . _ / -, at most 63"))]
Line = Annotated[str, AfterValidator(_one_line), Field(max_length=200)]
Text = Annotated[str, Field(max_length=20_000)]
Minutes = Annotated[float, Field(gt=0, le=525_600)]


class Strict(BaseModel):
    """A part of a document: unknown keys refused, never changed, no value taken for another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        """Leave out known keys that stand there without a value."""
        if not isinstance(given, Mapping):
            return given
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in given.items() if value is not None or key not in known}


class GateChange(Strict):
    """What one job wants of one gate; it may only be tighter than the policy."""

    required: bool = Field(default=True, description="true adds a gate where the policy asks for none")
    auto_approve: bool | None = Field(default=None, description="false: never approved by the timer")
    timeout_minutes: Minutes | None = Field(default=None, description="At most what the policy gives")
    on_timeout: Literal["pause", "cancel", "fail"] | None = Field(
        default=None, description="Only for a gate that this job adds"
    )


class Request(Strict):
    """A job request: drop it into ``inbox/`` and it becomes a job."""

    intent: Annotated[Text, AfterValidator(_not_blank)] = Field(
        description="What is to be made, for whom, in a sentence or more. The one key that is required."
    )
    slug: Slug | None = Field(
        default=None, description="Short name for folders; made from the intent if absent"
    )
    id: JobId | None = Field(
        default=None, description="The job's id, taken for ever; the same request twice is one job"
    )
    pipeline: Name | None = Field(
        default=None, description="A file of conf/pipelines without .yaml; the policy's default if absent"
    )
    priority: Literal["low", "normal", "high", "urgent"] = Field(
        default="normal", description="Who goes first"
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Checked against the pipeline's params")
    gates: dict[Name, GateChange] = Field(default_factory=dict, description="By stage; may only tighten")
    stage_timeouts: dict[Name, Minutes] = Field(
        default_factory=dict, description="Minutes by stage; may only shorten"
    )
    labels: Annotated[dict[LabelKey, Line], Field(max_length=50)] = Field(
        default_factory=dict, description="Anything to find the job by, text to text"
    )


class Decision(Strict):
    """A decision in ``runs/ID/``: the file's name says which, every key is optional."""

    job: JobId | None = Field(default=None, description="Binds: the job looked at")
    stage: Name | None = Field(default=None, description="Binds: must be the gate that waits")
    attempt: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Binds: the attempt looked at"
    )
    digest: Digest | None = Field(
        default=None, description="Binds: exactly the files looked at, from gate.json"
    )
    by: Line | None = Field(default=None, description="Who decides")
    notes: Text | None = Field(default=None, description="Why; reaches the stage with the next attempt")
    then: Literal["pause", "retry", "stop"] | None = Field(
        default=None, description="reject: pause (default), make it again, or cancel the job"
    )
    from_: Name | None = Field(
        default=None, alias="from", description="reject, resume: go back to this stage"
    )
    redo: Annotated[dict[Line, Text], Field(max_length=1000)] | None = Field(
        default=None, description="reject: the parts to make again and why, keyed by the stage's own names"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.from_ is not None and self.then in ("pause", "stop"):
            raise ValueError(f"from goes back and makes again, then: {self.then} does not; keep one of them")
        return self


Verb = Literal["approve", "reject", "cancel", "resume"]
_BINDING = ("job", "stage", "attempt", "digest", "by", "notes")
DECISION_KEYS: Mapping[str, tuple[str, ...]] = {
    "approve": _BINDING,
    "reject": (*_BINDING, "then", "from", "redo"),
    "cancel": _BINDING,
    "resume": (*_BINDING, "from"),
}
"""The keys that may stand in each kind of decision."""


def as_model(document: Document, model: type[M]) -> M:
    """A document as its model; Invalid, with the place of everything wrong, if it is none."""
    try:
        return model.model_validate(document.plain(), by_alias=True)
    except ValidationError as error:
        raise Invalid(*explain(document, error, model)) from None


def load(data: bytes, model: type[M], where: str) -> M:
    """Bytes as a model. ``where`` names the file in problems. Raises Invalid and nothing else."""
    return as_model(strictyaml.parse(data, where), model)


def load_decision(data: bytes, verb: str, where: str) -> Decision:
    """The decision ``verb`` (approve, reject, cancel, resume) as its author wrote it.

    An empty file, or one with only its end mark, says no more than its name. Raises Invalid.
    """
    if data.removeprefix(b"\xef\xbb\xbf").strip() in (b"", b"...", b"---", b"---\n..."):
        return Decision()
    document = strictyaml.parse(data, where)
    allowed = DECISION_KEYS[verb]
    misplaced = [
        key for key in DECISION_KEYS["reject"] if key in document.root.entries and key not in allowed
    ]
    problems = [
        document.problem((key,), f"has no place in {verb}.yaml; allowed: {', '.join(allowed)}")
        for key in misplaced
    ]
    if problems:
        raise Invalid(*problems)
    return as_model(document, Decision)


def slug_of(intent: str) -> str:
    """A short name for folders from the intent: ASCII words with ``-``, at most 40 characters."""
    plain = unicodedata.normalize("NFKD", intent).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    slug = ""
    for word in words:
        if slug and len(slug) + 1 + len(word) > 40:
            break
        slug = f"{slug}-{word}" if slug else word[:40]
    return slug or "job"


def whole_file(where: str, message: str, field: str = "") -> Problem:
    """A problem of the file as a whole."""
    return Problem(where, 0, 0, field, message)
