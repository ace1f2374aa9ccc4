"""A job as JSON and back, for the database's column. ``state.json`` has a shape of its own, see ``projection``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

from daemon.errors import Halt
from daemon.escapes import escape_lines
from daemon.model import (
    Artifact,
    Decided,
    Event,
    Failure,
    Feedback,
    Gate,
    Job,
    Stage,
    StageStatus,
    Status,
    Type,
)


def plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists; JSON values as they are."""
    if isinstance(value, str | int | float | None):
        return value
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value


def printed(facts: Any, indent: int | None = None) -> bytes:
    """JSON for a file that people print on their terminals as well: nothing in it acts there."""
    separators = (",", ":") if indent is None else None
    return escape_lines(json.dumps(facts, ensure_ascii=False, indent=indent, separators=separators)).encode()


def dump(job: Job) -> str:
    """The job for its row; ValueError for a number that JSON does not have: SQLite takes the whole row for damaged."""
    # The C encoder asks only for what it does not know: a third of the time that `plain` takes beforehand.
    return json.dumps(job, ensure_ascii=False, separators=(",", ":"), default=_shallow, allow_nan=False)


def finite(odd: Callable[[str], None]) -> Callable[[str], float | None]:
    """Reads a number for `json.loads`, as parse_float and parse_constant: one that JSON does not have as null.

    ``odd`` is told each of these, as written. Earlier releases let a stage say 1e999, and wrote Infinity.
    """

    def read(word: str) -> float | None:
        number = float(word)
        if math.isfinite(number):
            return number
        odd(word)
        return None

    return read


_finite = finite(lambda _: None)
_parse = json.JSONDecoder(parse_float=_finite, parse_constant=_finite).decode


def _shallow(value: Any) -> Any:
    """One level of a noun or a mapping, for the encoder."""
    if isinstance(value, Mapping):
        return dict(value)
    return {name: getattr(value, name) for name in value.__slots__}


@contextmanager
def _from_row(of: str) -> Iterator[None]:
    """A bit that flipped inside a row is not seen by SQLite: who reads the row sees it, and nothing is done on it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Halt(
            f"jobs/spork.db: damaged: {of} cannot be read ({error!r}); stop the daemon and run: spork rebuild"
        ) from error


def load(text: str, job_id: str) -> Job:
    """The job that was dumped; Halt, with its id, if the text is something else."""
    with _from_row(f"job {job_id}"):
        return _job(_parse(text))


EVENT_COLUMNS = "type, ts, job_id, stage, attempt, message, payload, status, seq"


def event(row: Sequence[Any]) -> Event:
    """The event of a row of ``EVENT_COLUMNS``; Halt if it is none."""
    kind, ts, job, stage, attempt, message, payload, status, seq = row
    with _from_row(f"event {seq}"):
        return Event(Type(kind), ts, job, stage, attempt, message, _parse(payload), status, seq)


def _job(facts: dict[str, Any]) -> Job:
    facts["stages"] = tuple(_stage(s) for s in facts["stages"])
    facts["status"] = Status(facts["status"])
    facts["gate"] = _gate(facts["gate"]) if facts["gate"] else None
    facts["decided"] = tuple(Decided(**d) for d in facts["decided"])
    facts["error"] = Failure(**facts["error"]) if facts["error"] else None
    facts["told"] = _told(facts)
    return Job(**facts)


def _told(facts: dict[str, Any]) -> dict[str, Feedback]:
    """By stage. The first release kept one ``feedback`` and one ``redo``, for whichever stage runs next."""
    if "told" in facts:
        return {name: Feedback(**said) for name, said in facts["told"].items()}
    said = Feedback(facts.pop("feedback"), facts.pop("redo"))
    left = (s.name for s in facts["stages"] if s.status is not StageStatus.COMPLETED)
    # Where no gate waits the job is at that stage already, also if what it made was rejected.
    stage = next(left, facts["stage"]) if facts["gate"] else facts["stage"]
    return {stage: said} if said != Feedback() else {}


def _stage(facts: dict[str, Any]) -> Stage:
    facts["status"] = StageStatus(facts["status"])
    facts["needs"] = tuple(facts["needs"])
    facts["artifacts"] = tuple(Artifact(**a) for a in facts["artifacts"])
    return Stage(**facts)


def _gate(facts: dict[str, Any]) -> Gate:
    return Gate(**{**facts, "early": tuple(facts["early"])})
