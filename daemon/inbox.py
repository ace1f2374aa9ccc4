"""The door for work: what lies in ``inbox/`` becomes a job, waits, or is refused with its reason.

A claim is: read once, sources copied aside, one commit, then the run directory, ``jobs/ID.yaml``, and the
original unlinked. After a crash anywhere in between the same file is found claimed and the rest is done.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from daemon.beneath import has, opened_beneath, remove_tree
from daemon.carrier import Carrier
from daemon.changes import Change, Recorded
from daemon.check import Vetted, vet_request
from daemon.clock import rfc3339
from daemon.errors import Invalid, Problem
from daemon.files import write_copy, write_durable
from daemon.incoming import Nursery, make_run, opened_incoming, opened_nursery, opened_rejected
from daemon.logs import say
from daemon.looking import holds, is_folder
from daemon.model import Event, Type
from daemon.names import Ignored, beside, classify_inbox, shown
from daemon.pipelines import load_named
from daemon.recorder import Recorder
from daemon.settings import Policy
from daemon.sources import Sources, SourcesMissing
from daemon.spool import DropBox, Gone, Refused, Waiting, Whole
from daemon.taken import Taken, claim_of, queued
from daemon.workspace import Workspace

BATCH = 100
STUCK_SECONDS = 2.0


class Inbox:
    """The inbox of one workspace. It remembers only what it saw of files that still lie there."""

    def __init__(
        self,
        workspace: Workspace,
        recorder: Recorder,
        policy: Policy,
        carrier: Carrier,
        clock: Callable[[], float],
    ) -> None:
        self._workspace, self._recorder, self._carrier, self._clock = workspace, recorder, carrier, clock
        self._folder = workspace.inbox
        self._told: dict[str, str] = {}
        # By the name as shown: a crash may have come between a refusal's record and what follows it.
        self._recorded = recorder.store.received.refusals()
        self.waiting: dict[str, str] = {}
        """Name and reason of each file that is not taken yet, for status."""
        self.taken_ids: list[str] = []
        """What the last look made jobs of."""
        self.made_ids: list[str] = []
        """Those of them whose directories were made too."""
        self.looked = False
        """Whether a look came to its end, ever."""
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on."""
        self._policy = policy
        self._box = DropBox(settle_seconds=policy.inbox.settle_seconds, empty_seconds=None, clock=self._clock)
        self._sources = Sources(self._workspace, policy, self._carrier, self._clock)

    def look(
        self, arrived_whole: Callable[[str], bool], now: datetime, takes: Callable[[str], bool]
    ) -> float | None:
        """Take or refuse what is complete, at most ``BATCH`` files; gives seconds until another look is due."""
        with opened_beneath(self._folder) as folder:
            return self._look_in(folder, arrived_whole, now, takes)

    def _look_in(
        self, folder: int, arrived_whole: Callable[[str], bool], now: datetime, takes: Callable[[str], bool]
    ) -> float | None:
        names = sorted(os.listdir(folder))
        here = frozenset(names)
        self.waiting = {}
        # A pipeline is read once for all requests of one look: they were all there at that moment.
        self._load = cache(load_named)
        self.taken_ids, self.made_ids = [], []
        taken: list[Taken] = []
        self._refused = 0
        again: list[float] = []
        for name in names:
            meant = classify_inbox(name)
            if isinstance(meant, Ignored) or not takes(name):
                continue
            if len(taken) + self._refused >= BATCH:
                again.append(0.0)
                break
            try:
                if meant.unfit:
                    self._refuse_in_place(name, meant.unfit, now)
                    continue
                retry = self._look_at(folder, name, partial(arrived_whole, name), taken, now)
            except OSError as error:
                retry = self._stuck(name, error)
            if retry is not None:
                again.append(retry)
        else:
            self._carrier.drop_unasked()
        again += self._claim(taken, folder, here, now)
        self._told = {name: why for name, why in self._told.items() if name in here}
        if self._recorded:
            seen = {shown(name) for name in here}
            self._recorded = {name: what for name, what in self._recorded.items() if name in seen}
        self._box.keep_only(self._folder, here)
        self._sources.keep_only(here)
        self.looked = True
        return min(again, default=None)

    def _stuck(self, name: str, error: OSError) -> float:
        """A file that cannot be read, kept or removed now holds no other up; it is told once."""
        reason = self.waiting[name] = f"{error.strerror or error}; tried again"
        if self._told.get(name) != reason:
            self._told[name] = reason
            say("inbox", "cannot_look", logging.ERROR, file=shown(name), why=str(error))
        return STUCK_SECONDS

    def _look_at(
        self, folder: int, name: str, arrived_whole: Callable[[], bool], taken: list[Taken], now: datetime
    ) -> float | None:
        seen = self._box.look(self._folder, name, arrived_whole, dir_fd=folder)
        match seen:
            case Gone():
                return None
            case Waiting():
                self.waiting[name] = seen.reason
                return seen.retry_in
            case Refused():
                self._refuse_in_place(name, seen.reason, now)
                return None
            case Whole():
                return self._take(name, seen, taken, now)

    def _take(self, name: str, whole: Whole, taken: list[Taken], now: datetime) -> float | None:
        sha = hashlib.sha256(whole.data).hexdigest()
        before = self._recorder.store.received.claimed_as(whole.identity.keys)
        try:
            if before is not None and before[1] == sha:
                self._make_again(before[0])
                self._sources.clear_taken(whole, before[0])
                self._repeated(name, whole, before[0])
                return None
            where = f"inbox/{shown(name)}"
            vetted = vet_request(whole.data, where, self._policy, self._workspace, self._load)
            job_id = self._id_for(vetted, name, sha, taken, now)
            if job_id is None:
                self._repeated(name, whole, str(vetted.request.id))
                return None
            self._sources.bring(job_id, whole, vetted)
        except SourcesMissing as missing:
            self.waiting[name] = str(missing)
            return missing.retry_in
        except Invalid as error:
            self._refuse(name, whole, error, now)
            return None
        taken.append(Taken(name, whole, vetted, job_id))
        return None

    def _repeated(self, name: str, whole: Whole, job_id: str) -> None:
        # Told once it is gone: one that cannot be removed is found again and again.
        self._box.claim_unlink(self._folder, name, whole.identity)
        say("inbox", "request_repeated", file=shown(name), job=job_id)

    def _make_again(self, job_id: str) -> None:
        """What a crash or the disk kept a claim from making; not the directory of a job that is over."""
        job = self._recorder.store.job(job_id)
        if job and (not job.final or is_folder(self._workspace.run(job_id))):
            make_run(self._workspace, job_id, *self._recorder.store.received.request(job))

    def _id_for(self, vetted: Vetted, name: str, sha: str, taken: list[Taken], now: datetime) -> str | None:
        """The job's id; None if this very request is a job already. Invalid if another request has the id."""
        wanted = vetted.request.id
        if wanted is None:
            return f"{now:%Y%m%d-%H%M%S}-{vetted.slug[:40].rstrip('-')}-{secrets.token_hex(2)}"
        known = self._recorder.store.received.request_sha256(wanted)
        for other in taken:
            if other.job_id == wanted:
                known = hashlib.sha256(other.whole.data).hexdigest()
        if known is None:
            return wanted
        if known == sha:
            return None
        why = (
            f"{wanted!r} is taken by an earlier job with other content; ids are never reused, choose another"
        )
        raise Invalid(Problem(f"inbox/{shown(name)}", 0, 0, "id", why))

    def _claim(self, taken: list[Taken], folder: int, here: frozenset[str], now: datetime) -> list[float]:
        """Commit the claims, then do what follows; gives when what the disk refused is tried again."""
        if not taken:
            return []
        try:
            recorded = self._recorder.record(
                *(Change(None, [queued(t, now)], claim=claim_of(t)) for t in taken)
            )
        except OSError:
            with opened_incoming(self._workspace) as incoming:
                for t in taken:
                    remove_tree(t.job_id, incoming)
            raise
        self.taken_ids = [t.job_id for t in taken]
        again = []
        with opened_nursery(self._workspace) as nursery:
            for t, done in zip(taken, recorded, strict=True):
                try:
                    self._make(t, done, nursery, folder, here)
                except OSError as error:
                    again.append(self._stuck(t.name, error))
        return again

    def _make(self, t: Taken, done: Recorded, nursery: Nursery, folder: int, here: frozenset[str]) -> None:
        """What follows a claim's commit. Nothing waits for the disk: the commit did, and holds all of it."""
        with_copies = {"pipeline.yaml": t.vetted.pipeline_bytes}
        self._recorder.born(
            done, lambda copies: nursery.make(t.job_id, t.whole.data, with_copies | dict(copies))
        )
        self.made_ids.append(t.job_id)
        # The request goes last: while it lies there, the next start knows that there is more to do.
        self._sources.clear(Path(t.name).stem, t.job_id, here)
        self._box.claim_unlink(self._folder, t.name, t.whole.identity, dir_fd=folder)

    def _refuse(self, name: str, whole: Whole, error: Invalid, now: datetime) -> None:
        if self._recorded.get(shown(name)) == whole.identity.key:
            # Refused already, but not removed.
            self._box.claim_unlink(self._folder, name, whole.identity)
            return
        with opened_rejected(self._workspace) as rejected:
            kept = _free_name(rejected, name, whole.data)
            reason = f"{error}\n".encode("utf-8", "surrogateescape")
            # The reason first: after a crash in between, no refused file lies there without one.
            write_durable(beside(kept, ".error.txt"), reason, folder=rejected)
            write_durable(kept, whole.data, folder=rejected)
        self._tell(name, str(error), now, whole.identity.key)
        # Only now: a hundred that cannot be refused, or removed, must not hide the names behind them.
        self._refused += 1
        self._box.claim_unlink(self._folder, name, whole.identity)

    def _refuse_in_place(self, name: str, reason: str, now: datetime) -> None:
        """What cannot be read as a file stays where it is; its reason is told once. OSError: not yet."""
        if self._told.get(name) == reason:
            return
        self._told[name] = reason
        note, message = beside(name, ".error.txt"), f"inbox/{shown(name)}: {reason}"
        text = f"{message}\n".encode("utf-8", "surrogateescape")
        with opened_rejected(self._workspace) as rejected:
            if holds(rejected, note, text):
                return
            # The note comes last: while it is missing, the next start knows that there is more to do.
            if self._recorded.get(shown(name)) != message:
                self._tell(name, message, now)
            write_copy(note, text, folder=rejected)

    def _tell(self, name: str, message: str, now: datetime, identity: str | None = None) -> None:
        facts = {"name": shown(name)} | ({"identity": identity} if identity else {})
        event = Event(Type.REQUEST_REFUSED, rfc3339(now), message=message, payload=facts)
        self._recorder.record(Change(None, [event]))
        self._recorded[shown(name)] = identity or message


def _free_name(folder: int, name: str, data: bytes) -> str:
    """The name, or with a number where an earlier one is kept; the same bytes are kept once."""
    kept, number = beside(name, ""), 1
    while has(folder, kept) and not holds(folder, kept, data):
        number += 1
        kept = beside(name, f".{number}")
    return kept
