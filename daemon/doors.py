"""The door for answers: bound to what gate.json shows, dropped durably, and never over an undecided one.

Shared by everything that writes for a person: the command line, the web page, git sync.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.digests import FileDigests
from daemon.dropping import Dropped, into_place
from daemon.endmark import OUR_HEADER
from daemon.errors import CannotWrite, NotPossible, TryAgain
from daemon.files import temporary_name, write_durable
from daemon.looking import read_regular
from daemon.model import Job, Status
from daemon.workspace import Workspace


class Changed(NotPossible):
    """What was looked at is not what lies there now; the review follows soon."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a job. ``verb``: approve, reject, resume or cancel."""

    verb: str
    by: str
    notes: str | None = None
    then: str | None = None
    from_stage: str | None = None
    redo: Mapping[str, str] = field(default_factory=dict)
    """Names of parts, as the stage calls them, and why they are to be made again."""
    stage: str | None = None
    """Refused unless the job is there."""
    unbound: bool = False


def drop_answer(workspace: Workspace, job: Job, answer: Answer, refused_before: frozenset[str]) -> Dropped:
    """Put the decision file into the job's run directory; durable on return.

    ``refused_before``: keys of decision files that were refused; one that still lies there is replaced.
    Raises NotPossible where the job does not wait for such an answer, Changed where the files are not those
    that gate.json shows, Invalid, TryAgain, CannotWrite.
    """
    from typing import cast, get_args

    from daemon.documents import Verb, load_decision

    assert answer.verb in get_args(Verb)
    run = workspace.run(job.id)
    data = _written(answer, _bindings(run, job, answer))
    name = f"{answer.verb}.yaml"
    load_decision(data, cast(Verb, answer.verb), name)
    try:
        temporary = run / temporary_name()
        write_durable(temporary, data)
        _make_room(run / name, refused_before)
        try:
            return into_place(temporary, [name])
        except FileExistsError:
            raise NotPossible(
                f"runs/{job.id}/{name} lies there already and is not decided yet;"
                f" see: spork explain runs/{job.id}/{name}"
            ) from None
    except OSError as error:
        raise CannotWrite(f"{error.filename or run}: {error.strerror}; nothing was decided") from error


def fits(job: Job, answer: Answer) -> None:
    """NotPossible, saying what would be, where the answer does not fit where the job is."""
    here = f"{job.id} is {job.status}" + (f" ({job.reason})" if job.reason else "")
    if answer.stage is not None and answer.stage != job.stage:
        raise NotPossible(f"{here} at {job.stage or 'no stage'}, not at {answer.stage}; nothing was written")
    if answer.verb in ("approve", "reject") and not job.answerable:
        hint = f"; to go on: spork resume {job.id}" if job.status in (Status.PAUSED, Status.FAILED) else ""
        raise NotPossible(f"{here}: no gate waits for an answer{hint}; nothing was written")
    if answer.verb == "resume" and job.status not in (Status.PAUSED, Status.FAILED):
        hint = "; answer its gate with approve or reject" if job.answerable else ""
        raise NotPossible(f"{here}: only a paused or failed job is resumed{hint}; nothing was written")
    if answer.verb == "cancel" and job.final:
        raise NotPossible(f"{here} already; nothing was written")
    known = [stage.name for stage in job.stages]
    if answer.from_stage is not None and answer.from_stage not in known:
        raise NotPossible(f"--from {answer.from_stage}: {job.id} has the stages {', '.join(known)}")


def _bindings(run: Path, job: Job, answer: Answer) -> dict[str, str | int]:
    """What ties the answer to what was looked at.

    cancel ties itself to the job, and only to a stage that was named: one that moved on is meant all the same.
    """
    fits(job, answer)
    if answer.unbound:
        return {}
    if answer.verb == "cancel":
        return {"job": job.id, **({"stage": answer.stage} if answer.stage else {})}
    if answer.verb == "resume":
        return {"job": job.id, "stage": job.stage or "", "attempt": job.attempt}
    assert job.gate is not None
    bound = shown_gate(run, job)
    if bound is None:
        raise TryAgain(
            f"runs/{job.id}/gate.json does not show the {job.gate.stage} gate yet; try again in a moment"
        )
    if digest_now(run, job) not in (None, bound["digest"]):
        raise Changed(
            f"runs/{job.id}: files changed since REVIEW.md was written; it follows within seconds:"
            f" read it again, then {answer.verb}; nothing was written"
        )
    return {"job": job.id, **bound}


def shown_gate(run: Path, job: Job) -> dict[str, str | int] | None:
    """Stage, attempt and digest as gate.json shows them; None while it does not show the job's open gate yet.

    The daemon writes it after the commit, and last: with it, the review and the templates are there.
    """
    gate = job.gate
    assert gate is not None
    try:
        facts = json.loads(read_regular(run, "gate.json", 1 << 26))
        shown = {key: facts[key] for key in ("stage", "attempt", "digest")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return shown if (shown["stage"], shown["attempt"]) == (gate.stage, gate.attempt) else None


def digest_now(run: Path, job: Job) -> str | None:
    """The digest of the gate's files as they are; None where we may not read them all."""
    from daemon.publication import gate_digest

    assert job.gate is not None
    digests, now = FileDigests(), []
    for artifact in job.at(job.gate.stage).artifacts:
        try:
            now.append((artifact.path, digests.digest(run, artifact.path)))
        except PermissionError:
            return None
        except OSError as error:
            if error.errno == errno.EBUSY:
                return "being written"
    return gate_digest(now)


def _written(answer: Answer, bound: dict[str, str | int]) -> bytes:
    """The decision as YAML; text in JSON's quotes, which YAML reads alike.

    Whole by its end mark; its first line says that without it a copy was cut short.
    """
    facts: dict[str, str | int | dict[str, str] | None] = {
        **bound, "by": answer.by, "notes": answer.notes, "then": answer.then, "from": answer.from_stage,
        "redo": dict(answer.redo) or None,
    }  # fmt: skip
    plain = ("stage", "attempt", "digest", "then")
    lines = [
        f"{key}: {value if key in plain else json.dumps(value, ensure_ascii=False)}"
        for key, value in facts.items()
        if value is not None
    ]
    try:
        return "\n".join([OUR_HEADER.decode(), *lines, "...", ""]).encode()
    except UnicodeEncodeError:
        raise NotPossible("the notes or the name are not UTF-8 text; nothing was written") from None


def _make_room(path: Path, refused_before: frozenset[str]) -> None:
    """Take away a decision file that was looked at and refused: its bytes are in the database."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:" in refused_before:
        path.unlink(missing_ok=True)


def user_name() -> str:
    """Who says so, where nobody is named."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
