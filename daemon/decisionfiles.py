"""The decision files in a run directory: looked at, known again, kept for ever and put away, or refused.

Each that counted is recorded first, see `decisions`; only then is it copied into ``decisions/`` and unlinked. What
does not count stays where it is, with its reason beside it, and is recorded once.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daemon.answers import ORDER, Verb
from daemon.beneath import opened_beneath
from daemon.birth import birth_in
from daemon.changes import Change, DecisionFile
from daemon.clock import rfc3339
from daemon.identity import Identity
from daemon.kept import keep, tell, untell
from daemon.logs import say
from daemon.looking import is_folder
from daemon.model import Event, Job, Type
from daemon.recorder import Recorder
from daemon.settings import Policy
from daemon.spool import DropBox, Refused, Verdict, Waiting, Whole
from daemon.strangers import owner_of
from daemon.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Counted:
    """A decision that was recorded: its job before it, where that was, and the file that is to be put away."""

    job: Job
    stage: str | None
    attempt: int
    whole: Whole


class DecisionFiles:
    """The decision files of one workspace."""

    def __init__(
        self, workspace: Workspace, recorder: Recorder, policy: Policy, clock: Callable[[], float]
    ) -> None:
        self._workspace, self._recorder, self._clock = workspace, recorder, clock
        self._counted: list[_Counted] = []
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on."""
        self._box = DropBox(policy.inbox.settle_seconds, policy.inbox.empty_seconds, clock=self._clock)

    def forget(self, job_id: str) -> None:
        """The job is over; nothing in its directory is awaited."""
        self._box.forget(self._workspace.run(job_id))

    def lying(self, run: Path) -> list[Verb]:
        """Which lie there, in the order in which they count. Reasons that files left behind are taken away."""
        with opened_beneath(run) as folder:
            names = frozenset(os.listdir(folder))
        for verb in ORDER:
            if f"{verb}.yaml" not in names and f"{verb}.yaml.error.txt" in names:
                untell(run, f"{verb}.yaml")
        return [verb for verb in ORDER if f"{verb}.yaml" in names]

    def any_stays(self, job_id: str, run: Path, found: Sequence[Verb]) -> bool:
        """Whether any of these lies there that is not to be put away."""
        counted = {one.whole.name for one in self._counted if one.job.id == job_id}
        left = {f"{verb}.yaml" for verb in found} - counted
        return any(os.path.lexists(run / name) for name in left)

    def look(self, run: Path, name: str, arrived_whole: Callable[[], bool]) -> Verdict:
        """Whether the file is whole (`DropBox.look`); no reason stays beside one that is not yet."""
        seen = self._box.look(run, name, arrived_whole)
        if isinstance(seen, Waiting):
            untell(run, name)
        return seen

    def known(self, job: Job, whole: Whole) -> bool:
        """Whether this very file was recorded or refused before; then it is put away, or told again why it stays."""
        run = self._workspace.run(job.id)
        sha, keys = _sha256(whole.data), whole.identity.keys
        seen = self._recorder.store.received.decision_seen(job.id, whole.name, keys, sha)
        if seen is None:
            return False
        if seen.verdict == "recorded":
            say("orchestrator", "decision_repeated", job=job.id, file=whole.name)
            self._take_away(run, job, seen.stage, seen.attempt, whole)
        else:
            tell(run, whole.name, seen.why)
        return True

    def repeated(self, job: Job, whole: Whole) -> None:
        """It says again what was recorded already: its name is freed, and nothing kept."""
        say("orchestrator", "decision_repeated", job=job.id, file=whole.name)
        self._box.claim_unlink(self._workspace.run(job.id), whole.name, whole.identity)

    def counted(self, job: Job, whole: Whole) -> None:
        """It was recorded, for the job as it was before: `put_away` sees to it."""
        self._counted.append(_Counted(job, job.stage, job.attempt, whole))

    def put_away(self, told: Callable[[str, OSError], None]) -> None:
        """Keep what was recorded, and free its name. After the start that it led to, which need not wait for that:
        it was recorded byte for byte, and where this is cut off the file that lies there is known, and put away.

        ``told`` hears of jobs whose directories refuse that now; to look at them again is to try again.
        """
        counted, self._counted = self._counted, []
        for one in counted:
            try:
                self._take_away(self._workspace.run(one.job.id), one.job, one.stage, one.attempt, one.whole)
            except OSError as error:
                told(one.job.id, error)

    def _take_away(self, run: Path, job: Job, stage: str | None, attempt: int, whole: Whole) -> None:
        """Keep the decision for ever, then free its name."""
        keep(run, job, stage, attempt, whole.name, whole.data)
        self._box.claim_unlink(run, whole.name, whole.identity)
        untell(run, whole.name)

    def keep_again(self, job: Job) -> None:
        """Write what is kept of the recorded decisions: a power cut may have come between the record and that."""
        run = self._workspace.run(job.id)
        if is_folder(run):
            for file, stage, attempt in self._recorder.store.received.recorded(job.id):
                keep(run, job, stage, attempt, file.name, file.data)

    def tidy(self, job: Job) -> None:
        """Take away what was recorded before a crash, of a job that is over and is not looked at again."""
        run = self._workspace.run(job.id)
        for file, stage, attempt in self._recorder.store.received.recorded(job.id):
            try:
                with opened_beneath(run) as folder:
                    status = os.stat(file.name, dir_fd=folder, follow_symlinks=False)
                    identity = Identity.of(status, birth_in(folder, file.name))
            except OSError:
                continue
            if file.identity in identity.keys:
                self._take_away(run, job, stage, attempt, Whole(file.name, file.data, identity, 0, ""))

    def distrust_empty(self, job: Job, now: datetime) -> None:
        """Refuse the empty decision files that lay there when the machine started.

        An answer that a power cut caught before it reached the disk comes back under its name, without its bytes.
        """
        run = self._workspace.run(job.id)
        for verb in ORDER:
            try:
                status = os.lstat(run / f"{verb}.yaml")
            except OSError:
                continue
            name = f"{verb}.yaml"
            with opened_beneath(run) as folder:
                identity = Identity.of(status, birth_in(folder, name))
            known = self._recorder.store.received.decision_seen(job.id, name, identity.keys, _sha256(b""))
            if stat.S_ISREG(status.st_mode) and status.st_size == 0 and known is None:
                why = "it was empty when the machine started: a power cut may have taken what it said; answer again"
                whole = Whole(f"{verb}.yaml", b"", identity, status.st_uid, owner_of(status.st_uid))
                job = self.refuse(job, whole, f"{whole.name}: {why}", now)

    def refuse(self, job: Job, whole: Whole, why: str, now: datetime) -> Job:
        """Record that the file does not count, and leave the reason beside it."""
        file = _refused_file(whole.name, whole.identity.key, whole.data, why, whole.owner)
        return self._note(job, file, now)

    def cannot_read(self, job: Job, seen: Refused, now: datetime) -> Job:
        """Refuse what is no file that could be read, once."""
        sha = _sha256(seen.data or b"")
        known = self._recorder.store.received.decision_seen(job.id, seen.name, seen.identity.keys, sha)
        if known is not None:
            tell(self._workspace.run(job.id), seen.name, known.why)
            return job
        file = _refused_file(
            seen.name, seen.identity.key, seen.data or b"", f"{seen.name}: {seen.reason}", None
        )
        return self._note(job, file, now)

    def _note(self, job: Job, file: DecisionFile, now: datetime) -> Job:
        """Record a refusal, once for each file as it is, and leave its reason beside it."""
        facts = {key: getattr(file, key) for key in ("name", "sha256", "identity", "owner", "why")}
        event = Event(Type.DECISION_REFUSED, rfc3339(now), job.id, job.stage, job.attempt, file.why, facts)
        after = self._recorder.one(Change(job, [event], decision=file))
        tell(self._workspace.run(job.id), file.name, file.why)
        return after


def _refused_file(name: str, key: str, data: bytes, why: str, owner: str | None) -> DecisionFile:
    return DecisionFile(name, "refused", "", owner, key, _sha256(data), data, why)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
