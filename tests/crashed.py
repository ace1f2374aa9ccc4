"""A workspace whose daemon is killed again and again while its jobs are led to their ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon import ledger, projection
from daemon.machine import fold
from daemon.model import StageStatus
from daemon.store import Store
from daemon.workspace import Workspace
from tests import history
from tests.studio import QUICK, Studio
from tests.support import wait_for

WALK = """\
name: walk
params:
  sources: {type: files, max: 3}
  seconds: {type: number, default: 0, minimum: 0, maximum: 60}
stages:
  - {name: draft, run: "./work.py:run", gate: true, retries: 100, outputs: [a.txt]}
  - {name: polish, run: "./work.py:run", needs: [draft], gate: true, retries: 100, outputs: [polished/1.txt]}
  - {name: publish, run: "./work.py:run", needs: [polish], retries: 100, outputs: [published.txt]}
"""
"""Two gates; the draft reads sources, and leaves other files in odd attempts than in even ones."""

LAST = """\
name: last
params:
  sources: {type: files, max: 3}
  seconds: {type: number, default: 0, minimum: 0, maximum: 60}
  failures: {type: integer, default: 0, minimum: 0, maximum: 100}
stages:
  - {name: draft, run: "./work.py:run", gate: true, retries: 100, outputs: [a.txt]}
"""
"""One stage and the gate after it."""

STRAIGHT = """\
name: straight
params:
  sources: {type: files, max: 3}
  seconds: {type: number, default: 0, minimum: 0, maximum: 60}
stages:
  - {name: draft, run: "./work.py:run", retries: 100}
  - {name: second, run: "./work.py:run", retries: 100}
"""

WORK = """\
def work(context):
    time.sleep(context.params["seconds"])
    if context.attempt <= context.params.get("failures", 0):
        raise RuntimeError("as asked")
    globals().get("make_" + context.stage, make_one)(context, context.out_dir)

def make_draft(context, out):
    (out / "a.txt").write_text(f"draft {context.attempt} {context.feedback}\\n")
    (out / "b.txt").write_text("the same in every attempt\\n")
    inner = out / ("deep/odd" if context.attempt % 2 else "deep/even")
    inner.mkdir(parents=True)
    (inner / "c.txt").write_text(f"draft {context.attempt}\\n")
    for source in sorted(context.sources.iterdir()):
        (out / f"from-{source.name}").write_bytes(source.read_bytes())

def make_polish(context, out):
    (out / "polished").mkdir()
    for number in range(1, 4):
        text = (context.run_dir / "a.txt").read_text().upper()
        (out / f"polished/{number}.txt").write_text(f"{number} {text}")

def make_publish(context, out):
    (out / "published.txt").write_bytes((context.run_dir / "polished/2.txt").read_bytes())

def make_one(context, out):
    (out / f"{context.stage}.txt").write_text(f"{context.job_id} {context.attempt}\\n")
