"""Whether what a stage made would take the place of another stage's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from daemon.model import Job
from daemon.names import twin_key


def clash(job: Job, made: Iterable[str]) -> str:
    """What the job's stage left that it may not, and whose that is; empty if nothing.

    A path belongs to the stage that first published it, and with it every path that only a folder of its name, or a
    file where its folder is, could have: publishing that would push an approved file aside. So would a name that
    differs only in case or Unicode form, where the file system takes both for one; it is refused on every other
    as well, so that a job does not end otherwise in another folder.
    """
    owner = {
        twin_key(a.path): (a.path, s.name) for s in job.stages if s.name != job.stage for a in s.artifacts
    }
    inside = {folder: key for key in reversed(owner) for folder in _folders(key)}
    for path in made:
        key = twin_key(path)
        near = next((k for k in (key, *_folders(key)) if k in owner), inside.get(key))
        if near is None:
            continue
        theirs, stage = owner[near]
        if theirs == path:
            return f"{job.stage} left {path}, which belongs to the stage {stage}"
        if near == key:
            why = "names that differ only in case or Unicode form are one file on some file systems"
        else:
            why = "no name is both a file and a folder"
        return f"{job.stage} left {path}, but {theirs} belongs to the stage {stage}, and {why}"
    return ""


def _folders(path: str) -> Iterator[str]:
    """Every folder that the path is in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
