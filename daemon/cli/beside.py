"""What lies in the folders of strangers and is no request or decision yet, and how far an attempt is."""

from __future__ import annotations

import math
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from daemon.catalog import Summary, file_key
from daemon.names import Decision, Ignored, Request, classify_decision, classify_inbox, for_shell, shown
from daemon.workspace import Workspace

if TYPE_CHECKING:
    from daemon.model import Job

MOST = 20
TAIL = 4096
COPYING = "its sources are being copied"
DAY_SECONDS = 86_400


def inbox_notes(workspace: Workspace) -> list[str]:
    """A line for each file in the inbox that waits, looks like a request and is none, or is refused."""
    notes: list[str] = []
    count, others = 0, list[str]()
    with os.scandir(workspace.inbox) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            is_folder = entry.is_dir(follow_symlinks=False)
            if count >= MOST and isinstance(classify_inbox(entry.name), Request):
                count += 1  # ten thousand at once are counted and not looked into
                continue
            said = _inbox_note(workspace, entry.name, is_folder)
            count += bool(said)
            if not said and not is_folder and not entry.name.startswith("."):
                others.append(entry.name)
            if said and count <= MOST:
                notes.append(said)
    if count > MOST:
        notes.append(f"... and {count - MOST} more")
    if others:
        what = "file whose name is" if len(others) == 1 else "files whose names are"
        first = for_shell(f"inbox/{others[0]}")
        notes.append(f"{len(others)} {what} no request's, as sources' are; why: spork explain {first}")
    return notes


def refused_lately(workspace: Workspace) -> int:
    """How many requests were refused within the last day."""
    since = time.time() - DAY_SECONDS
    with suppress(FileNotFoundError), os.scandir(workspace.rejected) as entries:
        return sum(e.name.endswith(".error.txt") and _modified(e) >= since for e in entries)
    return 0


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0.0


def _inbox_note(workspace: Workspace, name: str, is_folder: bool) -> str:
    meant = classify_inbox(name)
    if isinstance(meant, Ignored):
        return _folder_note(workspace, name) if is_folder else _ignored_note(workspace, name, meant)
    if is_folder:
        return f"{shown(name)}: a folder, not read"
    path = workspace.inbox / name
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return ""
    # Only where a file lies there: they take longer than all the rest.
    from daemon.cli.waits import unfit
    from daemon.incoming import is_copying

    wrong = meant.unfit or ("not a regular file" if not stat.S_ISREG(status.st_mode) else unfit(status))
    if wrong:
        return f"{shown(name)}: {wrong}, refused where it is"
    if refused_content(workspace, path):
        return f"{shown(name)}: refused where it is; why: spork explain {for_shell(f'inbox/{name}')}"
    why = _held(path) or ("empty, waits for its content" if status.st_size == 0 else "not taken yet")
    if is_copying(workspace, file_key(status)):
        why = COPYING
    return f"{shown(name)}: {why}; why: spork explain {for_shell(f'inbox/{name}')}"


def refused_content(workspace: Workspace, path: Path) -> str:
    """Why a file that lies in the inbox was refused for bytes that are no text, if that was so; else nothing."""
    from daemon.cli.story import reason_beside
    from daemon.endmark import nul_bytes
    from daemon.looking import read_regular
    from daemon.spool import LIMIT_BYTES

    with suppress(OSError):
        reason = nul_bytes(read_regular(path.parent, path.name, LIMIT_BYTES))
        told = reason_beside(workspace.rejected, path.name) if reason else ""
        return told if reason and reason in told else ""
    return ""


def _ignored_note(workspace: Workspace, name: str, meant: Ignored) -> str:
    """Only for what somebody may think is a request."""
    right = meant.meant or request_by_content(workspace.inbox / name)
    if right:
        return f"{shown(name)}: not read, {meant.rule}; did you mean {shown(right)}?"
    return f"{shown(name)}: not read, {meant.rule}" if "conflict copy" in meant.rule else ""


