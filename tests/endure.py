"""``python -m tests.endure HOURS JOBS [FOLDER]``: the real daemon under an even, mixed load, and what it holds.

At the end a table of its memory, descriptors, threads, zombies and watches, and the verdict: memory of daemon
and keeper grew by less than 5 MB after the warm-up, descriptors and threads are what they were, no zombie was
seen, every job ended as it should, and the files agree with each other.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import history
from tests.crashed import disagreements
from tests.studio import QUICK, Studio
from tests.vitals import Vitals, Watch, look

WARM_UP = 0.1
"""The part of the jobs before memory is compared: 2,000 of 20,000."""
GROWTH_KIB = 5 * 1000 * 1000 // 1024
OPEN_AT_ONCE = 40
SAMPLE_SECONDS = 5.0
PAUSE_SECONDS = 0.03
REST_SECONDS = 1.0
SPARE_DESCRIPTORS = 4
"""A keeper holds so many more once it has the process ready that the next stage will run in: two pipes, the pidfd,
the socket; a sample may be taken before it has."""
SIGHUP_JOBS, READ_JOBS = 2000, 500
"""After every so many jobs: the policy is read again; somebody asks for the status."""

POLICY = QUICK + "watch: {rescan_seconds: 20}\n"
PIPELINES = {
    "plain": """\
name: plain
stages:
  - {name: one, command: [sh, -c, 'echo one > one.txt'], outputs: [one.txt]}
  - {name: two, command: [cp, "{run}/one.txt", two.txt], outputs: [two.txt]}
""",
    "function": """\
name: function
stages:
  - {name: one, run: "./endured.py:run", outputs: [one.txt]}
""",
    "gate": """\
name: gate
stages:
  - {name: one, run: "./endured.py:run", gate: true, outputs: [one.txt]}
  - {name: two, command: [cp, "{run}/one.txt", two.txt], outputs: [two.txt]}
""",
    "failing": """\
name: failing
stages:
  - {name: one, command: [sh, -c, 'head -c 300000 /dev/zero; test $SPORK_ATTEMPT -gt 1 && echo 1 > one.txt']}
