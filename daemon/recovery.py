"""After a stop of any kind: end what a killed daemon left running, pay what is owed, catch the copies up.

No mode of its own: attempts that were cut off are recorded as such, and then the loop does what is due,
through the same door as always.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from daemon import files, rulings
from daemon.clock import rfc3339
from daemon.inbox import clear_incoming, make_run
from daemon.logs import say
from daemon.loop import Parts
from daemon.model import Job, Status
from daemon.settings import Policy
from daemon.store import Change
from daemon.strays import end_strays
from daemon.workroom import sweep

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def recover(parts: Parts, policy: Policy) -> None:
    """Make the workspace whole, before anything is taken or started."""
    workspace, recorder, gates = parts.workspace, parts.recorder, parts.gates
    store = recorder.store
    ended = end_strays(store.token)
    if ended:
        say("stage", "strays_ended", logging.WARNING, count=ended)
    for job_id in store.open_attempts():
        _close_attempt(job_id, parts, policy)
    for job_id in store.open_ids():
        if not files.is_folder(workspace.run(job_id)) or not workspace.request(job_id).exists():
            _make_run(job_id, parts)
    clear_incoming(workspace)
    for job_id in store.owing_jobs():
        job = store.job(job_id)
        if job is not None:
            recorder.settle(job)
    _heal(parts)
    _sweep_files(workspace.jobs)
    _sweep_files(workspace.rejected)
    for job_id in store.open_ids():
        _sweep_files(workspace.run(job_id), "decisions")
    for job_id, expires_at in store.gates_with_time():
        gates.set_deadline(job_id, expires_at)


def _make_run(job_id: str, parts: Parts) -> None:
    """Make the job's directory again; where that cannot be done, the job alone waits for it."""
    kept = parts.recorder.store.request(job_id)
    assert kept is not None
    try:
        make_run(parts.workspace, job_id, *kept)
    except OSError as error:
        say("orchestrator", "cannot_look", logging.ERROR, job=job_id, why=str(error))


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


def _heal(parts: Parts) -> None:
    """Catch the copies up. After a power cut any recent copy may be short: those are all looked at."""

    def show(job: Job) -> None:
        run = parts.workspace.run(job.id)
        _sweep_files(run, "decisions", *_made_folders(run))
        if job.final:
            parts.desk.tidy(job)
            sweep(run)
        parts.gates.show(job)

    store = parts.recorder.store
    boot = BOOT_ID.read_text().strip()
    same_boot = store.meta("boot") == boot
    parts.recorder.heal(show, () if same_boot else store.touched_lately())
    if not same_boot:
        store.set_meta("boot", boot)


def _made_folders(run: Path) -> list[str]:
    return [str(folder.relative_to(run)) for folder in run.glob("history/*/made/**/")]


def _sweep_files(root: Path, *below: str) -> None:
    """Remove the files that a killed daemon was writing in a folder and those below it, passing no link."""
    for relative in (".", *below):
        with suppress(OSError):
            files.sweep(root, relative)
