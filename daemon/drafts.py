"""The templates that answer a gate, and what a person typed into one before it counts.

Ours are made anew whenever the gated files change. Where somebody has typed, only the digest changes; what
cannot go on so is moved to ``history/`` and never removed. Moved and not copied: an editor that is still
writing goes on writing there. So does what was saved between our look and our rename: nothing is replaced, the
new template and the old one change places, and what has come out is looked at again before it goes. Only a crash
in that very instant could take such a save with it.
"""

from __future__ import annotations

import enum
import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from daemon.beneath import has, is_beneath, move_beneath, open_beneath, opened_beneath, reading
from daemon.endmark import TEMPLATE_HEADER, ends_with_mark
from daemon.files import FILE_MODE, create_copy, temporary_name, write_copy
from daemon.lease import Writers, writers
from daemon.looking import PASSING
from daemon.model import Gate, Job
from daemon.renames import UNKNOWN, exchange, rename_new

TEMPLATES = {"approve.template.yaml": "approve", "reject.template.yaml": "reject"}
LIMIT = 1024 * 1024
NOTES = 20


def update(run: Path, job: Job, gate: Gate, digest: str) -> bool:
    """Make both templates stand for the gate's files as they are; what was typed there stays. OSError.

    Gives whether anything went to ``history/`` only now, so that the page does not tell of it.
    """
    late = False
    for name, decision in TEMPLATES.items():
        fresh = _text(decision, job.id, gate.stage, str(gate.attempt), digest).encode()
        # Whoever comes between a look and its use leads to another look.
        while (done := _renewed(run, name, decision, fresh)) is not Renewed.AS_WANTED:
            late |= done is Renewed.WITH_SOMETHING_KEPT
    return late


def stand(run: Path, job: Job, gate: Gate, digest: str) -> bool:
    """Whether both templates are there and stand for the gate's files, as we wrote them or with what was typed."""
    for name, decision in TEMPLATES.items():
        fresh = _text(decision, job.id, gate.stage, str(gate.attempt), digest).encode()
        found = _read(run, name)
        if found is None or (
            found[0] != fresh and (is_ours(found[0], decision) or _carried(found[0], fresh) != found[0])
        ):
            return False
    return True


def make_way(run: Path, job: Job, gate: Gate, digest: str) -> None:
    """Move what was typed and cannot go on to ``history/``, before the page is written that tells so."""
    for name, decision in TEMPLATES.items():
        fresh = _text(decision, job.id, gate.stage, str(gate.attempt), digest).encode()
        found = _read(run, name)
        if found is not None and not is_ours(found[0], decision) and _carried(found[0], fresh) is None:
            _set_aside(run, name, name)


def clear(run: Path) -> None:
    """Take both templates away once nobody can answer; one that somebody typed into goes to ``history/``."""
    for name, decision in TEMPLATES.items():
        found = _read(run, name)
        if found is not None and not is_ours(found[0], decision):
            _set_aside(run, name, name)
            continue
        with opened_beneath(run) as folder, suppress(FileNotFoundError):
            hidden = temporary_name()
            os.rename(name, hidden, src_dir_fd=folder, dst_dir_fd=folder)
            _let_go(run, folder, hidden, name, found)


def set_aside(run: Path) -> Iterator[str]:
    """A line for each template in ``history/``, the first ``NOTES`` of them."""
    if not is_beneath(run, "history"):
        return
    with opened_beneath(run, "history") as folder:
        names = sorted(name for name in os.listdir(folder) if _KEPT.fullmatch(name))
    for name in names[:NOTES]:
        yield f"`history/{name}` is a template that somebody had edited and nobody sent: copy what still counts"


def is_ours(data: bytes, decision: str) -> bool:
    """Whether a template is as we wrote it for whatever files: nobody typed anything there."""
    pattern = re.escape(_text(decision, *["@"] * 4)).replace("@", "[^\n]*")
    return re.fullmatch(pattern.encode(), data) is not None


_KEPT = re.compile(r"(approve|reject)\.template(\.\d+)?\.yaml")
_DIGEST = re.compile(rb"^digest:[^\r\n]*", re.MULTILINE)
_ABOUT = re.compile(rb"^(job|stage|attempt):[^\r\n]*", re.MULTILINE)


def _text(decision: str, job_id: str, stage: str, attempt: str, digest: str) -> str:
    header = TEMPLATE_HEADER.decode().rstrip("\n")
    lines = [
        header,
        f"# mv {decision}.template.yaml {decision}.yaml   gives this answer; edit it before, keep the last line.",
        f'job: "{job_id}"',
        f"stage: {stage}",
        f"attempt: {attempt}",
        f"digest: {digest}",
        "# by: your name",
    ]
    if decision == "reject":
        lines += [
            "# notes: what to change",
            "then: pause   # pause | retry (make it again with the notes) | stop (cancel the job)",
            "# from: an earlier stage to go back to, in place of then",
            "# redo: {NAME: why}   what to make again, by the stage's own names, as {scene_003: too much text}",
        ]
    else:
        lines.append("# notes: anything to remember")
    return "\n".join([*lines, "...", ""])


