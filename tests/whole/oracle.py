"""What must be true of jobs, told a second time: an oracle that knows the contract and nothing of the code.

It is told what a test did (requests, answers, ends of stages, edits, time), hears the events that were recorded, and
objects to each that nothing explains. ``unmet`` says what should have happened by now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import reduce
from typing import Any

from tests.whole.judge import TICK, Judge
from tests.whole.nouns import Fate, Given, Said, Waits

Line = Mapping[str, Any]
PRIORITIES = ("low", "normal", "high", "urgent")


class Oracle(Judge):
    """Hears the events of a workspace."""

    # -- hearing

    def hear(self, event: Line) -> None:
        """One event, in the order of the ledger. AssertionError if nothing explains it."""
        kind, job_id = event["type"], event["job_id"]
        if job_id is None:
            return
        if kind == "job_queued":
            self._queued(event)
            return
        job = self.jobs[job_id]
        assert not job.owed or kind == job.owed, f"{kind} of {job_id}, but {job.owed} must follow"
        job.owed = ""
        closing = kind == "stage_canceled" and job.is_open
        assert not job.final or closing, f"{kind} of {job_id}, which is {job.status}"
        getattr(self, f"_{kind}")(job, event)
        assert event["status"] == job.status, f"{kind}: {event['status']}, but it should be {job.status}"

    def _queued(self, event: Line) -> None:
        facts = event["payload"]
        assert event["job_id"] not in self.jobs, f"{event['job_id']} was queued twice"
        asked = self.asked[facts["identity"]]
        assert asked.may, f"{asked} was taken too early"
        data = asked.text.encode()
        assert hashlib.sha256(data).hexdigest() == facts["request_sha256"], "other bytes than were asked"
        assert asked.job_id in (None, event["job_id"]), f"{asked} became {event['job_id']}"
        asked.job_id = event["job_id"]
        self.accepted[event["job_id"]] = data
        job = Fate(event["job_id"], event["seq"], PRIORITIES.index(facts["priority"]))
        self.jobs[job.id] = job
        self._to_queue(job, "new")

    def _to_queue(self, job: Fate, reason: str) -> None:
        name = self.next(job)
        job.at = (name, job.attempts.get(name, 0) + 1) if name else (None, 0)
        job.status, job.reason = "queued", reason

    def _own(self, job: Fate, event: Line) -> tuple[str, str, int]:
        key = (job.id, event["stage"], event["attempt"])
        assert job.is_open, f"{event['type']} of {key}, but no attempt is open"
        assert job.at == key[1:], f"{event['type']} of {key}, open is {job.at}"
        ended = {(s, a) for s, a, _ in job.ended}
        assert key[1:] not in ended, f"{key} ended twice"
        job.ended.add((key[1], key[2], event["type"]))
        job.is_open = False
        return key

    def _stage_started(self, job: Fate, event: Line) -> None:
        assert self.running() is None, "two attempts at a time"
        assert job is self.head(), f"{job.id} started, but it is the turn of {self.head()}"
        assert (event["stage"], event["attempt"]) == job.at, (
            f"{event['stage']}.{event['attempt']}: not {job.at}"
        )
        for name in job.done:
            if self.stages[name].gate:
                assert job.decided.get((name, job.attempts[name])) == "approve", f"{name} has no approval"
                assert not job.misses(name), f"{name} was approved with files that are gone"
                assert job.approved[name] == job.digest(name), f"{name} was approved with other bytes"
        job.attempts[event["stage"]] = event["attempt"]
        job.status, job.reason, job.is_open = "running", "", True
        key = (job.id, event["stage"], event["attempt"])
        self.started[key], self.told[key] = self.boot(), job.told.get(event["stage"], Said())

    def _job_started(self, job: Fate, event: Line) -> None:
        assert sum(job.attempts.values()) == 1, "job_started twice"

    def _stage_completed(self, job: Fate, event: Line) -> None:
        key = self._own(job, event)
        assert self.outcome.get(key) == "ok", f"{key} completed, but it ended {self.outcome.get(key)}"
        for path in [path for path, owner in job.owner.items() if owner == key[1]]:
            del job.owner[path]
            job.disk.pop(path, None)
        made = self.made[key]
        assert {a["path"] for a in event["payload"]["artifacts"]} == set(made), "other files than it made"
        job.disk.update(made)
        job.owner.update(dict.fromkeys(made, key[1]))
        job.done.add(key[1])
        job.told.pop(key[1], None)
        job.approved.pop(key[1], None)
        job.crashes = 0
        self._to_queue(job, "next_stage")
        job.owed = "gate_pause" if self.stages[key[1]].gate else "" if self.next(job) else "job_completed"

    def _stage_failed(self, job: Fate, event: Line) -> None:
        key = self._own(job, event)
        reason = event["payload"]["reason"]
        if reason == "timeout":
            assert self.boot() - self.started[key] >= self.stages[key[1]].limit, f"{key}: not its time"
        else:
            assert self.outcome.get(key) == "bad", f"{key} failed, but it ended {self.outcome.get(key)}"
        job.failures[key[1]] = job.failures.get(key[1], 0) + 1
        job.status, job.reason, job.crashes = "failed", reason, 0
        job.owed = "stage_retried" if job.failures[key[1]] <= self.stages[key[1]].retries else "job_failed"

    def _stage_interrupted(self, job: Fate, event: Line) -> None:
        key = self._own(job, event)
        cause = event["payload"]["cause"]
        if self.outcome.get(key) != "lost":
            assert cause in self.cuts, f"{key} was cut off by a {cause}, but there was: {self.cuts}"
        job.crashes += cause == "crash"
        self._to_queue(job, "interrupted")
        job.owed = "job_failed" if job.crashes > 3 else ""

    def _stage_canceled(self, job: Fate, event: Line) -> None:
        self._own(job, event)
        assert job.status == "canceled", "the end of an attempt that nobody canceled"

    # -- gates

    def _open_gate(self, job: Fate, event: Line) -> None:
        rule, digest = self.stages[event["stage"]], event["payload"]["digest"]
        assert rule.gate, f"{rule.name} has no gate"
        assert rule.name in job.done, f"{rule.name} has not completed"
        assert job.attempts[rule.name] == event["attempt"], "the gate of an earlier attempt"
        expires = event["payload"]["expires_at"]
        assert (expires is None) == (rule.time is None), f"expires at {expires}"
        deadline = None if rule.time is None else self.boot() + rule.time
        job.gate = Waits(rule.name, event["attempt"], deadline, expires, digest)
        job.status, job.at = "needs_approval", (rule.name, event["attempt"])

    def _gate_pause(self, job: Fate, event: Line) -> None:
        assert (event["stage"], event["attempt"]) not in job.decided, "decided already"
        self._are_early(job)
        self._open_gate(job, event)
        job.reason = "gate_open"
        assert event["payload"]["digest"] == job.digest(event["stage"]), "another digest than of its files"

    def _are_early(self, job: Fate) -> None:
        """What lies there before the gate opens cannot be about it; but for what is gone by then as a repetition."""
        for given in job.given:
            if not given.fate and self.verdict(job, given) == "repeat" and self.is_gone(job, given):
                given.fate = "repeated"
            if given.verb in ("approve", "reject") and given.fate in ("", "refused"):
                given.early = True

    def _gate_reopened(self, job: Fate, event: Line) -> None:
        if job.status == "queued":
            name = event["stage"]
            assert job is self.head(), "not its turn"
            assert self.running() is None, "the lane is taken"
            changed = job.approved.get(name) != job.digest(name) or job.misses(name)
            assert changed, f"the files of {name} are as approved"
            self._are_early(job)
            self._open_gate(job, event)
            job.reason = "stale"
            return
        assert job.gate is not None
        assert job.gate.expired, "this gate waits"
        self._take(job, event, "resume")
        self._open_gate(job, event)
        self._person_acted(job)
        job.reason = "gate_open"

    def _take(self, job: Fate, event: Line, verb: str) -> Given:
        """The file that this event says was the answer."""
        given = next((g for g in job.given if g.identity == event["payload"]["identity"]), None)
        assert given is not None, f"{event['type']} by a file that nobody gave: {event['payload']}"
        assert given.verb == verb, f"{event['type']} by {given.verb}.yaml"
        assert given.fate == "", f"{event['type']}: {given} counted twice"
        verdict = self.verdict(job, given)
        assert verdict == "accept", f"{event['type']}: {given} should be: {verdict}"
        assert given.may, f"{given} was acted on too early"
        given.fate = "recorded"
        return given

    def _person_acted(self, job: Fate) -> None:
        job.failures, job.crashes = {}, 0

    def _artifact_edited(self, job: Fate, event: Line) -> None:
        gate = job.gate
        assert gate is not None
        assert event["payload"]["new"] == job.digest(gate.stage), "another digest than of its files"
        assert event["payload"]["new"] != gate.digest, "nothing was edited"
        gate.digest = event["payload"]["new"]
        gate.edited = self.boot()

    def _decide(self, job: Fate, event: Line, verb: str) -> None:
        gate = job.gate
        assert gate is not None, f"{event['type']}: no gate waits"
        assert (event["stage"], event["attempt"]) == (gate.stage, gate.attempt), "another gate"
        if verb == "approve":
            digest = job.digest(gate.stage)
            assert event["payload"]["digest"] == digest, "the event names other bytes than lie there"
            job.approved[gate.stage] = digest
        job.decided[(gate.stage, gate.attempt)] = verb
        job.gate = None
        self._person_acted(job)

    def _gate_approved(self, job: Fate, event: Line) -> None:
        before, stale = dict(job.approved), job.reason == "stale" or self._was_stale(job)
        if event["payload"]["by"] == "timer" and not event["payload"]["identity"]:
            self._time_is_over(job)
            assert job.gate is not None
            assert self.stages[job.gate.stage].auto_approve, "the timer may not approve"
            assert not job.misses(job.gate.stage), "the timer approved what is not there"
            # A process that begins shows what was edited, and then looks whose time is over.
            shown = self.boot() > job.gate.edited or "crash" in self.cuts
            assert shown, "the timer approved what nobody could have seen yet"
        else:
            rejects = [g for g in job.given if g.verb == "reject" and not g.fate and g.whole]
            wins = [g for g in rejects if self.verdict(job, g) == "accept"]
            assert not wins, f"approved, but reject wins: {wins}"
            self._take(job, event, "approve")
        self._decide(job, event, "approve")
        name = event["stage"]
        outdated = [reader for reader in self.readers(name)[1:] if reader in job.done]
        self._to_queue(job, "approved")
        if stale and before.get(name) != job.approved[name] and outdated:
            job.owed = "job_rewound"
        elif self.next(job) is None:
            job.owed = "job_completed"

    def _was_stale(self, job: Fate) -> bool:
        """Whether this very attempt was approved before."""
        return job.gate is not None and job.decided.get((job.gate.stage, job.gate.attempt)) == "approve"

    def _gate_rejected(self, job: Fate, event: Line) -> None:
        given = self._take(job, event, "reject")
        stage = event["stage"]
        meant = given.keys.get("from") or stage
        job.told[meant] = job.told.get(meant, Said()).and_then(given.said)
        self._decide(job, event, "reject")
        then = given.keys.get("then") or ("retry" if "from" in given.keys else "pause")
        job.status, job.reason = "paused", "rejected"
        back = [n for n in self.readers(given.keys.get("from") or stage) if job.attempts.get(n)]
        again = "job_rewound" if "from" in given.keys or len(back) > 1 else "stage_retried"
        job.owed = {"stop": "job_canceled", "pause": "job_paused"}.get(then, again)
        if again == "stage_retried" and then == "retry":
            job.owed = "stage_retried"
        elif then == "retry" and "from" not in given.keys:
            # Later stages are made again only if they were made since they were last set back.
            job.owed = "job_rewound" if any(n in job.done for n in back[1:]) else ""

    def _time_is_over(self, job: Fate) -> None:
        gate = job.gate
        assert gate is not None, "no gate waits"
        assert not gate.expired, "it expired before"
        assert gate.deadline is not None, "this gate has no limit"
        assert self.boot() >= gate.deadline - TICK, (
            f"its time is over at {gate.deadline}, now it is {self.boot()}"
        )
        lying = [g for g in job.given if not g.fate and self.verdict(job, g) == "accept"]
        assert not lying, f"the timer acted, but an answer lay there: {lying}"

    def _gate_expired(self, job: Fate, event: Line) -> None:
        self._time_is_over(job)
        assert job.gate is not None
        rule = self.stages[job.gate.stage]
        assert not rule.auto_approve or job.misses(rule.name), "it should have approved itself"
        job.gate.expired = True
        job.status, job.reason = "paused", "expired"
        job.owed = {"pause": "job_paused", "cancel": "job_canceled", "fail": "job_failed"}[rule.on_timeout]

    # -- jobs

    def _job_paused(self, job: Fate, event: Line) -> None:
        assert job.status == "paused"

    def _stage_retried(self, job: Fate, event: Line) -> None:
        job.done.discard(event["stage"])
        self._to_queue(job, "retry")

    def _job_resumed(self, job: Fate, event: Line) -> None:
        given = self._take(job, event, "resume")
        name = given.keys.get("from") or job.at[0]
        # What the stage where the job is was to be told goes to the one that is made in its place.
        waited = [job.told.pop(stage, Said()) for stage in dict.fromkeys((str(name), str(job.at[0])))]
        job.told[str(name)] = reduce(Said.and_then, [*waited, given.said])
        self._person_acted(job)
        job.done.discard(job.at[0] or "")
        made = [n for n in self.readers(str(name))[1:] if n in job.done]
        job.owed = "job_rewound" if name != job.at[0] or made else ""
        self._to_queue(job, "resumed")

    def _job_rewound(self, job: Fate, event: Line) -> None:
        back = event["payload"]["stages"]
        allowed = list(self.readers(back[0]))
        if event["payload"]["reason"] != "approved" and job.at[0] not in (None, *allowed):
            # What was rejected or failed is made again, though it read nothing of what is gone back to.
            allowed.append(str(job.at[0]))
        assert set(back) <= set(allowed), f"{back}: not the readers of {back[0]}"
        assert not [n for n in allowed if n in job.done and n not in back], f"{back}: some are left made"
        for name in back:
            job.done.discard(name)
            for path in [path for path, owner in job.owner.items() if owner == name]:
                del job.owner[path]
                job.disk.pop(path, None)
        self._to_queue(job, event["payload"]["reason"])

    def _job_completed(self, job: Fate, event: Line) -> None:
        assert self.next(job) is None, "stages are pending"
        job.status, job.reason, job.at = "completed", "", (None, 0)

    def _job_failed(self, job: Fate, event: Line) -> None:
        if job.status == "queued":
            assert job.crashes > 3, "nothing failed"
            job.reason = "interrupted"
        job.status, job.gate = "failed", None

    def _job_canceled(self, job: Fate, event: Line) -> None:
        reason = event["payload"]["reason"]
        if reason == "canceled":
            self._take(job, event, "cancel")
        job.status, job.reason, job.gate = "canceled", reason, None

    def _decision_refused(self, job: Fate, event: Line) -> None:
        given = next((g for g in job.given if g.identity == event["payload"]["identity"]), None)
        assert given is not None, f"a refusal of a file that nobody gave: {event}"
        assert given.fate == "", f"{given} was refused, but it was {given.fate}"
        assert given.may, f"{given} was acted on too early"
        verdict = self.verdict(job, given)
        assert verdict == "refuse", f"refused ({event['message']}): {given} should be: {verdict}"
        given.fate = "refused"
