"""Which jobs can still change, when to look at each again, and the bell in their folders. The rest costs nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from daemon.answers import ORDER
from daemon.deadlines import Deadlines
from daemon.leisure import Leisure
from daemon.listings import Listings
from daemon.model import Job
from daemon.watcher import Hints, Watcher
from daemon.workspace import Workspace

INBOX = "./inbox"
"""The inbox as the watcher knows it: a job may have the id ``inbox``, and none begins with a dot."""
EDIT_SECONDS = 0.5
"""Between two looks at a gate's files while they are being written."""
SCAN_SHARE = 1 / 2000
"""Of a processor, for the look at all directories while the bell is heard: with some 15,000 open jobs it takes that
once in a minute, with more of them it comes less often.
"""
_DECISIONS = frozenset(f"{verb}.yaml" for verb in ORDER)


class Watchlist:
    """The open jobs of one workspace. Times are the boot clock's."""

    def __init__(self, workspace: Workspace, watcher: Watcher) -> None:
        self._workspace, self._watcher = workspace, watcher
        self._runs = str(workspace.runs)
        self._listings = Listings(workspace.runs)
        self._scan_at = 0.0
        self._again = Deadlines()
        self._leisure = Leisure()
        self._lying: set[str] = set()
        self._folders: dict[str, set[str]] = {}
        self._edits_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._listings)

    def adopt(self, job_id: str) -> None:
        """Watch a job that can still change, and look at it in the next turn."""
        if job_id not in self._listings:
            self._watcher.watch(job_id, self._runs)
            self._listings.note(job_id)
            self.look_again(job_id, 0.0)

    def adopt_all(self, job_ids: Iterable[str]) -> None:
        """Watch the jobs that a start finds open. An answer is looked at in the first turn, wherever it lies, and so
        are the first few jobs; of ten thousand that nobody has answered the gates' files are looked at by and by.
        """
        for job_id in job_ids:
            self.adopt_new(job_id)
            if self._again.at(job_id) is None:
                self._leisure.add(job_id)

    def adopt_new(self, job_id: str) -> None:
        """Watch a job whose directory was made just now: looked into only where somebody was faster than the bell."""
        self._watcher.watch(job_id, self._runs)
        self._listings.note(job_id)
        if self._holds_answer(job_id):
            self.look_again(job_id, 0.0)

    def drop(self, job_id: str) -> None:
        """The job is over."""
        self._listings.drop(job_id)
        self._again.drop(job_id)
        self._leisure.drop(job_id)
        self._lying.discard(job_id)
        self._edits_at.pop(job_id, None)
        for key in (job_id, *self._folders.pop(job_id, ())):
            self._watcher.forget(key)

    def made_anew(self, job_id: str) -> None:
        """The job's directory was replaced: hang the bell into the one that is there now."""
        if job_id in self._listings:
            self._watcher.check_roots([job_id])
        # Whoever took it away may have taken others.
        self._scan_at = 0.0

    def hear_edits(self, job: Job) -> None:
        """Hear edits and removals in the folders of an open gate's artifacts, for as long as it is open."""
        wanted: set[str] = set()
        if job.answerable and job.gate is not None:
            parents = (os.path.dirname(a.path) for a in job.at(job.gate.stage).artifacts)
            wanted = {f"{job.id}/{parent}" for parent in parents if parent}
        for key in self._folders.pop(job.id, set()) - wanted:
            self._watcher.forget(key)
        if wanted:
            self._folders[job.id] = wanted
        for key in wanted:
            self._watcher.watch(key, self._runs)
        for key in (job.id, *wanted):
            self._watcher.hear_removals(key, on=job.answerable)

    def look_again(self, job_id: str, at: float) -> None:
        self._again.put(job_id, "", at)

    def looks(self, job_id: str) -> None:
        """A look begins."""
        if job_id in self._listings:
            self._listings.note(job_id)

    def looked(self, job_id: str, *, lying: bool) -> None:
        """A look ended; ``lying``: a file that did not count is still there, and may be rewritten in place."""
        (self._lying.add if lying else self._lying.discard)(job_id)

    def take_due(self, hints: Hints, polled: Iterable[str], boot: float, *, everything: bool) -> list[str]:
        """The jobs to look at now: heard, polled, asked for again, or with ``everything`` whatever was touched."""
        heard = [key for key, names in hints.rang.items() if key != INBOX and self._matters(key, names, boot)]
        wanted = dict.fromkeys(key.partition("/")[0] for key in (*heard, *polled))
        wanted.update(dict.fromkeys(self._again.over(boot)))
        if everything:
            wanted.update(dict.fromkeys(self._scan(boot, missed=hints.everything)))
        return self._taken(job_id for job_id in wanted if job_id in self._listings)

    def take_leisurely(self, boot: float, *, busy: bool) -> list[str]:
        """The few jobs whose turn has come by and by; ``busy``: there is something else to do (`Leisure`)."""
        return self._taken(self._leisure.due(boot, busy=busy))

    def _taken(self, job_ids: Iterable[str]) -> list[str]:
        due = list(job_ids)
        for job_id in due:
            self._again.drop(job_id)
            self._leisure.drop(job_id)
        return due

    def _scan(self, boot: float, *, missed: bool) -> list[str]:
        """Look everywhere, and hang the bell anew where it hangs in what is gone; gives the jobs to look at now.

        Where an answer lies, that is; a gate's files that may have been edited are looked at by and by. ``missed``:
        something was not heard, and an edit leaves no trace in the run directory's own listing.
        """
        touched: list[str] = []
        if missed or boot >= self._scan_at:
            began = time.thread_time()
            touched = self._listings.touched()
            self._scan_at = boot + (time.thread_time() - began) / SCAN_SHARE
        if missed:
            touched = list(self._listings)
        below = [key for keys in self._folders.values() for key in keys]
        self._watcher.check_roots(None if missed else [INBOX, *below, *touched, *self._watcher.unwatched])
        for job_id in touched:
            if self._has_gate(job_id):
                self._leisure.add(job_id)
        return [*(job_id for job_id in touched if self._holds_answer(job_id)), *self._lying]

    def may_matter(self, key: str, names: Iterable[str]) -> bool:
        """Whether these names can be something to look at: a request, an answer, or an edit at an open gate."""
        return key == INBOX or self._has_gate(key) or any(n in _DECISIONS for n in names)

    def _matters(self, key: str, names: Iterable[str], boot: float) -> bool:
        """Whether to look now: these can be an answer, or an edit at an open gate, unless one was seen just now.

        What we publish ourselves is neither.
        """
        if any(name in _DECISIONS for name in names):
            return True
        job_id = key.partition("/")[0]
        if not self._has_gate(key) or all(name.startswith(".") for name in names):
            return False
        next_look = self._edits_at.get(job_id, -EDIT_SECONDS) + EDIT_SECONDS
        if boot < next_look:
            before = self._again.at(job_id)
            self.look_again(job_id, next_look if before is None else min(before, next_look))
            return False
        self._edits_at[job_id] = boot
        return True

    def _has_gate(self, key: str) -> bool:
        """Whether this is the directory of a job at an open gate, or a folder in it: there removals are heard."""
        return self._watcher.hears_removals(key.partition("/")[0])

    def _holds_answer(self, job_id: str) -> bool:
        """Whether a decision file, or the reason that one left, lies there; True where that cannot be seen."""
        try:
            names = os.listdir(f"{self._runs}/{job_id}")
        except OSError:
            return True
        return any(name in _DECISIONS or name.endswith(".error.txt") for name in names)

    @property
    def next_look(self) -> float | None:
        """When the first job wants another look; None if none does."""
        return min((at for at in (self._again.first, self._leisure.next) if at is not None), default=None)
