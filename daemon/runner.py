"""The daemon's side of an attempt: the keeper, the order to it, the report from it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from daemon.errors import Halt
from daemon.lane import Lane
from daemon.orders import (
    GO,
    KILL,
    LOST,
    READY,
    TERMINATE,
    Order,
    Report,
    carry,
    receive,
    unpack,
    with_environ,
)
from daemon.processes import adopt_orphans
from daemon.strays import KEEPER_VARIABLE, end_attempt, end_orphans
from daemon.workroom import prepare

BASE_ENVIRONMENT = ("PATH", "LANG", "TZ", "HOME", "USER", "TMPDIR")
_START_SECONDS = 30.0
_TRIES = 3
_INTENT_CHARACTERS = 30_000
"""The kernel takes at most 128 KiB in one variable; the whole intent is in the request."""


class Running:
    """An open attempt. Its :meth:`fileno` is readable when :meth:`report` has something to say."""

    def __init__(self, order: Order, keeper: _Keeper, token: str) -> None:
        self.order = order
        self._keeper = keeper
        self._token = token
        self._lost = False
        self._report: Report | None = None

    def fileno(self) -> int:
        return self._keeper.control.fileno()

    @property
    def keeper_pid(self) -> int:
        """For the log: the process to look for when it hangs."""
        return self._keeper.process.pid

    def terminate(self) -> None:
        """SIGTERM to the stage's process group."""
        self._send(TERMINATE)

    def kill(self) -> None:
        """SIGKILL to everything the attempt started."""
        self._send(KILL)

    def abandon(self) -> None:
        """KILL the keeper itself, for one that does not obey; the report will be ``lost``."""
        if self._report is None:
            self._keeper.process.kill()

    def _send(self, word: bytes) -> None:
        # A keeper that is gone or does not read is seen by its report, or by the daemon's patience.
        if self._report is None:
            with suppress(OSError):
                self._keeper.control.send(word)

    def report(self) -> Report | None:
        """How the attempt ended, or None while it is open. Every process of it is gone by then.

        Does not block, but for a moment at a time while what a dead keeper left is being ended.
        """
        if self._report is None and not self._lost:
            self._read()
        if self._report is None and self._lost and self._all_gone():
            self._report = Report(LOST, "the process that watched over the stage was killed")
        return self._report

    def _read(self) -> None:
        try:
            _, fds = receive(self._keeper.control, 1)
        except BlockingIOError:
            return
        except ConnectionError:
            fds = []
        if not fds:
            self._lost = True
            return
        self._report = Report.of(unpack(fds[0]))
        os.close(fds[0])

    def _all_gone(self) -> bool:
        """End what the dead keeper left; whether nothing was."""
        self._keeper.process.kill()
        try:
            self._keeper.process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            return False
        attempt = f"{self.order.job_id}:{self.order.stage}:{self.order.attempt}"
        return end_orphans() and not end_attempt(self._token, attempt)


class Runner:
    """Starts attempts, one at a time, under a keeper that is handed the lane. One for each daemon process.

    ``token`` marks everything this workspace starts; no colon in it. ``preload`` names modules that stages
    shall find imported.
    """

    def __init__(self, lane: Lane, token: str, preload: Sequence[str] = ()) -> None:
        self._lane = lane
        self._token = token
        self._preload = tuple(preload)
        self._keeper: _Keeper | None = None
        self._running: Running | None = None
        # Orphans of a keeper that is killed become ours, and can be ended.
        adopt_orphans()

    @property
    def idle(self) -> bool:
        """Whether no attempt is open."""
        return self._running is None or self._running.report() is not None

    def warm(self) -> None:
        """Have a keeper made ready, without waiting for it; nothing if one is."""
        if self._keeper is None:
            self._keeper = _Keeper(self._token, self._preload)

    def rest(self) -> None:
        """End the keeper and its spare; nothing is lost but warmth. Nothing while an attempt is open."""
        if self._keeper is not None and self.idle:
            self._keeper.close()
            self._keeper = None

    def start(self, order: Order) -> Running:
        """Begin an attempt; the lane must be held and the last attempt be over.

        Raises CannotWrite where the attempt's files cannot be made, OSError where there is no room or are no
        descriptors for it now, Halt where no keeper can be started.
        """
        if not self.idle:
            raise ValueError("an attempt is open")
        lane = self._lane.fd
        log = prepare(order)
        try:
            order_fd = carry(_message(order, self._token))
            try:
                keeper = self._hand_over([order_fd, lane, log])
            finally:
                os.close(order_fd)
        finally:
            os.close(log)
        self._running = Running(order, keeper, self._token)
        return self._running

    def _hand_over(self, fds: list[int]) -> _Keeper:
        for _ in range(_TRIES):
            self.warm()
            assert self._keeper is not None
            if self._keeper.give(fds):
                return self._keeper
            self._keeper.close()
            self._keeper = None
            # One that was killed left its spare to us.
            end_orphans()
        raise Halt(f"no keeper can be started with {sys.executable}; what it said is in the log")