def _carried(data: bytes, fresh: bytes) -> bytes | None:
    """What was typed, for the digest of ``fresh``; None where it is of another attempt, half saved, or no text."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    digests = _DIGEST.findall(data)
    lines = fresh.splitlines()
    same = all(line.group().rstrip() in lines for line in _ABOUT.finditer(data))
    if not (data.startswith(TEMPLATE_HEADER) and ends_with_mark(data) and same and len(digests) == 1):
        return None
    return data.replace(digests[0], _DIGEST.findall(fresh)[0], 1)


class Renewed(enum.Enum):
    """What a template was found as, or came to."""

    AS_WANTED = enum.auto()
    IN_PLACE = enum.auto()
    WITH_SOMETHING_KEPT = enum.auto()


def _renewed(run: Path, name: str, decision: str, fresh: bytes) -> Renewed:
    """One step towards a template for the present files."""
    found = _read(run, name)
    if found is None:
        _put_new(run, name, fresh)
        return Renewed.IN_PLACE
    data, mode = found
    wanted = fresh if is_ours(data, decision) else _carried(data, fresh)
    if data == wanted:
        return Renewed.AS_WANTED
    kept = True
    if wanted is None:
        _set_aside(run, name, name)
    else:
        with opened_beneath(run) as folder, suppress(FileNotFoundError):
            hidden = _changed_places(folder, name, wanted, FILE_MODE if wanted == fresh else mode | FILE_MODE)
            kept = _let_go(run, folder, hidden, name, found)
    return Renewed.WITH_SOMETHING_KEPT if kept else Renewed.IN_PLACE


def _put_new(run: Path, name: str, text: bytes) -> None:
    """Put a template where there is none, or what is no file."""
    with opened_beneath(run) as folder:
        if has(folder, name) and _read(folder, name) is None:
            write_copy(name, text, folder=folder)
        else:
            _put(folder, name, text, FILE_MODE)


def _put(folder: int, name: str, text: bytes, mode: int) -> None:
    """Give a text a name that is free; nothing where it is free no longer."""
    hidden = temporary_name()
    create_copy(hidden, text, folder, mode)
    try:
        rename_new(hidden, name, folder)
    except OSError as error:
        os.unlink(hidden, dir_fd=folder)
        if error.errno != errno.EEXIST:
            raise


def _changed_places(folder: int, name: str, text: bytes, mode: int) -> str:
    """Put a text in a template's place; gives the hidden name of what lay there. FileNotFoundError if nothing did."""
    hidden = temporary_name()
    create_copy(hidden, text, folder, mode)
    try:
        exchange(hidden, name, folder)
    except OSError as error:
        os.unlink(hidden, dir_fd=folder)
        if error.errno not in UNKNOWN:
            raise
        # The file system cannot do it at once: for an instant there is no template.
        os.rename(name, hidden, src_dir_fd=folder, dst_dir_fd=folder)
        _put(folder, name, text, mode)
    return hidden


def _let_go(run: Path, folder: int, hidden: str, name: str, found: tuple[bytes, int] | None) -> bool:
    """Remove what was a template, if it is as it was found and nobody writes; else it goes to ``history/``: True."""
    if _read(folder, hidden) == found and not _is_being_written(folder, hidden):
        with suppress(IsADirectoryError):
            os.unlink(hidden, dir_fd=folder)
            return False
    _set_aside(run, hidden, name)
    return True


def _is_being_written(folder: int, name: str) -> bool:
    try:
        with reading(open_beneath(folder, name)) as file:
            return writers(file.fileno()) is Writers.SOME
    except OSError as error:
        if error.errno in PASSING:
            raise
        return False


def _read(run: Path | int, name: str) -> tuple[bytes, int] | None:
    """Bytes and mode of a template; none where there is no file of that name, no bytes where it cannot be read."""
    try:
        with reading(open_beneath(run, name)) as file:
            status = os.fstat(file.fileno())
            mode = stat.S_IMODE(status.st_mode)
            if not stat.S_ISREG(status.st_mode):
                return None
            return (file.read(LIMIT) if status.st_size <= LIMIT else b""), mode
    except PermissionError:
        return b"", FILE_MODE
    except OSError as error:
        if error.errno in PASSING:
            raise
        return None


def _set_aside(run: Path, source: str, name: str) -> None:
    """Move what is, or was, a template of that name to ``history/``."""
    target, number = f"history/{name}", 1
    while is_beneath(run, target):
        number += 1
        target = f"history/{name.removesuffix('.yaml')}.{number}.yaml"
    with suppress(FileNotFoundError):
        move_beneath(run, source, target)
