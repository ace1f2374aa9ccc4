"""Power cuts on a disk in a file: what its owner was told is held against what is there after each.

The disk is an ext4 in a file on ``tests/fuse.py``, which logs every write and every flush of the disk's cache in
their order. So one run of load gives any number of cuts, each an exact instant: the blocks written so far (what
the kernel still held is lost), or only those up to the last flush (the disk's own cache is lost too). Each cut's
disk is mounted anew, the daemon is started on it, and all open work is led to its end.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests import history
from tests.crashed import PATIENT, Crashed, disagreements
from tests.fuse import RECORD
from tests.studio import ROOT
from tests.support import wait_for

MIB = 1 << 20
SIZE = 64 * MIB
ENDED = ("completed", "canceled", "failed")
EVENTS = {
    "approve": {"gate_approved"},
    "reject": {"gate_rejected"},
    "cancel": {"job_canceled"},
    "resume": {"job_resumed"},
}


def missing() -> str:
    """What a power cut needs and this machine lacks."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.path.exists("/dev/loop-control"):
        return "there are no loop devices"
    return next(
        (f"{tool} is not installed" for tool in ("mkfs.ext4", "losetup") if not shutil.which(tool)), ""
    )


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was acknowledged when the log was so long."""

    mark: int
    kind: str
    job_id: str = ""
    stage: str | None = None
    attempt: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut after ``mark`` bytes of the log, the disk's cache kept or lost."""

    mark: int
    cached: bool


