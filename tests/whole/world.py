"""A workspace under rules (tests/whole/rules.py): the daemon at work in it, everything held against the oracle."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from daemon.birth import birth_in
from tests.crashed import disagreements
from tests.studio import Studio
from tests.whole.nouns import FOREVER, Asked, Dropped, Fate, Given, StageRule
from tests.whole.oracle import Oracle
from tests.whole.unplugged import Acting, Unplugged

SHM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NAMES = ("draft", "side", "polish", "publish")
PIPELINE = """\
name: rules
stages:
  - {name: draft, run: "./work.py:run", gate: true, retries: 1, outputs: [draft.txt]}
  - {name: side, run: "./work.py:run", needs: [], outputs: [side.txt]}
  - {name: polish, run: "./work.py:run", needs: [draft], gate: true, outputs: [polish.txt]}
  - {name: publish, run: "./work.py:run", needs: [polish, side], outputs: [publish.txt]}
"""
POLICY = """\
inbox: {settle_seconds: 2, empty_seconds: 10}
pipeline: {default: rules}
min_free_mib: 1
gates:
  draft: {required: true, timeout_minutes: 60, on_timeout: %s}
  polish: {required: true, timeout_minutes: 30, auto_approve: %s}
"""
OURS = {"state.json", "events.jsonl", "pipeline.yaml", "REVIEW.md", "gate.json"}
FOLDERS = {"decisions", "logs", "history", "sources", ".work"}
VERBS = ("cancel", "reject", "approve", "resume")


class World(RuleBasedStateMachine):
    """One workspace from its first request on."""

    steps = 0
    """Rules that were done, over all examples."""
    kills = 0

    @initialize(
        on_timeout=st.sampled_from(["pause", "pause", "cancel", "fail"]),
        auto=st.booleans(),
        poll=st.booleans(),
    )
    def begin(self, on_timeout: str, auto: bool, poll: bool) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="spork-rules-", dir=SHM))
        self.studio = Studio(self.base / "studio", POLICY % (on_timeout, str(auto).lower()))
        self.studio.pipeline("rules", PIPELINE, work="")
        self.root = self.studio.root
        self.boot_id = self.base / "boot_id"
        self.boot_id.write_text("first\n")
        self.boot_patch = mock.patch("daemon.recovery.BOOT_ID", self.boot_id)
        self.boot_patch.start()
        self.daemon, self.poll = Unplugged(self.root, poll=poll), poll
        stages = (
            StageRule("draft", retries=1, gate=True, time=3600.0, on_timeout=on_timeout),
            StageRule("side"),
            StageRule("polish", ("draft",), gate=True, time=1800.0, auto_approve=auto),
            StageRule("publish", ("polish", "side")),
        )
        self.oracle = Oracle(stages, self.daemon.clock.boot, lambda job, given: not self.lies(job, given))
        self.count = self.seen = 0
        self.opens = 0
        self.down = False
        self.pending: list[Asked] = []
        self.held: list[tuple[Any, bytes]] = []
        self.meddled: set[str] = set()
        self.request(1, "a", "normal", "renamed")
        self.go()

    def teardown(self) -> None:
        if hasattr(self, "daemon"):
            try:
                self.end()
            finally:
                self.daemon.close()
                self.boot_patch.stop()
                shutil.rmtree(self.base)

    def end(self) -> None:
        """Everything comes to rest, and everything agrees with everything."""
        self.down = False
        while self.held:
            self.finish_writing()
            self.go()
        self.daemon.clock.pass_time(2.5)
        self.go()
        self.lose_power([])
        self.go()
        self.daemon.stop()
        self.oracle.cuts.add("stop")
        self.hear()
        found = [d for d in disagreements(self.root) if d.partition(":")[0] not in self.meddled]
        assert not found, found

    # -- what is done

    def go(self) -> None:
        """Let the daemon work, if it is up, and hold everything against the oracle."""
        World.steps += 1
        if self.down:
            return
        before = self.daemon.fate.kills
        if self.poll:
            self.daemon.clock.pass_time(2.0)
        if self.daemon.opened is None:
            self.opens += 1
            self.restarted()
        self.rest()
        self.daemon.run()
        died = self.daemon.fate.kills - before
        World.kills += died
        if died:
            self.opens += died
            self.restarted(sure=False)
            for dropped in self.dropped():
                # Whether it was acted on before the process died, the events tell.
                dropped.whole, dropped.seen = dropped.whole and dropped.seen is None, None
        if died:
            self.oracle.cuts.add("crash")
        acting = self.daemon.acting
        self.oracle.ending = acting is not None and bool(acting.said)
        self.hear()
        self.oracle.cuts.clear()
        if died:
            self.restarted()
            self.rest()
        self.check()

    def dropped(self) -> list[Dropped]:
        given = (one for job in self.oracle.jobs.values() for one in job.given if one.fate in ("", "refused"))
        return [*self.pending, *given]

    def rest(self) -> None:
        """Files without an end mark are whole once the same process has seen them rest for two seconds."""
        uptime = self.daemon.clock.uptime
        for dropped in self.dropped():
            if dropped.seen is not None and dropped.seen[0] != self.opens:
                # A new process knows nothing of how long it has lain there.
                dropped.whole = False
            if not dropped.whole and (dropped.seen is None or dropped.seen[0] != self.opens):
                dropped.seen, dropped.may = (self.opens, uptime), False
            elif not dropped.whole and dropped.seen is not None and uptime - dropped.seen[1] >= 2.0:
                dropped.whole = dropped.may = True

    def restarted(self, *, sure: bool = True) -> None:
        """Across a restart a gate's rest is counted by the wall clock."""
        for job in self.oracle.jobs.values():
            gate = job.gate
            if gate is not None:
                gate.edited, gate.held = -FOREVER, None
            if gate is not None and gate.expires is not None and not gate.expired:
                left = datetime.fromisoformat(gate.expires) - self.daemon.clock.wall()
                deadline = self.daemon.clock.boot() + left.total_seconds()
                assert gate.deadline is not None
                gate.deadline = deadline if sure else min(deadline, gate.deadline)

    def hear(self) -> None:
        path = self.root / "jobs/state.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines[self.seen :]:
            event = json.loads(line)
            self.seen += 1
            assert event["seq"] == self.seen, f"line {self.seen} of the ledger has seq {event['seq']}"
            self.oracle.hear(event)
            self.meddled.discard(event["job_id"])

    def check(self) -> None:
        unmet = list(self.oracle.unmet())
        assert not unmet, unmet
        self.check_requests()
        self.check_told()
        for job in self.oracle.jobs.values():
            run = self.root / "runs" / job.id
            if job.id not in self.meddled:
                state = json.loads((run / "state.json").read_text())
                told = (state["status"], state["reason"], state["stage"], state["attempt"])
                assert told == (job.status, job.reason, *job.at), f"{job.id}: {told}, but it is {job}"
            assert published(run) == job.disk, f"{job.id}: {published(run)} is not {job.disk}"
            self.check_answers(job, run)

    def check_told(self) -> None:
        """The attempt that is open was told what people said of its stage, and nothing that they said of another."""
        acting = self.daemon.acting
        if acting is not None:
            said = self.oracle.told[acting.key]
            told = (acting.order.feedback, dict(acting.order.redo))
            assert told == ("\n".join(said.notes), said.redo), f"{acting.key} was told {told}, and not {said}"

    def check_requests(self) -> None:
        for asked in [asked for asked in self.pending if asked.whole]:
            self.pending.remove(asked)
            assert not (self.root / "inbox" / asked.name).exists(), f"inbox/{asked.name} still lies there"
            assert asked.job_id in self.oracle.accepted, f"{asked} is lost"
            if self.oracle.accepted[asked.job_id] != asked.text.encode():
                rejected = self.root / "inbox/rejected"
                assert (rejected / asked.name).read_text() == asked.text
                assert (rejected / f"{asked.name}.error.txt").exists()
        for job_id, data in self.oracle.accepted.items():
            assert (self.root / f"jobs/{job_id}.yaml").read_bytes() == data, f"jobs/{job_id}.yaml"

    def check_answers(self, job: Fate, run: Path) -> None:
        kept = {path.read_text() for path in (run / "decisions").glob("*.yaml")}
        assert kept == {g.text for g in job.given if g.fate == "recorded"}, (
            f"decisions/ of {job.id} hold {kept}"
        )
        for given in job.given:
            path, lies = run / f"{given.verb}.yaml", self.lies(job, given)
            if given.fate == "recorded":
                assert not lies, f"{given} is recorded, and lies there"
            elif given.fate == "refused":
                assert lies, f"{given} was refused, and is gone"
                # Without the end mark it has to rest again after each start, and is told again then.
                told = path.with_name(f"{path.name}.error.txt").exists() or not given.text.endswith("...\n")
                assert told or job.final, f"{given}: no reason"
            elif (
                not given.fate
                and given.whole
                and not job.final
                and not (lies and self.oracle.waits(job, given))
            ):
                assert not lies, f"{given} repeats a decision, and lies there"
                given.fate = "repeated"

    def lies(self, job: Fate, given: Given) -> bool:
        """Whether this very file still lies in the run directory."""
        path = self.root / "runs" / job.id / f"{given.verb}.yaml"
        return path.exists() and key_of(path) == given.identity

    # -- what rules do it with

    def job(self, number: int) -> Fate:
        jobs = list(self.oracle.jobs.values())
        return jobs[number % len(jobs)]

    def request(self, number: int | None, intent: str, priority: str, how: str) -> Path:
        """Drop a request; half of one where its writer is not done."""
        self.count += 1
        path = self.root / f"inbox/r{self.count:03}.yaml"
        facts = {"intent": intent, "priority": priority, **({"id": f"j{number}"} if number else {})}
        text = "".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items())
        if how == "half":
            file = path.open("wb", buffering=0)
            file.write(text[:20].encode())
            self.held.append((file, f"{text}...\n"[20:].encode()))
        else:
            asked = Asked("", text + ("" if how == "copied" else "...\n"), name=path.name)
            asked.job_id = f"j{number}" if number else None
            self.put(path, asked, how)
            self.ask(asked)
        return path

    def finish_writing(self) -> None:
        """The writer of a half request goes on and closes it."""
        file, rest = self.held.pop(0)
        file.write(rest)
        file.close()
        path = Path(file.name)
        text = path.read_text()
        job_id = next((json.loads(line[4:]) for line in text.splitlines() if line.startswith("id: ")), None)
        self.ask(Asked(key_of(path), text, name=path.name, job_id=job_id))

    def lose_power(self, cut: Sequence[float]) -> None:
        """What was not synced of the copies is gone; the boot clock begins anew."""
        self.daemon.dead()
        self.oracle.cuts.add("crash")
        self.count += 1
        self.boot_id.write_text(f"{self.count}\n")
        self.daemon.clock.uptime = 10.0
        copies = [self.root / "jobs/state.jsonl", *self.root.glob("runs/*/events.jsonl")]
        copies += self.root.glob("runs/*/state.json")
        for path, share in zip(sorted(copies), cut, strict=False):
            os.truncate(path, int(path.stat().st_size * share))

    def ask(self, asked: Asked) -> None:
        self.oracle.asked[asked.identity] = asked
        self.pending.append(asked)

    def put(self, path: Path, dropped: Dropped, how: str) -> None:
        """Write a file as people and tools do."""
        if how == "renamed":
            path.with_name(f".{path.name}.part").write_text(dropped.text)
            path.with_name(f".{path.name}.part").rename(path)
        else:
            path.unlink(missing_ok=True)
            path.write_text(dropped.text)
        dropped.whole = dropped.may = how != "copied"
        dropped.identity = key_of(path)

    def give(self, job: Fate, verb: str, keys: Mapping[str, Any], how: str, *, sense: bool = True) -> None:
        """Drop a decision that nobody has given before."""
        self.count += 1
        if sense and verb in ("reject", "resume") and self.count % 4:
            keys = {**keys, "notes": f"note {self.count}"}
        facts = {"by": f"p{self.count}", **keys}
        text = "".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items())
        text += "" if how == "copied" else "...\n"
        self.lay(job, Given("", text, verb=verb, keys=keys, sense=sense), how)

    def lay(self, job: Fate, given: Given, how: str) -> None:
        path = self.root / "runs" / job.id / f"{given.verb}.yaml"
        if not path.parent.is_dir():
            return
        for earlier in job.given:
            if earlier.verb == given.verb and earlier.fate in ("", "refused"):
                earlier.fate = "replaced"
        self.put(path, given, how)
        if job.final:
            given.fate = "void"
        job.given.append(given)

    def bound(self, job: Fate, binding: str) -> dict[str, Any]:
        """What ties an answer to a gate: as the template does, as an old or another one would, or nothing."""
        stage, attempt = job.at
        digest = job.digest(job.gate.stage) if job.gate else "sha256:" + "0" * 64
        full: dict[str, Any] = {"stage": stage or "draft", "attempt": attempt or 1, "digest": digest}
        match binding:
            case "unbound":
                return {}
            case "place":
                return {k: full[k] for k in ("stage", "attempt")}
            case "stale":
                return {**full, "digest": "sha256:" + "1" * 64}
            case "other attempt":
                return {**full, "attempt": full["attempt"] + 1}
            case "other gate":
                return {**full, "stage": "polish" if stage == "draft" else "draft", "attempt": 1}
        return full

    def acting(self) -> Acting | None:
        """The attempt whose end nobody has decided yet."""
        acting = self.daemon.acting if not self.down else None
        return None if acting is None or acting.ended is not None or acting.said else acting

    def gated(self) -> list[Fate]:
        return [job for job in self.oracle.jobs.values() if job.gate is not None]

    def of(self, *statuses: str) -> list[Fate]:
        return [job for job in self.oracle.jobs.values() if job.status in statuses]


def key_of(path: Path) -> str:
    """The file's identity, as the daemon records it."""
    s = os.lstat(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made = birth_in(folder, path.name)
    finally:
        os.close(folder)
    return f"{s.st_ino}:{s.st_size}:{s.st_mtime_ns}:{s.st_ctime_ns if made is None else made}"


def published(run: Path) -> dict[str, bytes]:
    """What lies in a run directory and is neither ours nor a person's."""
    found = {}
    for folder, below, names in os.walk(run):
        if folder == str(run):
            below[:] = [name for name in below if name not in FOLDERS]
        for name in names:
            if folder == str(run) and (name in OURS or name.startswith(VERBS)):
                continue
            path = Path(folder, name)
            found[str(path.relative_to(run))] = path.read_bytes()
    return found
