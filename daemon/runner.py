"""The daemon's side of an attempt: the nursery, the order to a keeper, the report from it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from daemon.errors import CannotWrite, Halt, TryAgain
from daemon.keeper import GO, KILL, TERMINATE, carry, unpack
from daemon.lane import Lane
from daemon.nursery import FAILED, NEXT, SPARE
from daemon.orders import LOST, Order, Report
from daemon.processes import adopt_orphans
from daemon.strays import KEEPER_VARIABLE, end_attempt, end_orphans

BASE_ENVIRONMENT = ("PATH", "LANG", "TZ", "HOME", "USER", "TMPDIR")
_START_SECONDS = 30.0
_TRIES = 3
_INTENT_CHARACTERS = 30_000
"""The kernel takes at most 128 KiB in one variable; the whole intent is in the request."""


class Running:
    """An open attempt. Its :meth:`fileno` is readable when :meth:`report` has something to say."""

    def __init__(self, runner: Runner, order: Order, pid: int, pidfd: int, control: socket.socket) -> None:
        self.order = order
        self._runner = runner
        self.pid = pid
        self.pidfd = pidfd
        self._control = control
        self._lost = False
        self._report: Report | None = None

    def fileno(self) -> int:
        return self._control.fileno()

    def terminate(self) -> None:
        """SIGTERM to the stage's process group."""
        self._send(TERMINATE)

    def kill(self) -> None:
        """SIGKILL to everything the attempt started."""
        self._send(KILL)

    def abandon(self) -> None:
        """KILL the keeper itself, for one that does not obey; the report will be ``lost``."""
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def _send(self, word: bytes) -> None:
        # A keeper that is gone or does not read is seen by its report, or by the daemon's patience.
        with suppress(OSError):
            self._control.send(word, socket.MSG_DONTWAIT)

    def report(self) -> Report | None:
        """How the attempt ended, or None while it is open. Every process of it is gone by then.

        Does not block, but for a moment at a time while what a dead keeper left is being ended.
        """
        if self._report is None and not self._lost:
            self._read()
        if self._report is None and self._lost:
            self._report = self._runner.clear_up(self)
        if self._report is not None and self.pidfd >= 0:
            self._runner.forget(self)
            self._control.close()
            os.close(self.pidfd)
            self.pidfd = -1
        return self._report

    def _read(self) -> None:
        try:
            flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            word, fds, _, _ = socket.recv_fds(self._control, 16, 1, flags)
        except BlockingIOError:
            return
        except ConnectionError:
            word, fds = b"", []
        if word and fds:
            self._report = Report.of(unpack(fds[0]))
        else:
            self._lost = True


class Runner:
    """Starts attempts, each under a keeper that is handed the lane. One for each daemon process.

    ``token`` marks everything this workspace starts; no colon in it. ``preload`` names modules that stages
    shall find imported.
    """

    def __init__(self, lane: Lane, token: str, preload: Sequence[str] = ()) -> None:
        self._lane = lane
        self._token = token
        self._preload = tuple(preload)
        self._nursery: _Nursery | None = None
        self._open: dict[int, Running] = {}
        self._ended: set[int] = set()
        adopt_orphans()

    def warm(self) -> None:
        """Have a keeper made ready, without waiting for it; nothing if one is."""
        if self._nursery is None:
            self._nursery = _Nursery(self._token, self._preload)

    def rest(self) -> None:
        """End the nursery and its spare; nothing is lost but warmth. An open attempt goes on."""
        if self._nursery is not None and not self._open:
            self._nursery.close()
            self._nursery = None
        self._reap()

    def start(self, order: Order) -> Running:
        """Begin an attempt; the lane must be held.

        Raises CannotWrite where the attempt's files cannot be made, TryAgain where no process can be
        started now, Halt where none ever can.
        """
        lane = self._lane.fd
        self._reap()
        log = _prepare(order)
        try:
            order_fd = carry(_message(order, self._token))
            try:
                running = self._hand_over(order, [order_fd, lane, log])
            finally:
                os.close(order_fd)
        finally:
            os.close(log)
        self._open[running.pid] = running
        return running

    def _hand_over(self, order: Order, fds: list[int]) -> Running:
        for _ in range(_TRIES):
            self.warm()
            assert self._nursery is not None
            spare = self._nursery.take()
            if spare is None:
                self._nursery.close()
                self._nursery = None
                continue
            pid, control, pidfd = spare
            try:
                socket.send_fds(control, [GO], fds)
            except OSError:
                # Somebody ended the spare.
                control.close()
                os.close(pidfd)
                self._nursery.ask()
                continue
            self._nursery.ask()
            return Running(self, order, pid, pidfd, control)
        raise Halt(f"no keeper can be started with {sys.executable}; see the log for what it said")

    def clear_up(self, lost: Running) -> Report | None:
        """End what a keeper that died has left; the report once it is all gone."""
        lost.abandon()
        dead = select.poll()
        dead.register(lost.pidfd, select.POLLIN)
        if not dead.poll(50):
            return None
        nursery, spared = 0, {pid for pid in self._open if pid != lost.pid}
        if self._nursery is not None:
            # The next spare is on its way or here: known, it is not taken for an orphan.
            nursery = self._nursery.pid
            spared |= self._nursery.spare_pids()
        self._ended.add(lost.pid)
        self._reap()
        if not end_orphans(nursery, spared):
            return None
        order = lost.order
        if end_attempt(self._token, f"{order.job_id}:{order.stage}:{order.attempt}"):
            return None
        return Report(LOST, "the process that watched over the stage was killed")

    def forget(self, running: Running) -> None:
        """The attempt is over."""
        self._open.pop(running.pid, None)
        self._ended.add(running.pid)

    def _reap(self) -> None:
        # Keepers are the nursery's children, and ours only where the nursery died before them.
        for pid in tuple(self._ended):
            try:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self._ended.discard(pid)
            except ChildProcessError:
                self._ended.discard(pid)


