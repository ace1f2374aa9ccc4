"""The door for decisions: approve, reject, cancel and resume.yaml in a run directory.

A decision is read once, looked at against the bytes on disk, and recorded in the commit that acts on it;
only then is the file copied into ``decisions/`` and unlinked. What does not count stays where it is, with
its reason beside it, and is recorded once.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from daemon import answers
from daemon.answers import Decision, Verb
from daemon.beneath import opened_beneath
from daemon.birth import birth_in
from daemon.changes import Change, DecisionFile
from daemon.clock import rfc3339
from daemon.documents import Decision as DecisionDocument
from daemon.documents import load_decision
from daemon.errors import Invalid
from daemon.files import is_folder
from daemon.gates import Gates
from daemon.identity import Identity
from daemon.kept import keep, tell, untell
from daemon.logs import say
from daemon.model import Event, Job, Status, Type
from daemon.recorder import Recorder
from daemon.settings import Policy
from daemon.spool import DropBox, Refused, Verdict, Waiting, Whole
from daemon.strangers import owner_of
from daemon.workspace import Workspace

ORDER: tuple[Verb, ...] = ("cancel", "reject", "approve", "resume")
"""Looked at in this order: where both lie there, reject wins."""


Begins = Callable[[Job, Sequence[Event]], list[Event]]


def _nothing(_job: Job, _events: Sequence[Event]) -> list[Event]:
    return []


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a run directory came to."""

    job: Job
    retry_in: float | None
    """Seconds until another look; None: when something happens."""
    lying: bool
    """Whether a decision file still lies there, which may be rewritten in place."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A decision that was recorded: its job before it, where that was, and the file that is to be put away."""

    job: Job
    stage: str | None
    attempt: int
    whole: Whole