class _Keeper:
    """The keeper process, from the daemon's side."""

    def __init__(self, token: str, preload: Sequence[str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(_START_SECONDS)
        self._ready = False
        environ = _base_environment(())
        environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environ[KEEPER_VARIABLE] = f"{token}:"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.keeper", str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=2,
                env=environ,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )

    def give(self, fds: list[int]) -> bool:
        """Give it an order; False if it is gone. Waits for one that was only just started."""
        try:
            if not self._ready:
                self._ready = self.control.recv(16) == READY
                self.control.setblocking(False)
            if self._ready:
                socket.send_fds(self.control, [GO], fds)
        except OSError:
            return False
        return self._ready

    def close(self) -> None:
        """End it and what is below it."""
        self.control.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _base_environment(more: Collection[str]) -> dict[str, str]:
    let = {*BASE_ENVIRONMENT, *more}
    environ = {k: v for k, v in os.environ.items() if k in let or k.startswith("LC_")}
    environ.setdefault("PATH", os.defpath)
    return environ


def _message(order: Order, token: str) -> str:
    """The order as its keeper reads it, with the stage's whole environment."""
    return with_environ(_filled(order), _environment(order, token))


def _environment(order: Order, token: str) -> dict[str, str]:
    files = {
        "SPORK_PARAMS": str(order.beside("params.json")),
        "SPORK_FEEDBACK": str(order.beside("feedback.txt")),
    }
    # A function has these in its context, so their files are not made for it.
    return (
        _base_environment(order.env)
        | (files if order.command else {})
        | {
            "SPORK_RUN": str(order.run_dir),
            "SPORK_OUT": str(order.out_dir),
            "SPORK_JOB": order.job_id,
            "SPORK_STAGE": order.stage,
            "SPORK_ATTEMPT": str(order.attempt),
            "SPORK_SOURCES": str(order.sources),
            "SPORK_PROGRESS": str(order.beside("progress")),
            "SPORK_INTENT": order.intent[:_INTENT_CHARACTERS].replace("\0", ""),
            KEEPER_VARIABLE: f"{token}:{order.job_id}:{order.stage}:{order.attempt}",
        }
    )


def _filled(order: Order) -> Order:
    """The order with the names in its command replaced; ``{{`` and ``}}`` stand for a brace each."""
    if not order.command:
        return order
    words: Mapping[str, str] = {
        "{{": "{",
        "}}": "}",
        "{run}": str(order.run_dir),
        "{out}": str(order.out_dir),
        "{job}": order.job_id,
        "{stage}": order.stage,
        "{attempt}": str(order.attempt),
        "{params}": str(order.beside("params.json")),
        "{feedback}": str(order.beside("feedback.txt")),
        "{sources}": str(order.sources),
    }
    pattern = re.compile("|".join(map(re.escape, words)))
    argv = tuple(pattern.sub(lambda found: words[found[0]], word) for word in order.command)
    return replace(order, command=argv)
