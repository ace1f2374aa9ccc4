"""After a stop of any kind: end what a killed daemon left running, pay what is owed, catch the copies up.

No mode of its own: attempts that were cut off are recorded as such, and then the loop does what is due,
through the same door as always.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from daemon import files, rulings
from daemon.below import below
from daemon.beneath import opened_beneath
from daemon.changes import Change
from daemon.clock import rfc3339
from daemon.incoming import clear_incoming, make_run
from daemon.logs import say
from daemon.looking import is_folder
from daemon.model import Job, Status
from daemon.parts import Parts
from daemon.settings import Policy
from daemon.strays import end_strays
from daemon.suspects import Suspects
from daemon.workspace import Workspace

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SUSPECT_EVENTS = 12_000
"""More than a kernel keeps unwritten."""


def recover(parts: Parts, policy: Policy) -> Suspects:
    """Make the workspace whole, before anything is taken or started; gives the finished jobs left to see to."""
    workspace, recorder, gates = parts.workspace, parts.recorder, parts.gates
    store = recorder.store
    ended = end_strays(store.token)
    if ended:
        say("stage", "strays_ended", logging.WARNING, count=ended)
    for job_id in store.open_attempts():
        _close_attempt(job_id, parts, policy)
    boot = BOOT_ID.read_text().strip()
    # After a power cut any recent copy may be short: those are all looked at, of the open jobs before all else.
    lately = set() if store.meta("boot") == boot else store.touched_lately(_since(parts, boot))
    suspect = lately.intersection(store.open_ids())
    _make_runs(parts, suspect)
    clear_incoming(workspace)
    for job_id in store.owing_jobs():
        job = store.job(job_id)
        if job is not None:
            recorder.settle(job)
    for job_id in suspect:
        _distrust(job_id, parts)
    _heal(parts, suspect)
    for folder in (workspace.jobs, workspace.inbox, workspace.rejected):
        _sweep_files(folder)
    for job_id in store.open_ids():
        _sweep_run(parts, job_id)
    for job_id, expires_at in store.gates_with_time():
        gates.set_deadline(job_id, expires_at)
    return Suspects(sorted(lately - suspect), partial(_see_to, parts), lambda: store.set_meta("boot", boot))


def _since(parts: Parts, boot: str) -> int:
    """The event from which on copies are suspect: counted once a boot, however often the daemon starts in it."""
    store = parts.recorder.store
    noted, _, seq = (store.meta("suspects") or "").partition(" ")
    if noted != boot:
        seq = str(store.last_seq() - SUSPECT_EVENTS)
        store.set_meta("suspects", f"{boot} {seq}")
    return int(seq)


def _see_to(parts: Parts, job_id: str) -> None:
    """Bring up to the database what a power cut left of a finished job, if it was not pruned."""
    if is_folder(parts.workspace.run(job_id)):
        _make_run(job_id, parts)
        _distrust(job_id, parts)
        parts.recorder.heal_job(_shown(parts), job_id)


def _make_runs(parts: Parts, suspect: set[str]) -> None:
    """The directories of open jobs."""
    for job_id in parts.recorder.store.open_ids():
        if job_id in suspect or not _is_made(parts.workspace, job_id):
            _make_run(job_id, parts)


def _is_made(workspace: Workspace, job_id: str) -> bool:
    return is_folder(workspace.run(job_id)) and os.path.exists(f"{workspace.root}/jobs/{job_id}.yaml")


def _make_run(job_id: str, parts: Parts) -> None:
    """Make the job's directory again; where that cannot be done, the job alone waits for it."""
    try:
        job = parts.recorder.store.job(job_id)
        assert job is not None
        make_run(parts.workspace, job_id, *parts.recorder.store.received.request(job))
    except OSError as error:
        say("orchestrator", "cannot_look", logging.ERROR, job=job_id, why=str(error))


def _distrust(job_id: str, parts: Parts) -> None:
    """Look at the job's answers for what a power cut left of them; what cannot be written holds no other job up."""
    job = parts.recorder.store.job(job_id)
    assert job is not None
    try:
        parts.decision_files.keep_again(job)
        if not job.final:
            parts.decision_files.distrust_empty(job, parts.clock.wall())
    except OSError as error:
        say("gate", "cannot_look", logging.ERROR, job=job_id, why=str(error))


def _close_attempt(job_id: str, parts: Parts, policy: Policy) -> None:
    """An attempt that was open when the daemon ended was cut off."""
    job = parts.recorder.store.job(job_id)
    if job is None or not job.open_attempt:
        return
    now = rfc3339(parts.clock.wall())
    if job.status is Status.CANCELED:
        events = rulings.attempt_gone(job, now)
    else:
        events = rulings.interrupted(
            job, now, cause="crash", max_interruptions=policy.stages.max_interruptions
        )
    parts.recorder.one(Change(job, events))


def _heal(parts: Parts, suspect: set[str]) -> None:
    """Catch the copies up, and look at those of the suspect jobs whole."""
    parts.recorder.heal(_shown(parts), suspect)


def _shown(parts: Parts) -> Callable[[Job], None]:
    """What brings the rest of a job's directory up to its state, before its copies."""

    def show(job: Job) -> None:
        run = parts.workspace.run(job.id)
        _sweep_files(run, "decisions", *_made_folders(run))
        if job.final:
            parts.decision_files.tidy(job)
            parts.recorder.sweep(job.id)
        parts.gates.show(job)

    return show


def _sweep_run(parts: Parts, job_id: str) -> None:
    """Remove what a killed daemon left unfinished in an open job's directory, by what one listing says of it."""
    run = parts.workspace.run(job_id)
    try:
        with opened_beneath(run) as folder:
            names = os.listdir(folder)
    except OSError:
        return
    if "decisions" in names or any(name.startswith(files.TEMPORARY_PREFIX) for name in names):
        _sweep_files(run, "decisions")
    if ".work" in names:
        # No attempt is open any more: but for what is owed, all of it was cut off, half removed folders too.
        parts.recorder.sweep(job_id)


def _made_folders(run: Path) -> list[str]:
    """The folders that hold texts as they were made; a link among them leads nowhere."""
    if not os.path.lexists(f"{run}/history"):
        return []
    found = [made for made in run.glob("history/*/made") if is_folder(made) and is_folder(made.parent)]
    inner = (entry.path for made in found for entry in below(made) if entry.is_dir(follow_symlinks=False))
    return [os.path.relpath(at, run) for at in (*map(str, found), *inner)]


def _sweep_files(root: Path, *below: str) -> None:
    """Remove the files that a killed daemon was writing in a folder and those below it, passing no link."""
    for relative in (".", *below):
        with suppress(OSError):
            files.sweep(root, relative)
