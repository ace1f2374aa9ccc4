"""Daemons that come in each other's way: several in one workspace, two workspaces on one lane, lock files taken away.

Every try is one provocation while stages run: a second daemon, a kill -9 and two successors at once, a lock file
deleted or replaced. The stages themselves are the witnesses: each holds a flock, and so does whatever it leaves behind.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests import history
from tests.crashed import PATIENT, Crashed
from tests.soak import below, kill
from tests.support import wait_for

RIVAL = """\
name: rival
params:
  seconds: {type: number, default: 0, minimum: 0, maximum: 60}
stages:
  - {name: first, run: "./rival.py:run", retries: 100, outputs: [first.txt]}
  - {name: second, run: "./rival.py:run", retries: 100, outputs: [second.txt]}
"""
WORK = """\
def work(context):
    if context.params["seconds"] > 0.15 and os.fork() == 0:
        # A stray, in a session of its own: it goes with its stage, or holds the probe against the next one.
        os.setsid()
        time.sleep(600)
    time.sleep(context.params["seconds"])
    (context.out_dir / f"{context.stage}.txt").write_text("made")
"""
EXPECTED = {-signal.SIGKILL: "killed", 73: "its lock was taken away", 75: "another is there"}
JOBS_AT_ONCE = 2


class Camp:
    """One workspace and every daemon that was started in it."""

    def __init__(self, base: Path, name: str) -> None:
        self.name = name
        lane = f"lane: {{path: {base / 'lane.lock'}}}\nwatch: {{rescan_seconds: 1}}\n"
        self.studio = Crashed(base / name, PATIENT + lane)
        self.studio.pipeline("rival", RIVAL, rival=history.STAGE.format(place=str(base / "all")) + WORK)
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.ends: Counter[int] = Counter()
        self._open: list[str] = []

    def spawn(self) -> None:
        self.daemons.append(self.studio.spawn())

    def bury(self) -> None:
        """Count the daemons that ended; any end that is not expected is a fault."""
        for process in list(self.daemons):
            if (code := process.poll()) is not None:
                self.daemons.remove(process)
                self.ends[code] += 1
                if code not in EXPECTED:
                    raise AssertionError(
                        f"a daemon ended with {code}:\n{self.studio.log.read_text()[-3000:]}"
                    )

    def work(self, seconds: float) -> None:
        """Have some jobs in the queue, and a daemon to do them."""
        self.bury()
        self._open = [job for job in self._open if self.studio.state(job).get("status") != "completed"]
        while len(self._open) < JOBS_AT_ONCE:
            job_id = f"{self.name}-{len(self.studio.asked) + 1}"
            self._open.append(self.studio.ask(job_id, "rival", seconds=seconds))
        if not self.daemons:
            self.spawn()

    def done(self) -> bool:
        """Whether every job is completed; a daemon is seen to."""
        self.bury()
        if not self.daemons:
            self.spawn()
        return all(self.studio.state(job).get("status") == "completed" for job in self._open)

    def end(self) -> None:
        for process in self.daemons:
            process.terminate()
            process.wait(60)
        self.daemons.clear()


class Rivals:
    """Two camps on one lane, and what is done to them, by one seed."""

    def __init__(self, base: Path, seed: int) -> None:
        self.base, self._random = base, random.Random(seed)
        base.mkdir(parents=True, exist_ok=True)
        self.camps = [Camp(base, "a"), Camp(base, "b")]
        self.tries: Counter[str] = Counter()

    def run(self, tries: int) -> None:
        """So many provocations; then everything comes to rest and is checked."""
        ways = [self._second, self._succession, self._massacre, self._delete, self._replace]
        for number in range(tries):
            self._let_them_work()
            way = ways[number % len(ways)]
            way(self._random.choice(self.camps))
            self.tries[way.__name__.strip("_")] += 1
        for camp in self.camps:
            wait_for(camp.done, f"the end of all jobs of {camp.name}", 300)
        for camp in self.camps:
            camp.end()
        found = self.faults()
        assert not found, "\n".join(found)

    def _let_them_work(self) -> None:
        """Until another stage has begun, and a moment more."""
        seconds, before = self._random.choice([0, 0.1, 0.2, 2.0]), self._stages()

        def begun() -> bool:
            for camp in self.camps:
                camp.work(seconds)
            return self._stages() > before

        wait_for(begun, "another stage to begin")
        time.sleep(self._random.uniform(0.0, 0.3))

    def _stages(self) -> int:
        witness = self.base / "all.witness"
        return witness.read_text().count("start ") if witness.exists() else 0

    def _second(self, camp: Camp) -> None:
        """Another daemon, beside the one that is there or is only starting."""
        camp.spawn()

    def _succession(self, camp: Camp) -> None:
        """kill -9 while a stage runs, and two successors at once."""
        kill(*(process.pid for process in camp.daemons))
        camp.spawn()
        camp.spawn()

    def _massacre(self, camp: Camp) -> None:
        """Daemon and keeper at once: nobody is left to end the stage but its successor."""
        daemons = [process.pid for process in camp.daemons]
        kill(*daemons, *(keeper for daemon in daemons for keeper in below(daemon)[:1]))
        camp.spawn()

    def _delete(self, camp: Camp) -> None:
        """A lock file goes away under its holder, and other daemons come at once."""
        self._lock(camp).unlink(missing_ok=True)
        self._come(camp)

    def _replace(self, camp: Camp) -> None:
        """Another file takes the lock's name, and other daemons come at once."""
        beside = self.base / "other.lock"
        beside.touch()
        beside.rename(self._lock(camp))
        self._come(camp)

    def _come(self, camp: Camp) -> None:
        """A second daemon in the one workspace, a new one in the other."""
        for other in self.camps:
            if other is not camp:
                kill(*(process.pid for process in other.daemons))
            other.spawn()

    def _lock(self, camp: Camp) -> Path:
        return self._random.choice([self.base / "lane.lock", camp.studio.root / "jobs/daemon.lock"])

    def faults(self) -> list[str]:
        """What the stages saw and what the files say."""
        ledgers = [history.lines(camp.studio.root / "jobs/state.jsonl") for camp in self.camps]
        found = list(
            history._witnessed(self.base / "all.witness", [line for each in ledgers for line in each])
        )
        for camp in self.camps:
            found += history.faults(camp.studio.root, camp.studio.asked)
        return found

    def summary(self) -> str:
        tries = ", ".join(f"{count} {what}" for what, count in self.tries.items())
        ends = self.camps[0].ends + self.camps[1].ends
        told = ", ".join(f"{count} {EXPECTED[code]}" for code, count in ends.items())
        return f"{self.tries.total()} tries ({tries}), {self._stages()} stages, daemons that ended: {told}; 0 overlaps"

    def close(self) -> None:
        for camp in self.camps:
            kill(*(pid for process in camp.daemons for pid in (process.pid, *below(process.pid))))
            for process in camp.daemons:
                process.wait()
