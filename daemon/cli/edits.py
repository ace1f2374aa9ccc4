"""What a stage's own ``review`` says of the files at its gate that somebody has edited, before they are approved.

Run in a process of its own, for it is a pipeline's code: it may hang, print, change folder or end in any way.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from daemon.catalog import Catalog
from daemon.cli.screen import tell
from daemon.errors import Invalid
from daemon.model import Job, Stage
from daemon.page import Looked, edited
from daemon.strangers import owner_of
from daemon.workspace import Workspace

SECONDS = 60.0
MOST_BYTES = 1 << 24


def look_at_edits(workspace: Workspace, catalog: Catalog, job: Job) -> Looked | None:
    """What the stage says of the files as they are; None where nobody edited them, or they were not looked at."""
    assert job.gate is not None
    stage, run = job.at(job.gate.stage), workspace.run(job.id)
    if not edited(run, job, stage):
        return None
    named = _review_of(catalog, job, stage)
    if not named:
        return None
    if whose := _strange(workspace.pipelines, named):
        tell(f"not checked as it was edited: {whose}")
        return None
    found = _in_a_child(workspace, job, stage, named)
    if isinstance(found, str):
        tell(f"not checked as it was edited: {named} {found}")
        return None
    return found


def _review_of(catalog: Catalog, job: Job, stage: Stage) -> str:
    """The function that the job's pipeline names for that; empty where it names none."""
    from daemon.pipelines import load

    kept = catalog.request(job.id)
    try:
        return (
            load(kept[1], f"runs/{job.id}/pipeline.yaml").stage(stage.name).review if kept else None
        ) or ""
    except Invalid:
        return ""


def _strange(pipelines: Path, named: str) -> str:
    """Why a function must not run as who looks, who may be another than the daemon's user; empty where it may."""
    place = named.rpartition(":")[0]
    if not place.startswith("./"):
        return ""  # installed where this command is, by whoever installed this command
    try:
        owner = os.stat(pipelines / place).st_uid
    except OSError as error:
        return f"conf/pipelines/{place[2:]}: {error.strerror}"
    if owner in (0, os.geteuid()):
        return ""
    return f"conf/pipelines/{place[2:]} is {owner_of(owner)}'s, and would run as you"


def _in_a_child(workspace: Workspace, job: Job, stage: Stage, named: str) -> Looked | str:
    """What the function says; a text where it said nothing, why."""
    with tempfile.TemporaryDirectory(prefix="spork-review-") as folder:
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reads)
            _become(workspace, job, stage, named, Path(folder), writes)
        os.close(writes)
        try:
            said = _read(reads)
        finally:
            os.close(reads)
            _end(pid)
    if said is None:
        return f"was not done within {SECONDS:g} s"
    try:
        facts = json.loads(said)
        return facts["failed"] if facts["failed"] else Looked(facts["wrong"], facts["meta"])
    except (ValueError, KeyError, TypeError):
        return "ended without a word"


def _read(fd: int) -> bytes | None:
    """All that comes until the writer has ended; None if that takes too long."""
    data, deadline = b"", time.monotonic() + SECONDS
    while len(data) <= MOST_BYTES:
        if not select.select([fd], [], [], max(deadline - time.monotonic(), 0.0))[0]:
            return None
        if not (more := os.read(fd, 1 << 16)):
            break
        data += more
    return data


def _end(pid: int) -> None:
    """End the child and what it started, if anything of that is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _become(workspace: Workspace, job: Job, stage: Stage, named: str, folder: Path, writes: int) -> NoReturn:
    """In the child: call the function as a stage is called, say what came of it, and end."""
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # What it prints is no result of the command.
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        os.chdir(folder)
        said = json.dumps(_called(workspace, job, stage, named, folder))
        with open(writes, "w", encoding="utf-8") as pipe:
            pipe.write(said)
    finally:
        sys.stderr.flush()
        os._exit(0)


def _called(workspace: Workspace, job: Job, stage: Stage, named: str, folder: Path) -> dict[str, Any]:
    from daemon.harness import find
    from stages.contract import META_NAME, Context, Published, StageError

    read = [job.at(name) for name in stage.needs]
    context = Context(
        run_dir=workspace.run(job.id),
        out_dir=folder,
        job_id=job.id,
        stage=stage.name,
        attempt=stage.attempts,
        intent=job.intent,
        params=job.params,
        sources=workspace.run(job.id) / "sources",
        artifacts=tuple(
            Published(a.path, a.kind, a.bytes, a.sha256, made.name, a.meta)
            for made in (*read, stage)
            for a in made.artifacts
        ),
    )
    wrong = failed = ""
    look: Callable[[Context], Any] | None = None
    try:
        look = find(named, workspace.pipelines)
        look(context)
    except StageError as error:
        said = f"{error}\n  {error.hint}" if error.hint else str(error)
        wrong, failed = (said, "") if look else ("", f"is not there: {error}")
    except BaseException as error:  # noqa: BLE001  # a pipeline's code may raise anything
        traceback.print_exc()
        failed = f"failed: {type(error).__name__}: {error}"
    described = folder / META_NAME
    known: Mapping[str, Any] = json.loads(described.read_text(encoding="utf-8")) if described.exists() else {}
    return {"wrong": wrong, "failed": failed, "meta": {path: said["meta"] for path, said in known.items()}}
