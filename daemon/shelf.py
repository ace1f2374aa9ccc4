"""The pipelines that jobs run by, each as it was at its job's acceptance, parsed once."""

from __future__ import annotations

from daemon.documents import whole_file
from daemon.errors import Invalid
from daemon.model import Job
from daemon.pipelines import Pipeline, Stage, load
from daemon.store import Store

ROOM = 64


class Shelf:
    """Parsed pipelines by sha256; the oldest goes when the shelf is full."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parsed: dict[str, Pipeline] = {}

    def pipeline(self, job: Job) -> Pipeline:
        """The job's own pipeline. Invalid where it is damaged, or this version no longer understands it."""
        found = self._parsed.get(job.pipeline_sha256)
        if found is None:
            where = f"runs/{job.id}/pipeline.yaml"
            try:
                _, kept = self._store.received.request(job)
            except OSError as error:
                raise Invalid(whole_file(where, error.strerror or str(error))) from error
            found = load(kept, where)
            while len(self._parsed) >= ROOM:
                del self._parsed[next(iter(self._parsed))]
            self._parsed[job.pipeline_sha256] = found
        return found

    def stage(self, job: Job, name: str) -> Stage:
        """The stage as its pipeline describes it; KeyError if it has none of that name."""
        return self.pipeline(job).stage(name)