class Served:
    """A file system of tests/fuse.py in a process of its own."""

    def __init__(self, mount: Path, log: Path | None = None) -> None:
        self.mount = mount
        mount.mkdir(exist_ok=True)
        arguments = [str(mount), *([str(log)] if log else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuse", *arguments],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._hear("ready")

    def tell(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        self._hear("done")

    def _hear(self, word: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said == word, f"the file system said {said!r}"

    def close(self) -> None:
        run("umount", "-l", str(self.mount))
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    """An ext4 image, mounted; its journal is written by fsync alone for as long as a test runs."""
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop,commit=300", str(image), str(place))
    try:
        yield
    finally:
        wait_for(lambda: unmounted(place), f"{place} to be free")


def unmounted(place: Path) -> bool:
    """Whether it could be unmounted: the last process of a stage may take a moment to end."""
    return subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode == 0


class Load:
    """Mixed work on a workspace, and what its owner was told, with the length of the log when they were told."""

    def __init__(self, studio: Crashed, log: Path, requests: Path, seed: int) -> None:
        self.studio, self._log, self._requests = studio, log, requests
        self._random = random.Random(seed)
        self.told: list[Told] = []
        self._commands: list[tuple[subprocess.Popen[bytes], Told]] = []
        self._lying: dict[Path, Told] = {}
        self._answered: set[tuple[str, str | None, int, str]] = set()
        self._asked = 0

    def run(self, jobs: int, until: Callable[[], bool] = lambda: False) -> None:
        """Until so many jobs were asked for and are over, or until something else is the case."""
        requests_left = [jobs]

        def turn() -> bool:
            self._collect()
            if until():
                return True
            if requests_left[0] and self._open() < 4 and self._random.random() < 0.3:
                requests_left[0] -= 1
                self._ask()
            for job_id in runs(self.studio):
                self._answer(job_id)
            return not requests_left[0] and not self._commands and not self._lying and self._open() == 0

        wait_for(turn, "the end of the load", 60 + 10 * jobs)

    def end(self) -> None:
        """What is not acknowledged by now never will be."""
        for process, _ in self._commands:
            process.kill()
            process.wait()
        self._commands.clear()
        self._lying.clear()

    def _open(self) -> int:
        over = sum(self.studio.state(job_id).get("status") in ENDED for job_id in runs(self.studio))
        return len(self.studio.asked) - over

    def _mark(self) -> int:
        return self._log.stat().st_size

    def _collect(self) -> None:
        """Note what was acknowledged since the last time."""
        for path in [path for path in self._lying if not path.exists()]:
            self._note(self._lying.pop(path))
        still = []
        for process, told in self._commands:
            code = process.poll()
            if code is None:
                still.append((process, told))
            elif code == 0:
                self._note(told)
            else:
                self._answered.discard((told.job_id, told.stage, told.attempt, told.kind))
        self._commands = still
        self._note(Told(0, "seq", seq=last_seq(self.studio.root)))

    def _note(self, told: Told) -> None:
        self.told.append(Told(self._mark(), told.kind, told.job_id, told.stage, told.attempt, told.seq))

    def _ask(self) -> None:
        self._asked += 1
        job_id = f"job-{self._asked}"
        kind = self._random.choice(["walk", "walk", "last", "straight"])
        params: dict[str, Any] = {"seconds": self._random.choice([0, 0, 0.05])}
        told = Told(0, "request", job_id)
        facts = {"intent": f"the intent of {job_id}", "pipeline": kind, "params": params}
        if self._random.random() < 0.7:
            facts["id"] = job_id
        if self._random.random() < 0.5:
            sources = self._random.random() < 0.5
            if sources:
                (self._requests / "one.txt").write_text(f"{job_id}\n")
                params["sources"] = ["one.txt"]
            path = self._requests / f"{job_id}.yaml"
            path.write_bytes(as_yaml(facts))
            self._command(told, "submit", str(path))
        else:
            path = self.studio.drop(f"{job_id}.yaml", as_yaml(facts).decode())
            self._lying[path] = told
        self.studio.asked[job_id] = as_yaml(facts)

    def _answer(self, job_id: str) -> None:
        state = self.studio.state(job_id)
        status = state.get("status")
        if status not in ("needs_approval", "paused") or self._random.random() < 0.5:
            return
        key = (job_id, state["stage"], state["attempt"])
        verb = self._verb(state)
        if any((*key, v) in self._answered for v in EVENTS if (v == "resume") == (verb == "resume")):
            return
        self._answered.add((*key, verb))
        told = Told(0, verb, *key)
        if self._random.random() < 0.5:
            more = ["--then", self._random.choice(["retry", "pause"])] if verb == "reject" else []
            self._command(told, verb, job_id, *more)
        elif verb in ("approve", "reject"):
            keys = {"then": self._random.choice(["retry", "pause"])} if verb == "reject" else {}
            self.studio.answer(job_id, verb, **keys)
            self._lying[self.studio.run(job_id) / f"{verb}.yaml"] = told
        else:
            self.studio.write(job_id, f"{verb}.yaml", "by: alice\n...\n")
            self._lying[self.studio.run(job_id) / f"{verb}.yaml"] = told

    def _verb(self, state: dict[str, Any]) -> str:
        if state["status"] == "paused":
            return "resume"
        if state["attempt"] < 3 and self._random.random() < 0.3:
            return "reject"
        return "cancel" if self._random.random() < 0.1 else "approve"

    def _command(self, told: Told, *arguments: str) -> None:
        process = subprocess.Popen(
            self.studio.command(*arguments),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=self._requests,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._commands.append((process, told))


def runs(studio: Crashed) -> list[str]:
    """The ids of the jobs that have a directory."""
    return [path.name for path in (studio.root / "runs").iterdir() if not path.name.startswith(".")]


def taken(studio: Crashed, asked: dict[str, bytes]) -> dict[str, str]:
    """Id and request of each job. The requests are told apart by their bytes: some name no id."""
    names = {data: name for name, data in asked.items()}
    return {
        path.stem: names.get(path.read_bytes(), f"jobs/{path.name} is no request that was made")
        for path in (studio.root / "jobs").glob("*.yaml")
    }


def as_yaml(facts: dict[str, Any]) -> bytes:
    import json

    return ("".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items()) + "...\n").encode()


def last_seq(root: Path) -> int:
    from daemon.store import Store

    store = Store(root / "jobs/spork.db", read_only=True)
    try:
        return store.last_seq()
    finally:
        store.close()


class Disk:
    """A disk whose log is being written by a run of load, then cut again and again."""

    def __init__(self, base: Path) -> None:
        self.base, self.place, self.log = base, base / "disk", base / "disk.log"
        self._blank = base / "blank.img"
        self._at = 0
        self._image = bytearray()
        self._since_sync: list[tuple[int, bytes]] = []

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Have a new disk mounted, and everything written to it logged."""
        with self._blank.open("wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._blank))
        served = Served(self.base / "served", self.log)
        try:
            served.tell("load", "disk.img", str(self._blank))
            with mounted(served.mount / "disk.img", self.place):
                yield
        finally:
            served.close()

    def at(self, cut: Cut) -> bytes:
        """The disk's bytes after that cut; cuts must be asked for in their order."""
        if not self._image:
            self._image = bytearray(self._blank.read_bytes())
        with self.log.open("rb") as log:
            log.seek(self._at)
            while self._at < cut.mark:
                kind, offset, size = RECORD.unpack(log.read(RECORD.size))
                if self._at + RECORD.size + size > cut.mark:
                    break
                self._at += RECORD.size + size
                if kind == b"S":
                    _write(self._image, self._since_sync)
                    self._since_sync.clear()
                else:
                    self._since_sync.append((offset, log.read(size)))
        image = bytearray(self._image)
        if cut.cached:
            _write(image, self._since_sync)
        return bytes(image)


def _write(image: bytearray, blocks: Sequence[tuple[int, bytes]]) -> None:
    for offset, data in blocks:
        image[offset : offset + len(data)] = data


def choose(told: Sequence[Told], length: int, first: int, count: int, seed: int) -> list[Cut]:
    """Cuts in their order: half of them right after something was acknowledged, half anywhere."""
    chance = random.Random(seed)
    marks = [t.mark for t in told if t.kind != "seq"] or [length]
    found = []
    for number in range(count):
        mark = chance.choice(marks) if number % 2 else chance.randrange(first, length)
        found.append(Cut(mark, cached=chance.random() < 0.5))
    return sorted(found, key=lambda cut: cut.mark)


def verify(studio: Crashed, asked: dict[str, bytes], told: Sequence[Told]) -> list[str]:
    """Start the daemon, see what was told, lead all work to its end; everything that is wrong."""
    studio.start()
    try:
        found = [*_kept(studio, asked, told)]
        lead(studio, asked, {t.job_id for t in told if t.kind == "request"})
        code = studio.stop()
    finally:
        studio.close()
    if code != 0:
        found.append(f"the daemon ended with {code}")
    jobs = taken(studio, asked)
    found += [f"{name}: taken twice" for name, count in Counter(jobs.values()).items() if count > 1]
    if not jobs:
        # Cut before there was any work.
        return found
    submitted = {job_id: asked.get(name, b"") for job_id, name in jobs.items()}
    return [*found, *history.faults(studio.root, submitted), *disagreements(studio.root)]


def _kept(studio: Crashed, asked: dict[str, bytes], told: Sequence[Told]) -> Iterator[str]:
    """What was told and is not there."""
    seq = max((t.seq for t in told if t.kind == "seq"), default=0)
    if last_seq(studio.root) < seq:
        yield f"event {seq} had been read, now the last is {last_seq(studio.root)}"
    for one in told:
        if one.kind == "seq":
            continue
        try:
            wait_for(partial(_is_there, studio, asked, one), "it", 10)
        except AssertionError:
            yield f"lost: {one}"


def _is_there(studio: Crashed, asked: dict[str, bytes], told: Told) -> bool:
    if told.kind == "request":
        return told.job_id in taken(studio, asked).values()
    try:
        events = studio.events(told.job_id)
    except FileNotFoundError:
        return False
    return any(
        event["type"] in EVENTS[told.kind]
        and (told.kind == "cancel" or (event["stage"], event["attempt"]) == (told.stage, told.attempt))
        for event in events
    )


def lead(studio: Crashed, asked: dict[str, bytes], promised: set[str]) -> None:
    """Approve every gate, resume what is paused, and take away requests that were lost on their way in."""
    given: set[tuple[str, int]] = set()

    def over() -> bool:
        assert studio.process is not None and studio.process.poll() is None, studio.log.read_text()[-3000:]
        open_jobs = 0
        for job_id in runs(studio):
            state = studio.state(job_id)
            open_jobs += state.get("status") not in ENDED
            lying = [studio.run(job_id) / f"{verb}.yaml" for verb in EVENTS]
            lying = [path for path in lying if path.exists()]
            for path in lying:
                # Refused, as what lost its bytes is; or the job ended by an answer that came first.
                reason = path.with_name(f"{path.name}.error.txt")
                if reason.exists() or state.get("status") in ENDED:
                    path.unlink(missing_ok=True)
                    reason.unlink(missing_ok=True)
            if state.get("status") not in ("needs_approval", "paused") or (job_id, state["seq"]) in given:
                continue
            with suppress(FileNotFoundError):
                if lying:
                    continue
                if state["status"] == "paused":
                    studio.write(job_id, "resume.yaml", "...\n")
                else:
                    studio.answer(job_id, "approve")
                given.add((job_id, state["seq"]))
        return open_jobs == 0 and not _arriving(studio, asked, promised)

    wait_for(over, "the end of all jobs", 60)


def _arriving(studio: Crashed, asked: dict[str, bytes], promised: set[str]) -> bool:
    """Whether a request is on its way in. One that lost its bytes is removed: what was told of is there by now."""
    inbox = studio.root / "inbox"
    for path in inbox.iterdir():
        if path.name == "rejected":
            continue
        if path.stem in promised and path.is_dir():
            return True
        if path.is_dir() and not (inbox / f"{path.name}.yaml").exists():
            shutil.rmtree(path)
        elif path.is_file() and path.suffix == ".yaml" and path.read_bytes() != asked[path.stem]:
            # Also one that was taken before the cut: its name is back, its bytes never were on the disk.
            path.unlink(missing_ok=True)
        else:
            return True
    return False


def campaign(base: Path, *, jobs: int, cuts: int, seed: int, say: Callable[[str], None] = print) -> int:
    """One run of load, so many cuts of it; the number of cuts. AssertionError with everything that is wrong."""
    disk = Disk(base)
    requests = base / "requests"
    requests.mkdir()
    with disk.recorded():
        studio = Crashed(disk.place / "studio", PATIENT, beside=base / "outside")
        studio.log = base / "daemon.log"
        os.sync()
        first = disk.log.stat().st_size
        load = Load(studio, disk.log, requests, seed)
        studio.start()
        load.run(jobs)
        length = disk.log.stat().st_size
        assert studio.stop() == 0
    faults = 0
    for number, cut in enumerate(choose(load.told, length, first, cuts, seed), 1):
        found = _after(disk, studio, load, cut)
        if found:
            faults += 1
            shutil.copyfile(base / "cut.img", base / f"fault-{number}.img")
            shutil.copyfile(base / "daemon.log", base / f"fault-{number}.log")
            say(f"cut {number} {cut}: " + "; ".join(found))
        elif number % 20 == 0:
            say(f"{number} cuts of seed {seed}, {faults} with faults")
    assert faults == 0, f"{faults} of {cuts} cuts show faults (seed {seed}); see the output"
    return cuts


def new_boot(root: Path) -> None:
    """A power cut ends with another boot; this machine's goes on, so the database's note of it is changed."""
    # It may have been cut before there was a table.
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(root / "jobs/spork.db")) as db:
        db.execute("UPDATE meta SET value = 'before the cut' WHERE key = 'boot'")
        db.commit()


def _after(disk: Disk, studio: Crashed, load: Load, cut: Cut) -> list[str]:
    """What is wrong after the cut."""
    image = disk.base / "cut.img"
    # A new file each time: a loop device that is not free of the last one yet would be used again, with its cache.
    image.unlink(missing_ok=True)
    image.write_bytes(disk.at(cut))
    told = [t for t in load.told if t.mark <= cut.mark]
    studio.log.unlink(missing_ok=True)
    try:
        with mounted(image, disk.place):
            new_boot(studio.root)
            return verify(studio, load.studio.asked, told)
    except AssertionError as error:
        return [str(error)]


def lossy(base: Path, *, cuts: int, seed: int, say: Callable[[str], None] = print) -> int:
    """Work on the forgetful file system, cut at any moment; the number of cuts. AssertionError as `campaign`.

    The database lies elsewhere and loses nothing: it is synced at each commit, and this file system cannot be asked
    to keep that order. So everything that the database says must be there, and everything that was told.
    """
    chance = random.Random(seed)
    for folder in ("requests", "fresh", "jobs"):
        (base / folder).mkdir()
    fresh = Crashed(base / "fresh/studio", beside=base / "outside")
    served = Served(base / "lossy")
    inner = served.mount / "studio"
    log = base / "no.log"
    log.touch()
    try:
        served.tell("load", "studio", str(fresh.root))
        run("mount", "--bind", str(base / "jobs"), str(inner / "jobs"))
        studio = Crashed(inner, beside=base / "outside")
        studio.log = base / "daemon.log"
        load = Load(studio, log, base / "requests", seed)
        for number in range(1, cuts + 1):
            _work_until_cut(studio, served, load, chance)
            found = verify(studio, studio.asked, load.told)
            assert not found, f"cut {number} of seed {seed}: " + "; ".join(found)
            if number % 20 == 0:
                say(f"{number} cuts of seed {seed}")
        return cuts
    finally:
        subprocess.run(["umount", "-l", str(inner / "jobs")], check=False)
        served.close()


def _work_until_cut(studio: Crashed, served: Served, load: Load, chance: random.Random) -> None:
    """Work for a while, then everything ends at once and what was not synced is gone."""
    studio.start()
    commits = last_seq(studio.root) + chance.randrange(2, 40)
    load.run(1000, until=lambda: last_seq(studio.root) >= commits)
    load.end()
    studio.kill()
    strays_gone(studio)
    served.tell("cut")
    new_boot(studio.root)


def strays_gone(studio: Crashed) -> None:
    """Nobody of the cut machine is alive: keepers and stages end with their daemon."""
    from daemon.store import Store
    from daemon.strays import end_strays

    store = Store(studio.root / "jobs/spork.db", read_only=True)
    try:
        wait_for(lambda: end_strays(store.token) == 0, "the end of the stages")
    finally:
        store.close()
