"""``spork events JOB [-f]``"""

from __future__ import annotations

import time
from argparse import Namespace

from daemon.catalog import Catalog
from daemon.cli.places import job_of, workspace_of
from daemon.cli.screen import clean, colorful, one_line, paint, shortened, show_json_line, show_lines
from daemon.model import Event

POLL_SECONDS = 0.2
_COLORS = {"failed": "red", "refused": "yellow", "pause": "yellow", "completed": "green", "approved": "green"}


def command(args: Namespace) -> int:
    """The job's events, oldest first; with ``-f`` until the job is over."""
    catalog, job = job_of(workspace_of(args), args.job)
    on, last = colorful(), 0
    while True:
        over = _over(catalog, job.id)
        for event in catalog.events(job.id, last):
            last = event.seq
            if args.json:
                show_json_line(event.line())
            else:
                show_lines([line_of(event, on=on)])
        if not args.follow or over:
            return 0
        time.sleep(POLL_SECONDS)


def line_of(event: Event, *, on: bool = False) -> str:
    """One event on one line, escaped, with what a person wrote to it."""
    kind = str(event.type)
    place = f"{event.stage}.{event.attempt}" if event.stage and event.attempt else event.stage or ""
    color = _COLORS.get(kind.rpartition("_")[2])
    told = f"{event.ts[:19].replace('T', ' ')}  {paint(kind.ljust(17), color, on=on)}"
    return f"{told}  {clean(place):14}  {message_of(event)}".rstrip()


def message_of(event: Event) -> str:
    """The event's message, with what a person wrote to it; escaped, on one line."""
    notes = event.payload.get("notes")
    return one_line(f"{event.message}: {shortened(notes)}" if notes else event.message)


def _over(catalog: Catalog, job_id: str) -> bool:
    job = catalog.job(job_id)
    return job is None or (job.final and not job.open_attempt)
