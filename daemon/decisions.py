"""The door for decisions: approve, reject, cancel and resume.yaml in a run directory.

A decision is read once, looked at against the bytes on disk, and recorded in the commit that acts on it. What
becomes of its file, `decisionfiles` knows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from daemon import answers
from daemon.answers import Decision, Verb
from daemon.changes import Change, DecisionFile
from daemon.clock import rfc3339
from daemon.decisionfiles import DecisionFiles
from daemon.documents import Decision as DecisionDocument
from daemon.documents import load_decision
from daemon.errors import Invalid
from daemon.gates import Gates
from daemon.model import Event, Job, Status, Type
from daemon.recorder import Recorder
from daemon.settings import Policy
from daemon.spool import Refused, Verdict, Waiting, Whole
from daemon.workspace import Workspace

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


class Desk:
    """The decisions of one workspace."""

    def __init__(
        self, workspace: Workspace, recorder: Recorder, gates: Gates, files: DecisionFiles, policy: Policy
    ) -> None:
        self._workspace, self._recorder, self._gates, self._files = workspace, recorder, gates, files
        self.waiting: dict[str, dict[str, str]] = {}
        """Job id, name and reason of each decision file that is not whole yet."""
        self._settling: set[str] = set()
        self._begins: Begins = _nothing
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy from now on."""
        self._policy = policy

    def forget(self, job_id: str) -> None:
        """The job is over; nothing in its directory is awaited."""
        self._files.forget(job_id)
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
        run, before = self._workspace.run(job.id), job
        again: list[float] = []
        waiting: dict[str, str] = {}
        found = self._files.lying(run)
        for verb in found:
            # After a cancellation, or a rejection that stops, what else lies there decides nothing any more.
            if job.final:
                break
            if job.status is Status.RUNNING and before.status is not Status.RUNNING:
                # What an answer led to begins first: nothing that lies beside it may come between.
                again.append(0.0)
                break
            name = f"{verb}.yaml"
            seen = self._files.look(run, name, partial(arrived_whole, name))
            if isinstance(seen, Waiting):
                waiting[name] = seen.reason
                again += [] if seen.retry_in is None else [seen.retry_in]
            elif isinstance(seen, Whole) and verb == "approve" and "reject.yaml" in waiting:
                # Both lie there and reject wins, as soon as it can be read.
                waiting[name] = f"reject.yaml lies there too, {waiting['reject.yaml']}"
            else:
                job = self._act(job, verb, seen, now, [v for v in found if v != verb])
        self._note_waiting(job.id, waiting, settling=bool(again))
        return Looked(job, min(again, default=None), self._files.any_stays(job.id, run, found))

    def _note_waiting(self, job_id: str, waiting: dict[str, str], *, settling: bool) -> None:
        if waiting:
            self.waiting[job_id] = waiting
        else:
            self.waiting.pop(job_id, None)
        (self._settling.add if settling else self._settling.discard)(job_id)

    def _act(self, job: Job, verb: Verb, seen: Verdict, now: datetime, others: list[Verb]) -> Job:
        match seen:
            case Refused():
                return self._files.cannot_read(job, seen, now)
            case Whole() if not self._files.known(job, seen):
                return self._decide(job, verb, seen, now, others)
        return job

    def _decide(self, job: Job, verb: Verb, whole: Whole, now: datetime, others: list[Verb]) -> Job:
        keys = whole.identity.keys
        try:
            decision = self._read(verb, whole)
            if job.gate is not None and verb in ("approve", "reject") and set(keys) & set(job.gate.early):
                raise answers.Refused(
                    "it lay there before the gate opened, so it cannot be about what was made; "
                    "read REVIEW.md, then rename the template"
                )
            events = self._ruling(job, decision, now)
        except answers.Repeated:
            self._files.repeated(job, whole)
            return job
        except answers.Refused as error:
            return self._files.refuse(job, whole, f"{whole.name}: {error}", now)
        except Invalid as error:
            return self._files.refuse(job, whole, str(error), now)
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
        self._files.counted(job, whole)
        return after


def _decision(document: DecisionDocument, verb: Verb, whole: Whole, stranger: str | None) -> Decision:
    return Decision(
        kind=verb,
        by=document.by or whole.owner,
        sha256=hashlib.sha256(whole.data).hexdigest(),
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


def _also(events: list[Event], verb: Verb, others: list[Verb]) -> list[Event]:
    """Where approve.yaml lay beside reject.yaml, the event says so."""
    if verb != "reject" or "approve" not in others:
        return events
    return [
        replace(e, message=f"{e.message}; approve.yaml lay there too, reject wins")
        if e.type is Type.GATE_REJECTED
        else e
        for e in events
    ]
