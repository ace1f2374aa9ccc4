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
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.crashed import PATIENT, Crashed
from tests.fusetree import RECORD
from tests.powercheck import verify
from tests.powerload import Load, Told, last_seq
from tests.studio import ROOT
from tests.support import wait_for

MIB = 1 << 20
SIZE = 64 * MIB


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


def lossy(base: Path, *, cuts: int, seed: int) -> int:
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
