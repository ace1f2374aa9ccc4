"""Whether what a stage made would take the place of another stage's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from daemon.model import Job


def clash(job: Job, made: Iterable[str]) -> str:
    """What the job's stage left that it may not, and whose that is; empty if nothing.

    A path belongs to the stage that first published it, and with it every path that only a folder of its name, or a
    file where its folder is, could have: publishing that would push an approved file aside.
    """
    owner = {a.path: s.name for s in job.stages if s.name != job.stage for a in s.artifacts}
    inside = {folder: path for path in reversed(owner) for folder in _folders(path)}
    for path in made:
        theirs = next((p for p in (path, *_folders(path)) if p in owner), inside.get(path))
        if theirs == path:
            return f"{job.stage} left {path}, which belongs to the stage {owner[path]}"
        if theirs is not None:
            return (
                f"{job.stage} left {path}, but {theirs} belongs to the stage {owner[theirs]},"
                " and no name is both a file and a folder"
            )
    return ""


def _folders(path: str) -> Iterator[str]:
    """Every folder that the path is in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
