"""Swaps between look and use: another process exchanges what lies under a name, as fast as it can, while ours uses it.

One of the two is a trap: a link to what is nobody's business here, or a FIFO. Each case says what an escape would be.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from daemon import beneath
from daemon.digests import digest_of
from daemon.files import append_copy, copy_in, remove, write_copy, write_durable
from daemon.harvest import Refused as NotPublished
from daemon.harvest import harvest
from daemon.identity import Identity
from daemon.looking import read_regular
from daemon.spool import DropBox, Whole
from tests.support import wait_for

SWAPPER = """
import ctypes, os, sys
place, other, trap, report = sys.argv[1:]
exchange = ctypes.CDLL(None).renameat2
count, parent = 0, os.getppid()
while os.getppid() == parent:
    if exchange(-100, place.encode(), -100, other.encode(), 2) == 0:
        count += 1
    else:
        # Ours set the trap aside, or took the file: lay another.
        for name in (other, place):
            try:
                os.symlink(trap, name)
            except OSError:
                pass
    if count % 100 == 0:
        with open(report, "w") as file:
            file.write(str(count))
"""


@contextmanager
def swapping(place: Path, other: Path, trap: Path) -> Iterator[Callable[[], int]]:
    """Exchange ``place`` and ``other`` until the end; gives how often that was done so far."""
    report = other.with_name(f"swaps-{place.name}")
    child = subprocess.Popen([sys.executable, "-c", SWAPPER, *map(str, (place, other, trap, report))])

    def count() -> int:
        with suppress(OSError, ValueError):
            return int(report.read_text())
        return 0

    try:
        wait_for(lambda: count() > 0, "the first swap")
        yield count
    finally:
        child.kill()
        child.wait()


@dataclass
class Ground:
    """Where a case plays. ``outside`` holds what must be neither read nor touched."""

    base: Path

    def __post_init__(self) -> None:
        self.run = self.base / "run"
        self.outside = self.base / "outside"
        for folder in (self.run, self.outside):
            folder.mkdir()
        self.fill(self.outside, "secret")
        self.fill(self.run, "fine")
        self.before = self.listing()

    @staticmethod
    def fill(folder: Path, text: str) -> None:
        """Files of every name that a case uses."""
        (folder / "sub").mkdir(exist_ok=True)
        for name in ("a.yaml", "state.json", "events.jsonl", "approve.yaml", "sub/a.txt"):
            (folder / name).write_text(f"{text}\n...\n")

    def listing(self) -> dict[str, tuple[int, bytes]]:
        """All that is outside: names, modes and content."""
        return {
            str(p.relative_to(self.outside)): (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"")
            for p in sorted(self.outside.rglob("*"))
        }


Act = Callable[[Ground], bytes | None]
"""One try: what was read, if anything was. OSError is a refusal."""


def look(ground: Ground) -> bytes | None:
    found = DropBox(0.0).look(ground.run, "a.yaml")
    return found.data if isinstance(found, Whole) else None


def look_in_folder(ground: Ground) -> bytes | None:
    found = DropBox(0.0).look(ground.run, "approve.yaml")
    return found.data if isinstance(found, Whole) else None


def read(ground: Ground) -> bytes | None:
    return read_regular(ground.run, "sub/a.txt", 1000)


def digest(ground: Ground) -> bytes | None:
    found = digest_of(ground.run, "sub/a.txt")
    return b"secret" if found == digest_of(ground.outside, "sub/a.txt") else None


def copy(ground: Ground) -> bytes | None:
    fd = beneath.open_beneath(ground.run, "a.yaml")
    try:
        copy_in(fd, ground.base / "copied", 1000)
    finally:
        os.close(fd)
    return (ground.base / "copied").read_bytes()


def copy_from_folder(ground: Ground) -> bytes | None:
    fd = beneath.open_beneath(ground.run, "sub/a.txt")
    try:
        copy_in(fd, ground.base / "copied", 1000)
    finally:
        os.close(fd)
    return (ground.base / "copied").read_bytes()


def publish(ground: Ground) -> bytes | None:
    write_copy(ground.run / "state.json", b"ours")
    write_durable(ground.run / "new.json", b"ours")
    append_copy(ground.run / "events.jsonl", b"ours")
    remove(ground.run / "new.json")
    return None


def publish_below(ground: Ground) -> bytes | None:
    folder = beneath.make_folders(ground.run, "sub", durable=False)
    try:
        write_copy("a.txt", b"ours", folder=folder)
    finally:
        os.close(folder)
    return None


def move(ground: Ground) -> bytes | None:
    with beneath.opened_beneath(ground.run) as run:
        write_copy("made", b"fine", folder=run)
    beneath.move_beneath(ground.run, "made", "sub/made")
    return None


def take_out(ground: Ground) -> bytes | None:
    beneath.move_beneath(ground.run, "sub/a.txt", "taken")
    found = read_regular(ground.run, "taken", 1000)
    beneath.move_beneath(ground.run, "taken", "sub/a.txt")
    return found


def sweep(ground: Ground) -> bytes | None:
    with beneath.opened_beneath(ground.run) as run:
        beneath.remove_tree("sub", run)
    return None


def gather(ground: Ground) -> bytes | None:
    with suppress(NotPublished):
        made = harvest(ground.run, (), lambda: False, "sub")
        if any(one.sha256 == digest_of(ground.outside, "sub/a.txt") for one in made):
            return b"secret"
    return None


def claim(ground: Ground) -> bytes | None:
    # The very identity of the file outside: only the path can protect it.
    identity = Identity.of((ground.outside / "approve.yaml").lstat())
    DropBox(0.0).claim_unlink(ground.run, "approve.yaml", identity)
    return None


@dataclass(frozen=True)
class Case:
    """``name`` in the run directory, or the directory itself (``.``), is exchanged for a link (or a FIFO)."""

    act: Act
    name: str
    fifo: bool = False

    def __str__(self) -> str:
        return f"{self.act.__name__} {self.name}{' fifo' if self.fifo else ''}"


CASES = [
    Case(look, "a.yaml"),
    Case(look, "a.yaml", fifo=True),
    Case(look_in_folder, "."),
    Case(read, "sub"),
    Case(digest, "sub"),
    Case(read, "."),
    Case(copy, "a.yaml"),
    Case(copy, "a.yaml", fifo=True),
    Case(copy_from_folder, "sub"),
    Case(publish, "."),
    Case(publish_below, "sub"),
    Case(publish_below, "."),
    Case(move, "sub"),
    Case(move, "."),
    Case(take_out, "sub"),
    Case(sweep, "sub"),
    Case(sweep, "."),
    Case(gather, "sub"),
    Case(claim, "."),
]


def run(case: Case, base: Path, tries: int) -> int:
    """Try so often while the swaps go on; gives the number of swaps. AssertionError is an escape."""
    ground = Ground(base)
    place = ground.run if case.name == "." else ground.run / case.name
    other, trap = base / "other", ground.outside if case.name == "." else ground.outside / case.name
    if case.fifo:
        os.mkfifo(other)
    else:
        other.symlink_to(trap)
    with swapping(place, other, trap) as count:
        done = 0
        while done < tries or count() < tries // 10:
            done += 1
            found = None
            with suppress(OSError):
                found = case.act(ground)
            assert found is None or b"secret" not in found, f"{case}: read what lies outside at try {done}"
            if not case.fifo:
                _restore(ground, place, other, trap)
        swaps = count()
    assert ground.listing() == ground.before, f"{case}: what lies outside was touched"
    return swaps


def _restore(ground: Ground, place: Path, other: Path, trap: Path) -> None:
    """What a try set aside or removed is there for the next: one of the two a link, the other none."""
    links = [path.is_symlink() for path in (place, other)]
    if links not in ([True, True], [False, False]) or trap.is_file():
        return
    with suppress(OSError):
        for folder in (ground.run, ground.base):
            with beneath.opened_beneath(folder) as opened:
                for name in os.listdir(opened):
                    if name.endswith(".aside"):
                        beneath.remove_tree(name, opened)
    with suppress(OSError), beneath.opened_beneath(other.parent) as parent:
        beneath.remove_tree(other.name, parent)
        if links[0]:
            fresh = ground.base / "fresh"
            fresh.mkdir(exist_ok=True)
            (fresh / "a.txt").write_text("fine\n...\n")
            fresh.rename(other)
        else:
            other.symlink_to(trap)
