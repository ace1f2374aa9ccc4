"""Files made by several processes: this one and its helpers each take the next that nobody has begun."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple

from stages.contract import StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path
    from typing import Any

    Make = Callable[[Path, Any, Callable[[], None]], object]
    """Makes the file of what it is made from, and calls the last argument after each step."""

TELL_SECONDS = 1.0


class Wanted(NamedTuple):
    """What all processes are to make, and how."""

    files: Sequence[tuple[Path, Any]]
    """Each with what it is made from; none of them is there yet."""
    make: Make
    """A function of a module: a helper that is started anew imports it."""


class Tally:
    """How far each process is. Each writes its own numbers only, so that no lock is left by one that is killed."""

    def __init__(self, how: Any, processes: int) -> None:
        # OSError where there is no shared memory.
        self._steps: Any = how.RawArray("L", processes) if processes > 1 else [0]
        self._done: Any = how.RawArray("L", processes) if processes > 1 else [0]

    def work(self, number: int, wanted: Wanted, look: Callable[[], None]) -> None:
        """As process ``number`` make files until none is left; ``look`` is called after each step and each file."""

        def step() -> None:
            self._steps[number] += 1
            look()

        for path, source in wanted.files:
            if _taken(path):
                continue
            wanted.make(path, source, step)
            self._done[number] += 1
            look()

    def told(self) -> tuple[int, int]:
        """Steps and whole files of all processes."""
        return sum(self._steps), sum(self._done)


def _taken(path: Path) -> bool:
    """Who creates the file makes it; True is somebody else."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


class Helper:
    """Another process that makes some of the files."""

    def __init__(self, how: Any, number: int, tally: Tally, wanted: Wanted) -> None:
        self._failure, send = how.Pipe(duplex=False)
        arguments = (os.getpid(), number, tally, wanted, send)
        self.process: BaseProcess = how.Process(target=_help, args=arguments, daemon=True)
        self.process.start()
        send.close()

    def check(self) -> None:
        """Raise what it failed of, if it did."""
        code = self.process.exitcode
        if not code:
            return
        if code < 0:
            raise StageError(
                f"one of the processes that share the work was killed by signal {-code}",
                "if nobody killed it, the machine was short of memory: free some, then retry",
            )
        # What ended without a word is at the end of its pipe, which `poll` takes for one.
        with suppress(EOFError):
            if self._failure.poll():
                raise self._failure.recv()
        raise RuntimeError(f"one of the processes that share the work ended with {code}: see above")

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self._failure.close()


def share(wanted: Wanted, processes: int, tell: Callable[[int, int], None]) -> None:
    """Make every file, begun in the given order, with so many processes, this one among them.

    ``tell`` hears of the steps and whole files that are done: after each file, and about once a second.
    """
    # A fork has everything imported already, but in it locks that other threads held stay locked for ever.
    # (The threads of numpy's OpenBLAS are no danger: it ends them before a fork.)
    how: Any = get_context("fork" if threading.active_count() == 1 else "spawn")
    try:
        tally = Tally(how, processes)
    except OSError:
        # No /dev/shm, or none for us, as in some containers: then this process makes all of them.
        processes = 1
        tally = Tally(how, processes)
    helpers: list[Helper] = []
    heard = [time.monotonic(), 0]

    def look() -> None:
        steps, done = tally.told()
        if done != heard[1] or time.monotonic() - heard[0] >= TELL_SECONDS:
            heard[:] = time.monotonic(), done
            for helper in helpers:
                helper.check()
            tell(steps, done)

    for path, _ in wanted.files:
        path.unlink(missing_ok=True)
    try:
        helpers.extend(Helper(how, number, tally, wanted) for number in range(1, processes))
        tally.work(0, wanted, look)
        while alive := [helper.process.sentinel for helper in helpers if helper.process.is_alive()]:
            wait(alive, TELL_SECONDS)
            look()
        for helper in helpers:
            helper.check()
        look()
    finally:
        for helper in helpers:
            helper.end()


def _help(parent: int, number: int, tally: Tally, wanted: Wanted, failure: Connection) -> None:
    """In a helper: make files as long as there are any and a parent that wants them."""

    def look() -> None:
        if os.getppid() != parent:
            os._exit(1)

    try:
        tally.work(number, wanted, look)
    except StageError as error:
        failure.send(error)
        raise SystemExit(1) from None
