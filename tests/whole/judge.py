"""What the contract says of the jobs of a workspace: whose turn it is, what a file comes to, what is due by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tests.whole.nouns import Asked, Fate, Given, Said, StageRule

SETTLE = 2.0
"""Seconds that a file has to rest, and that an edit is shown before the timer may approve it."""
PUT_OFF = 1.5
"""Seconds by which the timer may come later for what lay there and did not count."""
TICK = 0.002
"""The times in events are whole milliseconds."""


class Judge:
    """All jobs of a workspace. ``boot`` gives the time that gates and limits are measured by.

    ``is_gone``: whether a decision file was taken away.
    """

    def __init__(
        self,
        stages: Sequence[StageRule],
        boot: Callable[[], float],
        is_gone: Callable[[Fate, Given], bool],
    ) -> None:
        self.is_gone = is_gone
        self.stages = {stage.name: stage for stage in stages}
        self.boot = boot
        self.jobs: dict[str, Fate] = {}
        self.asked: dict[str, Asked] = {}
        """Every request, by identity."""
        self.accepted: dict[str, bytes] = {}
        """The bytes of the request that became the job."""
        self.outcome: dict[tuple[str, str, int], str] = {}
        """How the attempts ended that a test ended: ok, bad or lost."""
        self.made: dict[tuple[str, str, int], dict[str, bytes]] = {}
        self.started: dict[tuple[str, str, int], float] = {}
        self.told: dict[tuple[str, str, int], Said] = {}
        """What each attempt was to be told when it started."""
        self.cuts: set[str] = set()
        """Why attempts may be cut off now: crash or stop."""
        self.ending = False
        """Whether the open attempt was told to end."""

    # -- whose turn it is

    def next(self, job: Fate) -> str | None:
        return next((name for name in self.stages if name not in job.done), None)

    def head(self) -> Fate | None:
        """The job whose turn it is."""
        queued = [job for job in self.jobs.values() if job.status == "queued"]
        return min(queued, key=lambda job: (-job.priority, job.order), default=None)

    def running(self) -> Fate | None:
        return next((job for job in self.jobs.values() if job.is_open), None)

    def readers(self, name: str) -> list[str]:
        reached = [name]
        for stage in self.stages.values():
            if set(reached) & set(stage.needs):
                reached.append(stage.name)
        return reached

    # -- verdicts

    def verdict(self, job: Fate, given: Given) -> str:
        """What the contract says of this file now: accept, refuse, or repeat (it changes nothing)."""
        if not given.sense:
            return "refuse"
        if given.verb == "cancel":
            return "refuse" if job.final or not self._fits(given, job.at) else "accept"
        if given.verb == "resume":
            return "accept" if self._resumes(job, given) else "refuse"
        gate, place = job.gate, given.place
        before = job.decided.get((place[0] or "", place[1] or 0))
        other = gate is None or place != (gate.stage, gate.attempt)
        if before == given.verb and other and not (gate is not None and given.early):
            return "repeat"
        return "accept" if self._answers(job, given) else "refuse"

    def _answers(self, job: Fate, given: Given) -> bool:
        """Whether approve or reject is about the gate that waits, and about what lies there."""
        gate = job.gate
        if gate is None or given.early or not self._fits(given, (gate.stage, gate.attempt)):
            return False
        digest = job.digest(gate.stage)
        if given.keys.get("digest", digest) != digest or (given.verb == "approve" and job.misses(gate.stage)):
            return False
        return given.keys.get("from", gate.stage) in self._up_to(gate.stage)

    def _fits(self, given: Given, place: tuple[str | None, int]) -> bool:
        stage, attempt = given.place
        return stage in (None, place[0]) and attempt in (None, place[1])

    def _up_to(self, stage: str | None) -> list[str]:
        names = list(self.stages)
        return names[: names.index(stage) + 1] if stage in names else names

    def _resumes(self, job: Fate, given: Given) -> bool:
        if not self._fits(given, job.at):
            return False
        if job.gate is not None:
            return job.gate.expired and "from" not in given.keys
        back = given.keys.get("from", job.at[0])
        return job.status in ("paused", "failed") and back in self._up_to(job.at[0])

    # -- what should have happened

    def unmet(self) -> Iterator[str]:
        """What is due and was not done, of a daemon that has come to rest."""
        head, running = self.head(), self.running()
        if head is not None and running is None:
            yield f"{head.id} is queued, the lane is free, and nothing starts"
        if running is not None:
            key = (running.id, running.at[0] or "", running.at[1])
            if key in self.outcome:
                yield f"{key} ended ({self.outcome[key]}), and that was not recorded"
            elif not self.ending and self.boot() >= self.started[key] + self.stages[key[1]].limit:
                yield f"{key} runs beyond its limit"
        for job in self.jobs.values():
            if job.owed:
                yield f"{job.id}: {job.owed} is missing"
            if self._is_late(job):
                yield f"{job.id}: the time of its gate is over"
            if not job.final:
                for given in job.given:
                    if self.waits(job, given):
                        continue
                    if not given.fate and given.whole and self.verdict(job, given) != "repeat":
                        yield f"{job.id}: {given} lies there and nothing was said of it"

    def _is_late(self, job: Fate) -> bool:
        """Whether the time of the gate is over for longer than anything but an answer may put that off."""
        gate = job.gate
        if gate is None or gate.expired or gate.deadline is None:
            return False
        if not all(given.whole or given.fate for given in job.given):
            gate.answered = self.boot()
        over = max(gate.deadline, gate.answered)
        if self.stages[gate.stage].auto_approve:
            over = max(over, gate.edited + SETTLE)
            changing = job.digest(gate.stage) != gate.digest or job.misses(gate.stage)
            if not changing or self.boot() < over:
                gate.held = None
            else:
                gate.held = self.boot() if gate.held is None else gate.held
                over = gate.held + SETTLE
        return self.boot() >= over + PUT_OFF

    def waits(self, job: Fate, given: Given) -> bool:
        """Whether approve.yaml has to wait for a reject.yaml beside it that is not whole yet.

        One that was refused, too: a new process has to see it rest before it knows it again.
        """
        beside = any(g.verb == "reject" and g.fate in ("", "refused") and not g.whole for g in job.given)
        return given.verb == "approve" and beside
