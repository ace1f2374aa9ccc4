"""The parts of a stage that no program can do without, each done alone and timed; ``python -m bench.parts DIR COUNT``.

A process of its own, with what a keeper has imported and nothing else: a fork costs what the process has in memory.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import daemon.keeper  # noqa: F401  # for its size

PAGES_A_COMMIT = 12
"""As many a commit of the daemon writes for a stage that ends and the next one's start."""
_FRAME_BYTES = 4096 + 24
_FAULTS = 256
_PAGE_BYTES = mmap.PAGESIZE


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is timed; how often a stage needs it, 0 where it is only shown."""

    name: str
    times: float


COMMIT = Part(f"a commit: {PAGES_A_COMMIT} pages into a log like SQLite's, fdatasync", 1)
MKDIR = Part("a folder made", 1)
CREATE = Part("a small file made: the stage's, and its log", 2)
FILE_SYNC = Part("fsync of a new file", 1)
FOLDER_SYNC = Part("fsync of its folder", 1)
ABOVE_SYNC = Part("fsync of the folder above", 1)
PROCESS = Part("fork of a process like the keeper, its exit, the wait for it", 1)
ROUND_TRIP = Part("a round trip between two processes by a socket: two are woken", 1.5)
FAULT = Part("a page copied after a fork", 0)
PARTS = (COMMIT, MKDIR, CREATE, FILE_SYNC, FOLDER_SYNC, ABOVE_SYNC, PROCESS, ROUND_TRIP, FAULT)


class Clock:
    """Samples of each part, in microseconds."""

    def __init__(self) -> None:
        self.samples: dict[Part, list[float]] = defaultdict(list)

    @contextmanager
    def time(self, part: Part) -> Iterator[None]:
        """One sample: what the block takes."""
        began = time.perf_counter_ns()
        yield
        self.samples[part].append((time.perf_counter_ns() - began) / 1000)


def measure(root: Path, clock: Clock, count: int) -> None:
    """So many samples of each part, its files in a new folder."""
    root.mkdir(parents=True)
    _commits(root / "log", clock, count)
    for number in range(count):
        _files(root, f"stage-{number}", clock)
    _processes(clock, count)
    _round_trips(clock, count)
    clock.samples[FAULT] += [_faults() for _ in range(count)]


def _commits(path: Path, clock: Clock, count: int) -> None:
    """Over what was written before, as SQLite's log is from its first checkpoint on."""
    frames = bytes(_FRAME_BYTES) * PAGES_A_COMMIT
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(count):
            os.write(fd, frames)
        os.fsync(fd)
        for number in range(count):
            with clock.time(COMMIT):
                os.pwrite(fd, frames, number * len(frames))
                os.fdatasync(fd)
    finally:
        os.close(fd)


def _files(root: Path, name: str, clock: Clock) -> None:
    """In a stage's order, for each sync also takes along what was done before it."""
    folder = root / name
    with clock.time(MKDIR):
        os.mkdir(folder)
    for path in (root / f"{name}.log", folder / "made.txt"):
        with clock.time(CREATE):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.write(fd, b"made\n")
            os.close(fd)
    for part, synced in ((FILE_SYNC, folder / "made.txt"), (FOLDER_SYNC, folder), (ABOVE_SYNC, root)):
        fd = os.open(synced, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with clock.time(part):
                os.fsync(fd)
        finally:
            os.close(fd)


def _processes(clock: Clock, count: int) -> None:
    for _ in range(count):
        with clock.time(PROCESS):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)


def _round_trips(clock: Clock, count: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            while word := theirs.recv(16):
                theirs.send(word)
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        for _ in range(count):
            with clock.time(ROUND_TRIP):
                ours.send(b"word")
                ours.recv(16)
    os.waitpid(pid, 0)


def _faults() -> float:
    """Microseconds a page that a forked process writes to first, as it sees it itself."""
    memory = mmap.mmap(-1, _FAULTS * _PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _touch(memory, range(0, len(memory), _PAGE_BYTES))
    told, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            began = time.perf_counter_ns()
            _touch(memory, range(0, len(memory), _PAGE_BYTES))
            os.write(telling, str(time.perf_counter_ns() - began).encode())
        finally:
            os._exit(0)
    os.close(telling)
    with open(told, "rb") as file:
        took = int(file.read())
    os.waitpid(pid, 0)
    memory.close()
    return took / 1000 / _FAULTS


def _touch(memory: mmap.mmap, places: Sequence[int]) -> None:
    for at in places:
        memory[at] = 1


def main(root: Path, count: int) -> None:
    """Print the samples, a list for each part."""
    gc.collect()
    gc.freeze()
    clock = Clock()
    measure(root, clock, count)
    print(json.dumps([clock.samples[part] for part in PARTS]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
