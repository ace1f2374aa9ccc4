"""The templates that answer a gate, and what a person typed into one before it counts.

Ours are made anew whenever the gated files change. Where somebody has typed, only the digest changes; what
cannot go on so is moved to ``history/`` and never removed. Moved and not copied: an editor that is still
writing goes on writing there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.beneath import is_beneath, open_beneath, opened_beneath, reading
from daemon.endmark import TEMPLATE_HEADER, ends_with_mark
from daemon.files import FILE_MODE, PASSING, move_beneath, remove, write_copy
from daemon.model import Gate, Job

TEMPLATES = {"approve.template.yaml": "approve", "reject.template.yaml": "reject"}
LIMIT = 1024 * 1024
NOTES = 20


def update(run: Path, job: Job, gate: Gate, digest: str) -> None:
    """Make both templates stand for the gate's files as they are; what was typed there stays. OSError."""
    for name, decision in TEMPLATES.items():
        fresh = _text(decision, job.id, gate.stage, str(gate.attempt), digest).encode()
        found = _read(run, name)
        if found is None:
            write_copy(run / name, fresh)
            continue
        data, mode = found
        if data == fresh:
            continue
        if is_ours(data, decision):
            write_copy(run / name, fresh)
        elif carried := _carried(data, fresh):
            write_copy(run / name, carried, mode | FILE_MODE)
        else:
            _set_aside(run, name)
            write_copy(run / name, fresh)


def make_way(run: Path, job: Job, gate: Gate, digest: str) -> None:
    """Move what was typed and cannot go on to ``history/``, before the page is written that tells so."""
    for name, decision in TEMPLATES.items():
        fresh = _text(decision, job.id, gate.stage, str(gate.attempt), digest).encode()
        found = _read(run, name)
        if found is not None and not is_ours(found[0], decision) and _carried(found[0], fresh) is None:
            _set_aside(run, name)


def clear(run: Path) -> None:
    """Take both templates away once nobody can answer; one that somebody typed into goes to ``history/``."""
    for name, decision in TEMPLATES.items():
        found = _read(run, name)
        if found is None or is_ours(found[0], decision):
            remove(run / name)
        else:
            _set_aside(run, name)


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


def _read(run: Path, name: str) -> tuple[bytes, int] | None:
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


def _set_aside(run: Path, name: str) -> None:
    target, number = f"history/{name}", 1
    while is_beneath(run, target):
        number += 1
        target = f"history/{name.removesuffix('.yaml')}.{number}.yaml"
    move_beneath(run, name, target)
