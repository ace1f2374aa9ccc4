"""What stays in a run directory of the answers: each that counted, as it was given, and why one did not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.beneath import has, make_folders
from daemon.files import remove, write_copy, write_durable
from daemon.looking import holds
from daemon.model import Job
from daemon.names import beside
from daemon.page import label


@contextmanager
def decisions_folder(run: Path) -> Iterator[int]:
    """Where the decisions are kept as they were given, for ever; open for as long as it is used."""
    folder = make_folders(run, "decisions")
    try:
        yield folder
    finally:
        os.close(folder)


def keep(run: Path, job: Job, stage: str | None, attempt: int, name: str, data: bytes) -> None:
    """Keep a decision for ever, under its stage and attempt; other bytes of the same name get a number."""
    kept = name if stage is None else f"{label(job, job.at(stage), attempt)}.{name}"
    target, number = kept, 1
    with decisions_folder(run) as folder:
        while has(folder, target) and not holds(folder, target, data):
            number += 1
            target = f"{kept.removesuffix('.yaml')}.{number}.yaml"
        write_durable(target, data, folder=folder)


def tell(run: Path, name: str, why: str) -> None:
    """Leave the reason beside the file, unless it lies there."""
    note, text = beside(name, ".error.txt"), f"{why}\n".encode("utf-8", "replace")
    if not holds(run, note, text):
        write_copy(run / note, text)


def untell(run: Path, name: str) -> None:
    """Take the reason away with what it was about."""
    remove(run / beside(name, ".error.txt"))