class Desk:
    """The decisions of one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        recorder: Recorder,
        gates: Gates,
        policy: Policy,
        clock: Callable[[], float],
    ) -> None:
        self._workspace, self._recorder, self._gates, self._clock = workspace, recorder, gates, clock
        self.waiting: dict[str, dict[str, str]] = {}
        """Job id, name and reason of each decision file that is not whole yet."""
        self._settling: set[str] = set()
        self._counted: list[_Counted] = []
        self._begins: Begins = _nothing
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on."""
        self._policy = policy
        self._box = DropBox(policy.inbox.settle_seconds, policy.inbox.empty_seconds, clock=self._clock)

    def forget(self, job_id: str) -> None:
        """The job is over; nothing in its directory is awaited."""
        self._box.forget(self._workspace.run(job_id))
        self.waiting.pop(job_id, None)
        self._settling.discard(job_id)

    def holds_timer(self, job: Job) -> bool:
        """Whether an answer lies there that is being written or settles, or a rejection where time approves."""
        if not job.answerable or job.gate is None:
            return False
        rejection = job.gate.auto_approve and "reject.yaml" in self.waiting.get(job.id, {})
        return rejection or job.id in self._settling

    def look(
        self, job: Job, arrived_whole: Callable[[str], bool], now: datetime, begins: Begins = _nothing
    ) -> Looked:
        """Look at every decision file of a job and act on what counts.

        ``begins``: the start to record with the events of an answer, if what it leads to can begin at once.
        """
        self._begins = begins
        run = self._workspace.run(job.id)
        again: list[float] = []
        waiting: dict[str, str] = {}
        with opened_beneath(run) as folder:
            names = frozenset(os.listdir(folder))
        found, before = [verb for verb in ORDER if f"{verb}.yaml" in names], job
        for verb in ORDER:
            if verb not in found and f"{verb}.yaml.error.txt" in names:
                untell(run, f"{verb}.yaml")
        for verb in found:
            # After a cancellation, or a rejection that stops, what else lies there decides nothing any more.
            if job.final:
                break
            if job.status is Status.RUNNING and before.status is not Status.RUNNING:
                # What an answer led to begins first: nothing that lies beside it may come between.
                again.append(0.0)
                break
            name = f"{verb}.yaml"
            seen = self._box.look(run, name, partial(arrived_whole, name))
            if isinstance(seen, Waiting):
                untell(run, name)
                waiting[name] = seen.reason
                again += [] if seen.retry_in is None else [seen.retry_in]
            elif isinstance(seen, Whole) and verb == "approve" and "reject.yaml" in waiting:
                # Both lie there and reject wins, as soon as it can be read.
                waiting[name] = f"reject.yaml lies there too, {waiting['reject.yaml']}"
            else:
                job = self._act(run, job, verb, seen, now, found)
        if waiting:
            self.waiting[job.id] = waiting
        else:
            self.waiting.pop(job.id, None)
        (self._settling.add if again else self._settling.discard)(job.id)
        counted = {one.whole.name for one in self._counted if one.job.id == job.id}
        left = {f"{verb}.yaml" for verb in found} - counted
        lying = any(os.path.lexists(run / name) for name in left)
        return Looked(job, min(again, default=None), lying)

    def _act(self, run: Path, job: Job, verb: Verb, seen: Verdict, now: datetime, found: list[Verb]) -> Job:
        match seen:
            case Refused():
                return self._cannot_read(run, job, seen, now)
            case Whole():
                return self._decide(run, job, verb, seen, now, [v for v in found if v != verb])
        return job

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
                job = self._refuse(run, job, whole, f"{whole.name}: {why}", now)

    def _decide(self, run: Path, job: Job, verb: Verb, whole: Whole, now: datetime, others: list[str]) -> Job:
        keys = whole.identity.keys
        seen = self._recorder.store.received.decision_seen(job.id, whole.name, keys, _sha256(whole.data))
        if seen is not None:
            if seen.verdict == "recorded":
                say("orchestrator", "decision_repeated", job=job.id, file=whole.name)
                self._take_away(run, job, seen.stage, seen.attempt, whole)
            else:
                tell(run, whole.name, seen.why)
            return job
        try:
            decision = self._read(verb, whole)
            if job.gate is not None and verb in ("approve", "reject") and set(keys) & set(job.gate.early):
                raise answers.Refused(
                    "it lay there before the gate opened, so it cannot be about what was made; "
                    "read REVIEW.md, then rename the template"
                )
            events = self._ruling(job, decision, now)
        except answers.Repeated:
            say("orchestrator", "decision_repeated", job=job.id, file=whole.name)
            self._box.claim_unlink(run, whole.name, whole.identity)
            return job
        except answers.Refused as error:
            return self._refuse(run, job, whole, f"{whole.name}: {error}", now)
        except Invalid as error:
            return self._refuse(run, job, whole, str(error), now)
        return self._accept(job, decision, whole, _also(events, verb, others))

    def _read(self, verb: Verb, whole: Whole) -> Decision:
        document = load_decision(whole.data, verb, whole.name)
        stranger = whole.owner if whole.uid != os.getuid() else None
        return _decision(document, verb, whole, stranger)

    def _ruling(self, job: Job, decision: Decision, now: datetime) -> list[Event]:
        on_disk = terms = None
        if job.gate is not None:
            stage = job.at(job.gate.stage)
            on_disk = self._gates.files.on_disk(job, stage, fresh=True)
            terms = self._gates.terms_again(job, now)
        unbound = self._policy.decisions.unbound == "refuse"
        return answers.answer(job, decision, rfc3339(now), on_disk, refuse_unbound=unbound, terms=terms)

    def _accept(self, job: Job, decision: Decision, whole: Whole, events: list[Event]) -> Job:
        if job.gate is not None:
            self._gates.keep_edits(job)
        file = DecisionFile(
            whole.name,
            "recorded",
            decision.by,
            decision.owner,
            whole.identity.key,
            decision.sha256,
            whole.data,
        )
        events = [*events, *self._begins(job, events)]
        after = self._recorder.one(Change(job, events, decision=file))
        self._counted.append(_Counted(job, job.stage, job.attempt, whole))
        return after

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

    def _refuse(self, run: Path, job: Job, whole: Whole, why: str, now: datetime) -> Job:
        file = _refused_file(whole.name, whole.identity.key, whole.data, why, whole.owner)
        return self._note(run, job, file, now)

    def _cannot_read(self, run: Path, job: Job, seen: Refused, now: datetime) -> Job:
        sha = _sha256(seen.data or b"")
        known = self._recorder.store.received.decision_seen(job.id, seen.name, seen.identity.keys, sha)
        if known is not None:
            tell(run, seen.name, known.why)
            return job
        file = _refused_file(
            seen.name, seen.identity.key, seen.data or b"", f"{seen.name}: {seen.reason}", None
        )
        return self._note(run, job, file, now)

    def _note(self, run: Path, job: Job, file: DecisionFile, now: datetime) -> Job:
        """Record a refusal, once for each file as it is, and leave its reason beside it."""
        facts = {key: getattr(file, key) for key in ("name", "sha256", "identity", "owner", "why")}
        event = Event(Type.DECISION_REFUSED, rfc3339(now), job.id, job.stage, job.attempt, file.why, facts)
        after = self._recorder.one(Change(job, [event], decision=file))
        tell(run, file.name, file.why)
        return after


def _refused_file(name: str, key: str, data: bytes, why: str, owner: str | None) -> DecisionFile:
    return DecisionFile(name, "refused", "", owner, key, _sha256(data), data, why)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _decision(document: DecisionDocument, verb: Verb, whole: Whole, stranger: str | None) -> Decision:
    return Decision(
        kind=verb,
        by=document.by or whole.owner,
        sha256=_sha256(whole.data),
        identity=whole.identity.key,
        job=document.job,
        stage=document.stage,
        attempt=document.attempt,
        digest=document.digest,
        notes=document.notes or "",
        then=document.then,
        from_stage=document.from_,
        redo=document.redo or {},
        owner=stranger,
    )


def _also(events: list[Event], verb: Verb, others: list[str]) -> list[Event]:
    """Where approve.yaml lay beside reject.yaml, the event says so."""
    if verb != "reject" or "approve" not in others:
        return events
    return [
        replace(e, message=f"{e.message}; approve.yaml lay there too, reject wins")
        if e.type is Type.GATE_REJECTED
        else e
        for e in events
    ]
