"""How a door drops a file: durable first, then into place by one rename that replaces nothing.

Shared by everything that writes for a person: the command line, the web page, git sync.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from daemon.digests import FileDigests
from daemon.errors import CannotWrite, NotPossible, TryAgain
from daemon.files import (
    TEMPORARY_PREFIX,
    copy_in,
    fsync_folder,
    make_folders,
    open_beneath,
    read_regular,
    write_durable,
)
from daemon.model import Job, Status
from daemon.names import LONGEST_NAME, shown
from daemon.spool import OUR_HEADER
from daemon.workspace import Workspace

SOURCE_LIMIT = 2 * 1024**3
_NOREPLACE = 1


class Changed(NotPossible):
    """What was looked at is not what lies there now; the review follows soon."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that was dropped: its name, and `catalog.file_key` of it."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to a job. ``verb``: approve, reject, resume or cancel."""

    verb: str
    by: str
    notes: str | None = None
    then: str | None = None
    from_stage: str | None = None
    stage: str | None = None
    """Refused unless the job is there."""
    unbound: bool = False


# -- requests


def drop_request(workspace: Workspace, source: Path, data: bytes, sources: tuple[str, ...]) -> Dropped:
    """Put a vetted request into the inbox, the sources that lie beside it first; durable on return.

    Raises CannotWrite, NotPossible where a source is no regular file.
    """
    folder = None
    try:
        stem, folder = _claim_stem(workspace, source, sources)
        if folder is not None:
            for name in _beside(source, sources):
                _bring(source, name, folder)
        temporary = workspace.inbox / _temporary_name()
        write_durable(temporary, data)
        # A request that brings files must keep its stem; another may take one that is surely free.
        spare = [] if folder is not None else [f"{stem}-{secrets.token_hex(3)}.yaml"]
        return _into_place(temporary, [f"{stem}.yaml", *spare])
    except (OSError, NotPossible) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, NotPossible):
            raise
        raise CannotWrite(
            f"{error.filename or workspace.inbox}: {error.strerror}; nothing was submitted"
        ) from error


def lies_beside(source: Path, name: str) -> bool:
    """Whether a request's source lies beside it, so that `drop_request` brings it."""
    return _root_of(source, name) is not None


def _claim_stem(workspace: Workspace, source: Path, sources: tuple[str, ...]) -> tuple[str, Path | None]:
    """A stem that nobody uses in the inbox, with its folder where the request brings files."""
    base = _fitting(source.name.rpartition(".")[0] or source.name)
    needed = bool(_beside(source, sources))
    number = 1
    while True:
        stem = base if number == 1 else f"{base}-{number}"
        number += 1
        inbox = workspace.inbox
        if any(os.path.lexists(inbox / name) for name in (f"{stem}.yaml", f"{stem}.yml", stem)):
            continue
        if not needed:
            return stem, None
        try:
            (inbox / stem).mkdir()
        except FileExistsError:
            continue
        os.chmod(inbox / stem, 0o2770)  # noqa: S103 - the group's members work with the daemon (contract 1)
        return stem, inbox / stem


def _fitting(stem: str) -> str:
    """A stem that the inbox takes: printable, not hidden, not set aside, short."""
    safe = "".join(c if c.isalnum() or c in "._-+ " else "-" for c in stem).lstrip("._~# ") or "job"
    return os.fsencode(safe)[: LONGEST_NAME - 40].decode(errors="ignore")


def _beside(source: Path, sources: tuple[str, ...]) -> list[str]:
    """The sources that lie beside the request: those the daemon would not find by itself."""
    return [name for name in sources if _root_of(source, name) is not None]


def _root_of(source: Path, name: str) -> Path | None:
    roots = (source.parent / source.stem, source.parent)
    return next((root for root in roots if os.path.lexists(root / name)), None)


def _bring(source: Path, name: str, folder: Path) -> None:
    root = _root_of(source, name)
    assert root is not None
    try:
        # What the caller names may be a link; what lies below may hold none.
        fd = open_beneath(root.resolve(), name)
    except OSError as error:
        why = (
            "a link, or beneath one"
            if error.errno in (errno.ELOOP, errno.EXDEV)
            else (error.strerror or "unreadable")
        )
        raise NotPossible(f"source {shown(name)} is {why}; put the file itself beside the request") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotPossible(f"source {shown(name)} is not a regular file; put a regular file there")
        parent = os.path.dirname(name)
        if parent:
            os.close(make_folders(folder, parent))
        copy_in(fd, folder / name, SOURCE_LIMIT)
    finally:
        os.close(fd)


# -- decisions


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
        temporary = run / _temporary_name()
        write_durable(temporary, data)
        _make_room(run / name, refused_before)
        try:
            return _into_place(temporary, [name])
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
        raise NotPossible(f"{here}: no gate waits for an answer; nothing was written")
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
    try:
        shown_gate = json.loads(read_regular(run, "gate.json", 1 << 26))
        bound = {key: shown_gate[key] for key in ("stage", "attempt", "digest")}
    except (OSError, ValueError, KeyError, TypeError):
        bound = {}
    gate = job.gate
    assert gate is not None
    if (bound.get("stage"), bound.get("attempt")) != (gate.stage, gate.attempt):
        raise TryAgain(
            f"runs/{job.id}/gate.json does not show the {gate.stage} gate yet; try again in a moment"
        )
    if digest_now(run, job) not in (None, bound["digest"]):
        raise Changed(
            f"runs/{job.id}: files changed since REVIEW.md was written; it follows within seconds:"
            f" read it again, then {answer.verb}; nothing was written"
        )
    return {"job": job.id, **bound}


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
    facts: dict[str, str | int | None] = {
        **bound, "by": answer.by, "notes": answer.notes, "then": answer.then, "from": answer.from_stage,
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


# -- files


def _make_durable(path: Path) -> None:
    """Sync the name of a dropped file; where the disk refuses that, take the file back.

    If it is gone by then the daemon has taken it, and made it durable itself.
    """
    try:
        fsync_folder(path.parent)
    except OSError:
        try:
            path.unlink()
        except FileNotFoundError:
            return
        raise


def _temporary_name() -> str:
    """A name that the daemon's sweep leaves alone for as long as this process lives."""
    return f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"


def _into_place(temporary: Path, names: list[str]) -> Dropped:
    """Rename the durable file to the first name that is free. FileExistsError if none is."""
    folder = temporary.parent
    status = os.lstat(temporary)
    key = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:"
    try:
        for name in names:
            try:
                _rename_new(temporary, folder / name)
            except FileExistsError:
                continue
            _make_durable(folder / name)
            return Dropped(name, key)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.unlink(missing_ok=True)
    raise FileExistsError(errno.EEXIST, "is taken", str(folder / names[-1]))


def _rename_new(source: Path, target: Path) -> None:
    """Rename, never replacing: renameat2(2), or a link where the file system does not know it."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        answer = libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), _NOREPLACE)
        code = ctypes.get_errno()
    except AttributeError:
        answer, code = -1, errno.ENOSYS
    if answer == 0:
        return
    if code not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(code, os.strerror(code), str(target))
    os.link(source, target)
    os.unlink(source)


def user_name() -> str:
    """Who says so, where nobody is named."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