""",
}
FUNCTION = """\
def run(context):
    print("hello")
    context.progress(0.5, "half")
    (context.out_dir / "one.txt").write_text(f"{context.intent} {context.feedback} {context.attempt}")
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of job: its pipeline, and at each status that a person acts on, what they do; then its end."""

    pipeline: str
    acts: tuple[tuple[str, str], ...]
    end: str


KINDS = {
    "plain": Kind("plain", (), "completed"),
    "function": Kind("function", (), "completed"),
    "approved": Kind("gate", (("needs_approval", "approve"),), "completed"),
    "again": Kind("gate", (("needs_approval", "retry"), ("needs_approval", "approve")), "completed"),
    "held": Kind("gate", (("needs_approval", "reject"), ("paused", "cancel")), "canceled"),
    "called off": Kind("gate", (("needs_approval", "cancel"),), "canceled"),
    "failing": Kind("failing", (("failed", "cancel"),), "canceled"),
    "resumed": Kind("failing", (("failed", "resume"),), "completed"),
}
MIX = "plain function approved plain again function approved failing plain called-off function resumed held plain"


@dataclass(slots=True)
class Open:
    """A job that is not over: how many acts were done, and at which event the last one."""

    kind: Kind
    done: int = 0
    at: int = -1


class Load:
    """Jobs that come at an even pace, and the people who answer them."""

    def __init__(self, root: Path) -> None:
        self.studio = Studio(root, POLICY)
        for name, text in PIPELINES.items():
            self.studio.pipeline(name, text)
        (root / "conf/pipelines/endured.py").write_text(FUNCTION)
        self._kinds = [KINDS[name.replace("-", " ")] for name in MIX.split()]
        self.submitted: dict[str, bytes] = {}
        self.open: dict[str, Open] = {}
        self.ended: Counter[str] = Counter()
        self.wrong: list[str] = []

    @property
    def over(self) -> int:
        return self.ended.total()

    def ask(self) -> None:
        """One more job; every fiftieth comes with a file that is no request."""
        number = len(self.submitted) + 1
        kind, job_id = self._kinds[number % len(self._kinds)], f"job-{number:06d}"
        text = f"intent: number {number}\nid: {job_id}\npipeline: {kind.pipeline}\n...\n"
        self.submitted[job_id] = text.encode()
        self.open[job_id] = Open(kind)
        self.studio.drop(f"{job_id}.yaml", text)
        if number % 50 == 0:
            self.studio.drop("bad.yaml", f"intent: {number}\nintend: misspelled\n...\n")

    def step(self) -> None:
        """See to every open job."""
        for job_id, job in list(self.open.items()):
            state = self.studio.state(job_id)
            if not state or state["seq"] == job.at:
                continue
            acts, status = job.kind.acts, state["status"]
            if job.done < len(acts) and status == acts[job.done][0]:
                self._act(job_id, acts[job.done][1])
                job.done, job.at = job.done + 1, state["seq"]
            elif status in ("completed", "canceled", "failed"):
                if (status, job.done) != (job.kind.end, len(acts)):
                    self.wrong.append(f"{job_id} ended {status} after {job.done} of {acts}")
                self.ended[status] += 1
                del self.open[job_id]

    def _act(self, job_id: str, act: str) -> None:
        if act == "retry":
            self.studio.answer(job_id, "reject", then="retry", notes="again")
        elif act in ("approve", "reject"):
            self.studio.answer(job_id, act)
        else:
            self.studio.write(job_id, f"{act}.yaml", "by: alice\n...\n")


def endure(load: Load, hours: float, jobs: int) -> Watch:
    """Run so many jobs, spread over the time; what was seen meanwhile."""
    process = load.studio.start()
    watch, began, sample_at = Watch(), time.monotonic(), 0.0
    reload_at, read_at = SIGHUP_JOBS, READ_JOBS
    while load.over < jobs:
        seconds = time.monotonic() - began
        due = min(jobs, int(seconds / (hours * 3600) * jobs) + 1)
        while len(load.submitted) < due and len(load.open) < OPEN_AT_ONCE:
            load.ask()
        load.step()
        if process.poll() is not None:
            raise AssertionError(f"the daemon ended: {load.studio.log.read_text()[-3000:]}")
        if load.over >= reload_at:
            reload_at += SIGHUP_JOBS
            process.send_signal(signal.SIGHUP)
        if load.over >= read_at:
            read_at += READ_JOBS
            load.studio.spork("status", "--json")
        # A daemon without work lets its keeper go after a minute; there always is some.
        if load.over and seconds >= sample_at:
            sample_at = seconds + SAMPLE_SECONDS
            watch.add(seconds, load.over, look(process.pid, load.studio.root))
            print(
                f"\r{load.over} jobs, {seconds / 60:.1f} min, {watch.taken[-1][2].rss} KiB",
                end="",
                flush=True,
            )
        time.sleep(PAUSE_SECONDS)
    print()
    # At rest: what was opened and watched for a job has gone with it.
    time.sleep(REST_SECONDS)
    watch.add(time.monotonic() - began, load.over, look(process.pid, load.studio.root))
    return watch


def verdict(watch: Watch, jobs: int) -> tuple[list[str], int]:
    """What is wrong, and by how many KiB the memory of both grew after the warm-up."""
    warm = [seen for _, over, seen in watch.taken if over >= jobs * WARM_UP]
    part = max(len(warm) // 20, 1)
    first, last = warm[:part], warm[-part:]
    found = []

    def growth(name: str) -> int:
        def of(seen: Vitals) -> int:
            return int(getattr(seen.daemon, name) + getattr(seen.keeper, name))

        return watch.middle(of, last) - watch.middle(of, first)

    grown = growth("rss")
    if grown >= GROWTH_KIB:
        found.append(f"memory grew by {grown} KiB")
    # Under load an attempt or an open gate holds a few of them; at rest as few as ever are left.
    seen, rest = [seen for _, _, seen in watch.taken], watch.taken[-1][2]
    for name in ("descriptors", "threads", "watches"):
        for who in ("daemon", "keeper"):
            fewest = min(getattr(getattr(one, who), name) for one in seen)
            left = getattr(getattr(rest, who), name)
            spare = SPARE_DESCRIPTORS if (who, name) == ("keeper", "descriptors") else 0
            if left not in (fewest, fewest + spare):
                found.append(f"{left} {name} of the {who} at the end, {fewest} once before")
    zombies = sum(one.zombies for one in seen)
    if zombies:
        found.append(f"{zombies} zombies seen")
    return found, grown


def check(load: Load) -> list[str]:
    """What the files say, after the daemon was stopped."""
    found = list(load.wrong)
    if (code := load.studio.stop()) != 0:
        found.append(f"the daemon's exit code was {code}")
    found += history.faults(load.studio.root, load.submitted)
    found += disagreements(load.studio.root)
    types = Counter(event["type"] for event in history.lines(load.studio.root / "jobs/state.jsonl"))
    if types["decision_refused"]:
        found.append(f"{types['decision_refused']} decisions were refused")
    if types["request_refused"] != len(load.submitted) // 50:
        found.append(f"{types['request_refused']} requests were refused, not {len(load.submitted) // 50}")
    return found


def main(arguments: Sequence[str]) -> int:
    """One run; 0 where nothing is wrong."""
    hours, jobs = float(arguments[0]), int(arguments[1])
    base = Path(arguments[2] if arguments[2:] else tempfile.mkdtemp(prefix="spork-endure-"))
    print(f"in {base}", flush=True)
    load = Load(base / "studio")
    began = time.monotonic()
    try:
        watch = endure(load, hours, jobs)
        minutes = (time.monotonic() - began) / 60
        print(watch.table())
        found, grown = verdict(watch, jobs)
        found += check(load)
    finally:
        load.studio.close()
    ends = ", ".join(f"{count} {end}" for end, count in load.ended.most_common())
    print("\n".join(found[:50]))
    print(
        f"{'no fault' if not found else f'{len(found)} faults'}: {load.over} jobs ({ends}) in {minutes:.0f} minutes, "
        f"{len(watch.taken)} samples; daemon and keeper grew by {grown} KiB after {int(jobs * WARM_UP)} jobs"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