def request_by_content(path: Path) -> str:
    """The name that would be read, of a file that begins like a request but is named like a text; else nothing."""
    stem, dot, ending = path.name.rpartition(".")
    if (
        not isinstance(classify_inbox(path.name), Ignored)
        or path.name[0] in "._~#"
        or (dot and ending != "txt")
    ):
        return ""
    try:
        with _open(path) as file:
            begins = file.read(TAIL) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return ""
    wants = any(line.startswith((b"intent:", b"\xef\xbb\xbfintent:")) for line in begins.splitlines())
    return f"{stem if dot else path.name}.yaml" if wants else ""


def _folder_note(workspace: Workspace, name: str) -> str:
    """Folders are sources of the request of their name, never requests; told where somebody seems to differ."""
    if name == "rejected" or any((workspace.inbox / f"{name}{end}").exists() for end in (".yaml", ".yml")):
        return ""
    with suppress(OSError), os.scandir(workspace.inbox / name) as entries:
        if any(isinstance(classify_inbox(entry.name), Request) for entry in entries):
            return f"{shown(name)}/: a folder, and requests in it are not read; put them into inbox/ itself"
    return ""


def run_notes(workspace: Workspace, job: Summary | Job) -> list[str]:
    """A line for each file beside a job's gate that waits, was refused, or looks like a decision."""
    notes: list[str] = []
    try:
        names = sorted(os.listdir(workspace.run(job.id)))
    except OSError as error:
        if job.status in ("completed", "canceled", "queued"):
            return []
        return [f"runs/{job.id}: {error.strerror}"]
    for name in names:
        meant = classify_decision(name)
        place = f"runs/{job.id}/{shown(name)}"
        if isinstance(meant, Decision):
            refused = "refused" if f"{name}.error.txt" in names else "not decided yet"
            said = _held(workspace.run(job.id) / name) or refused
            notes.append(f"{place}: {said}; why: spork explain {place}")
        elif meant.meant:
            # What is to be done first, for a line may be cut at the edge of a terminal.
            notes.append(f"did you mean {meant.meant}? not read, {meant.rule}: {place}")
        elif meant.editing in ("approve.yaml", "reject.yaml", "resume.yaml", "cancel.yaml"):
            notes.append(f"{place}: an editor has {meant.editing} open")
    return notes[:MOST]


def _held(path: Path) -> str:
    """``still open for writing by pid 4711``, where the kernel says so; else nothing."""
    from daemon.cli.waits import open_for_writing
    from daemon.lease import install_lease_signal_handler

    install_lease_signal_handler()
    return open_for_writing(path)


def progress_of(
    workspace: Workspace, job_id: str, stage: str, attempt: int
) -> tuple[float | None, str] | None:
    """Fraction and message of the attempt's last word; None where it said nothing or we may not read it."""
    work = workspace.run(job_id) / ".work"
    try:
        # The stage's number is in the name; listing the few names saves reading the job.
        name = next(n for n in os.listdir(work) if n.endswith(f"-{stage}.{attempt}.progress"))
        with _open(work / name) as fd_file:
            size = os.fstat(fd_file.fileno()).st_size
            fd_file.seek(max(size - TAIL, 0))
            lines = fd_file.read(TAIL).decode("utf-8", "replace").split("\n")
    except (OSError, StopIteration):
        return None
    # What stands after the last newline is still being written.
    last = next((line for line in reversed(lines[:-1]) if line.strip()), "")
    number, _, message = last.strip().partition(" ")
    try:
        fraction = float(number)
    except ValueError:
        fraction = math.nan
    if math.isnan(fraction):
        return (None, last.strip()) if last else None
    return min(max(fraction, 0.0), 1.0), message.strip()


def progress_line(workspace: Workspace, job_id: str, stage: str, attempt: int) -> str:
    """``42 % rendering scene 3``, or nothing."""
    said = progress_of(workspace, job_id, stage, attempt)
    if said is None:
        return ""
    fraction, message = said
    return f"{round(fraction * 100)} % {message}".strip() if fraction is not None else message


def _open(path: Path) -> BinaryIO:
    """A stage's file: no link and no FIFO may stand in its place."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
