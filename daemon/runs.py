"""The run directories of the jobs: one that somebody took away is made anew before anything is done in it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from daemon.incoming import make_run
from daemon.logs import say
from daemon.looking import is_folder
from daemon.model import Job
from daemon.parts import Parts
from daemon.watchlist import Watchlist


class Runs:
    """The directories of one workspace's jobs. ``lost`` hears that one was gone: others may be too."""

    def __init__(self, parts: Parts, jobs: Watchlist, lost: Callable[[], None]) -> None:
        self._workspace, self._recorder, self._ground = parts.workspace, parts.recorder, parts.ground
        self._jobs, self._lost = jobs, lost

    def there(self, job: Job) -> bool:
        """Whether the job's directory is in its place."""
        return is_folder(self._workspace.run(job.id))

    def ensure(self, job: Job) -> None:
        """Make the job's directory anew if it is gone. OSError where that cannot be done now."""
        if self.there(job):
            return
        self._ground.check_place()
        kept = self._recorder.store.received.request(job)
        say("orchestrator", "run_made_anew", logging.WARNING, job=job.id, note="its directory was gone")
        make_run(self._workspace, job.id, *kept)
        self._recorder.lag(job.id)
        self._lost()
        self._jobs.made_anew(job.id)