"""

PATIENT = QUICK.replace("stages: {", "stages: {max_interruptions: 1000, ")
"""For many kills: crashes in a row fail nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers to the gate of this stage."""

    stage: str
    verb: str
    keys: dict[str, str] = field(default_factory=dict)
    edit: bool = False
    """Change a file first, and wait until the review shows it."""


APPROVE = (Answer("draft", "approve"), Answer("polish", "approve"))
EDITED = (Answer("draft", "approve", edit=True), Answer("polish", "approve"))
THOROUGH = (
    Answer("draft", "reject", {"notes": "more", "then": "retry"}),
    Answer("draft", "approve"),
    Answer("polish", "reject", {"then": "retry", "from_": "draft"}),
    Answer("draft", "approve"),
    Answer("polish", "approve"),
)


class Crashed(Studio):
    """A studio that remembers what was asked of it, and answers each gate exactly once."""

    def __init__(self, root: Path, policy: str = PATIENT, beside: Path | None = None) -> None:
        """``beside``: where stages leave their witness, if not beside the workspace."""
        super().__init__(root, policy)
        place = beside or root
        self.asked: dict[str, bytes] = {}
        self.witness = place.with_name(f"{place.name}.witness")
        self.to_die: list[str] = []
        self._answered: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self.pipeline("walk", WALK, work=history.STAGE.format(place=str(place)) + WORK)
        self.pipeline("straight", STRAIGHT)
        self.pipeline("last", LAST)

    def ask(self, job_id: str, pipeline: str = "walk", **params: Any) -> str:
        """Drop a request that is whole as it is."""
        facts = {"intent": f"the intent of {job_id}", "id": job_id, "pipeline": pipeline, "params": params}
        text = "".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items()) + "...\n"
        self.asked[job_id] = text.encode()
        self.drop(f"{job_id}.yaml", text)
        return job_id

    def source(self, job_id: str, name: str, text: str) -> None:
        """Put a source of a request beside it."""
        folder = self.root / "inbox" / job_id
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def doom(self, points: str) -> None:
        """Start the daemon, to be killed at these points (``A; B; C``), one after the other."""
        self.to_die = points.split("; ")
        self.spawn(dies=self.to_die[0])

    def revive(self) -> bool:
        """Start the daemon again if it was killed; whether it was. Any other end of it is a fault."""
        assert self.process is not None
        if self.process.poll() is None:
            return False
        if self.process.returncode != -signal.SIGKILL:
            raise AssertionError(f"ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        del self.to_die[:1]
        if self.to_die:
            self.spawn(dies=self.to_die[0])
        else:
            self.start()
        return True

    def step(self, job_id: str, answers: Sequence[Answer]) -> bool:
        """Answer the job's gate if it waits for an answer not given yet; whether the job is over."""
        state = self.state(job_id)
        if not state or state["status"] != "needs_approval":
            return bool(state) and state["status"] in ("completed", "canceled", "failed")
        given = len(state["decided"])
        if self._answered.get(job_id, -1) >= given or given == len(answers):
            return False
        answer, digest = answers[given], state["gate"]["digest"]
        assert state["stage"] == answer.stage, f"{job_id} waits at {state['stage']}, not at {answer.stage}"
        if answer.edit:
            if job_id not in self._seen:
                self._seen[job_id] = digest
                self.write(job_id, "a.txt", "by hand\n")
            if self._seen[job_id] == digest:
                return False
        self._answered[job_id] = given
        self.answer(job_id, answer.verb, **answer.keys)
        return False

    def rest(self) -> None:
        """Stop the daemon and hold everything against everything."""
        assert self.stop() == 0, self.log.read_text()[-3000:]
        found = [*history.faults(self.root, self.asked, self.witness), *disagreements(self.root)]
        assert not found, "\n".join([*found, self.log.read_text()[-2000:]])


def disagreements(root: Path) -> list[str]:
    """Where the copies are not what the database says, or it is not the fold of its events."""
    store = Store(root / "jobs/spork.db", read_only=True)
    try:
        return [
            *_ledger_differs(root, store),
            *(d for job_id in store.ids() for d in _differs(root, store, job_id)),
        ]
    finally:
        store.close()


def _ledger_differs(root: Path, store: Store) -> list[str]:
    files = [path for path in ledger.parts(Workspace(root)) if path.exists()]
    same = projection.lines(store.events()) == b"".join(path.read_bytes() for path in files)
    return [] if same else ["the ledger is not the database's events"]


def _differs(root: Path, store: Store, job_id: str) -> list[str]:
    run, job = root / "runs" / job_id, store.job(job_id)
    assert job is not None
    found = []
    if fold(store.events(job_id)) != job:
        found.append(f"{job_id}: the database's job is not the fold of its events")
    if json.loads((run / "state.json").read_text()) != json.loads(json.dumps(projection.state(job))):
        found.append(f"{job_id}: state.json is not the job")
    if projection.lines(store.events(job_id)) != (run / "events.jsonl").read_bytes():
        found.append(f"{job_id}: events.jsonl is not the database's events")
    for stage in job.stages:
        kept = sorted(store.artifacts(job_id, stage.name, stage.attempts), key=lambda a: a.path)
        # A stage that is made again lists what it had published until the new attempt completes.
        if stage.status is StageStatus.COMPLETED and kept != sorted(stage.artifacts, key=lambda a: a.path):
            found.append(f"{job_id}: the artifacts of {stage.name} differ")
    return found


def lead(studio: Crashed, job_id: str, answers: Sequence[Answer]) -> None:
    """See the job to its end, reviving the daemon, until it was killed at all its points."""

    def over() -> bool:
        studio.revive()
        return studio.step(job_id, answers) and not studio.to_die

    try:
        wait_for(over, f"the end of {job_id}")
    except AssertionError as error:
        due = f"; yet to be killed at {studio.to_die}" if studio.to_die else ""
        told = f"{error}{due}: {studio.state(job_id)}\n{studio.log.read_text()[-3000:]}"
        raise AssertionError(told) from None