class _Nursery:
    """The process that keeps a spare keeper, and the spare it has sent."""

    def __init__(self, token: str, preload: Sequence[str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(_START_SECONDS)
        self._spare: tuple[int, socket.socket, int] | None = None
        environ = _base_environment(())
        environ["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        environ[KEEPER_VARIABLE] = f"{token}:"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "daemon.nursery", str(theirs.fileno()), *preload],
                stdin=subprocess.DEVNULL,
                stdout=2,
                env=environ,
                pass_fds=[theirs.fileno()],
                process_group=0,
                cwd="/",
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def take(self) -> tuple[int, socket.socket, int] | None:
        """A waiting keeper: pid, its socket, its pidfd; None if the nursery is gone. Waits for one."""
        if self._spare is None:
            self._receive()
        spare, self._spare = self._spare, None
        return spare

    def spare_pids(self) -> set[int]:
        """The spare that waits or is on its way."""
        if self._spare is None:
            with suppress(TryAgain):
                self._receive()
        return {self._spare[0]} if self._spare else set()

    def _receive(self) -> None:
        try:
            word, fds, _, _ = socket.recv_fds(self._ours, 256, 2, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return
        if word.startswith(SPARE):
            self._spare = int(word[len(SPARE) :]), socket.socket(fileno=fds[0]), fds[1]
        elif word.startswith(FAILED):
            self.ask()
            raise TryAgain(f"no process can be started now: {word[len(FAILED) :].decode(errors='replace')}")

    def ask(self) -> None:
        """Have the next spare forked; called once the last one has its order."""
        with suppress(OSError):
            self._ours.send(NEXT)

    def close(self) -> None:
        """End it and what is below it."""
        if self._spare is not None:
            self._spare[1].close()
            os.close(self._spare[2])
            self._spare = None
        self._ours.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _base_environment(more: Collection[str]) -> dict[str, str]:
    let = {*BASE_ENVIRONMENT, *more}
    environ = {k: v for k, v in os.environ.items() if k in let or k.startswith("LC_")}
    environ.setdefault("PATH", os.defpath)
    return environ


def _message(order: Order, token: str) -> str:
    """The order as its keeper reads it, with the stage's whole environment."""
    said = {"order": _filled(order).text(), "environ": _environment(order, token)}
    return json.dumps(said)


def _environment(order: Order, token: str) -> dict[str, str]:
    return _base_environment(order.env) | {
        "SPORK_RUN": str(order.run_dir),
        "SPORK_OUT": str(order.out_dir),
        "SPORK_JOB": order.job_id,
        "SPORK_STAGE": order.stage,
        "SPORK_ATTEMPT": str(order.attempt),
        "SPORK_PARAMS": str(order.beside("params.json")),
        "SPORK_FEEDBACK": str(order.beside("feedback.txt")),
        "SPORK_SOURCES": str(order.sources),
        "SPORK_PROGRESS": str(order.beside("progress")),
        "SPORK_INTENT": order.intent[:_INTENT_CHARACTERS].replace("\0", ""),
        KEEPER_VARIABLE: f"{token}:{order.job_id}:{order.stage}:{order.attempt}",
    }


def _filled(order: Order) -> Order:
    """The order with the names in its command replaced; other braces stay as they are."""
    if not order.command:
        return order
    words: Mapping[str, str] = {
        "run": str(order.run_dir),
        "out": str(order.out_dir),
        "job": order.job_id,
        "stage": order.stage,
        "attempt": str(order.attempt),
        "params": str(order.beside("params.json")),
        "feedback": str(order.beside("feedback.txt")),
        "sources": str(order.sources),
    }
    pattern = re.compile("{(" + "|".join(words) + ")}")

    argv = tuple(pattern.sub(lambda found: words[found[1]], word) for word in order.command)
    return replace(order, command=argv)


def _prepare(order: Order) -> int:
    """Make the attempt's folder, the files beside it and its log; the log's descriptor."""
    try:
        order.out_dir.parent.mkdir(mode=0o700, exist_ok=True)
        if order.out_dir.exists():
            _remove(order.out_dir)
        order.out_dir.mkdir(mode=0o700)
        order.beside("params.json").write_text(json.dumps(order.params, ensure_ascii=False), encoding="utf-8")
        order.beside("feedback.txt").write_text(order.feedback, encoding="utf-8")
        order.beside("progress").write_text("", encoding="utf-8")
        order.log_path.parent.mkdir(exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(order.log_path, flags, 0o660)
    except OSError as error:
        place = error.filename or order.out_dir
        raise CannotWrite(f"{place}: the attempt cannot be prepared: {error.strerror}") from error


def sweep(run_dir: Path, keep: Collection[str] = ()) -> None:
    """Remove what attempts left in ``.work``, but for those named, such as ``03-script.1``.

    What cannot be removed now is left for the next time.
    """
    work = run_dir / ".work"
    with suppress(FileNotFoundError):
        for name in os.listdir(work):
            if name not in keep and not name.startswith(tuple(f"{kept}." for kept in keep)):
                with suppress(OSError):
                    _remove(work / name)


def _remove(path: Path) -> None:
    """Remove a file or tree, following no link, also where a stage left folders without permissions."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        os.chmod(path, 0o700)
        for folder, names, _ in os.walk(path):
            for name in names:
                inner = os.path.join(folder, name)
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
        shutil.rmtree(path)
