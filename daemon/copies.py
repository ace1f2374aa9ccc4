"""What people see of the jobs: brought up to what is recorded, after the next stage has been started.

The review, the copies and the ledger; and with them what is watched of a job, for as long as it can change.
"""

from __future__ import annotations

from contextlib import suppress

from daemon.files import sweep
from daemon.lull import Lull
from daemon.model import Job
from daemon.parts import Parts
from daemon.patience import Patience
from daemon.runs import Runs
from daemon.unhurried import READING_SECONDS
from daemon.watchlist import Watchlist

COPIES_SECONDS = 60.0
"""At most so long between two tries to write copies that the disk refused."""


class Copies:
    """The copies of one workspace. Times are the boot clock's."""

    def __init__(self, parts: Parts, runs: Runs, jobs: Watchlist) -> None:
        self._workspace, self._clock, self._recorder = parts.workspace, parts.clock, parts.recorder
        self._gates, self._desk, self._files = parts.gates, parts.desk, parts.decision_files
        self._runs, self._jobs = runs, jobs
        self._lull = Lull()
        self._refused = Patience(COPIES_SECONDS)

    @property
    def times(self) -> list[float | None]:
        """When there is something to do next: what was refused, and what waits for a lull."""
        return [self._refused.at, self._lull.at]

    def due(self, boot: float) -> bool:
        """Whether to catch up again what the disk refused."""
        return self._refused.due(boot)

    def catch_up(self) -> None:
        """Try again what the disk refused."""
        self._recorder.catch_up(self._show)

    def follow(self, boot: float, *, began: bool, beside: bool) -> None:
        """Bring the copies up; ``beside`` a row of short attempts, each of which ``began`` just now, all at once."""
        busy = self._recorder.behind and beside
        if self._lull.over(boot, began=busy and began, busy=busy):
            self._recorder.follow(self._show)
        self._refused.note(boot, refused=self._recorder.lagging)

    def _show(self, job: Job) -> None:
        """Bring what a person sees of the job up to date, and watch it for as long as it can change."""
        self._runs.ensure(job)
        if not job.answerable:
            # What we take away ourselves now rings for nobody.
            self._jobs.hear_edits(job)
        if not self._gates.show(job):
            self._jobs.look_again(job.id, self._clock.boot() + READING_SECONDS)
        if job.final and not job.open_attempt:
            # Its last answer may lie there still, if the disk refused to keep it: nobody looks there again.
            self._files.tidy(job)
            self._jobs.drop(job.id)
            self._desk.forget(job.id)
            self._gates.forget(job.id)
            self._recorder.sweep(job.id)
            # What could not be removed at its time, such as an answer under the name by which it is taken away.
            with suppress(OSError):
                sweep(self._workspace.run(job.id))
            return
        self._jobs.adopt(job.id)
        self._jobs.hear_edits(job)
