"""The process that watches over an attempt: starts the stage, caps its log, ends what it leaves, reports.

Run as ``python -P -m daemon.keeper FD [MODULE...]``, started ahead by the daemon; the modules are imported
here once so that stages find them warm, and a stage's process is forked before there is an order for it.
It serves one attempt after the other. Its socket carries ``ready``, then for each attempt the order to it,
perhaps ``terminate`` or ``kill``, and ``ended`` with the report back; end of file means that the daemon is
gone. It enforces no time limit of its own. Lean, and single-threaded.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from daemon.child import Stage, fork_stage, let_go, signal_group
from daemon.harvest import Refused, Stopped, anchor, harvest
from daemon.orders import (
    COMPLETED,
    ENDED,
    FAILED,
    GO,
    KILL,
    READY,
    TERMINATE,
    Made,
    Report,
    Terms,
    carry,
    receive,
    seen_from,
    unpack,
)
from daemon.processes import adopt_orphans, end_children, oom_kills, set_name
from daemon.stagelog import StageLog

KEEPER_NAME = "spork-keeper"
_SAID_BYTES = 1 << 16
_PIPE_READS = 64
_SHORT_MS = 5
"""A stage that is over by then has the machine to itself: a fork beside it holds it up by a millisecond."""
_GRACE_SECONDS = 0.1
"""For what ends with its stage, and a moment after it."""
_NO_MEMORY = "give it more memory, or less to do at once"


class Abandoned(Exception):
    """The daemon is gone: end everything, report nothing."""


def main(arguments: Sequence[str]) -> None:
    """Serve attempts until the daemon's end of the socket is closed; then nothing is left below us."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    set_name(KEEPER_NAME)
    # Signals are the daemon's to act on; we go when it goes, and not before our stage.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What is ignored and not blocked is lost on a stage that was forked a moment ago.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    adopt_orphans()
    for name in arguments[1:]:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the module is a stranger's
            print(f"spork: cannot preload {name}: {error!r}", file=sys.stderr, flush=True)
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        control.send(READY)
        _serve(control)
    except (Abandoned, ConnectionError):
        pass  # there is nobody left to serve
    except OSError as error:
        print(f"spork: the keeper ends: {error}", file=sys.stderr, flush=True)
    end_children()


def _serve(control: socket.socket) -> None:
    """One attempt after the other; Abandoned or a return when the daemon is gone."""
    after, spare = _Next(), None
    while True:
        if spare is None:
            # Where it fails now it is tried again with the order, and that attempt alone fails if it must.
            with suppress(OSError):
                spare = fork_stage(control, ahead=after.ahead)
        word, fds = receive(control, 3)
        if not word:
            return
        if word != GO:
            # For an attempt that had ended before it was read.
            continue
        # From now on it is the stage, and ended with the rest if anything goes wrong.
        stage, after = spare, _Next()
        try:
            report = _attempt(stage, fds, control, after)
        except OSError as error:
            after.drop()
            end_children()
            report = Report(
                FAILED, f"the stage could not be kept: {error}", "look at the limits of the service"
            )
        # Our share of the lane goes after the last process, and before the report: whoever reads that may take
        # the lane at once. Where the daemon is gone it goes with us, who end all that is left first.
        for fd in fds:
            os.close(fd)
        spare = after.spare
        if spare is not None:
            let_go(spare)
        carried = carry(report.text())
        socket.send_fds(control, [ENDED], [carried])
        os.close(carried)
        gc.collect()


@dataclass(slots=True)
class _Next:
    """The stage after the one that runs: what it wants imported, and its process where there is one already."""

    ahead: Sequence[str] = ()
    spare: Stage | None = None

    def drop(self) -> None:
        """Let go of the process; who ends all children ends it."""
        if self.spare is not None:
            self.spare.close()
            self.spare = None


def _attempt(ready: Stage | None, fds: Sequence[int], control: socket.socket, after: _Next) -> Report:
    """The report; ``after`` is filled in, with a process of its own if this attempt's stage is at work for long."""
    order_fd, lane, log_fd = fds
    began = time.monotonic()
    stage = _hand_on(ready, order_fd, lane, control)
    try:
        order = Terms.of(unpack(order_fd))
        after.ahead = order.ahead
        log = StageLog(log_fd, order.log_limit_bytes)
        lacked = oom_kills()
        watch = _Watch(stage, control, log)
        if not watch.ended(_SHORT_MS):
            with suppress(OSError):
                after.spare = fork_stage(control, stage, fds, order.ahead)
            watch.ended()
        seconds = time.monotonic() - began
        return _see_through(stage, after.spare, order, watch, seconds, lacked)
    finally:
        stage.close()


def _hand_on(ready: Stage | None, order: int, lane: int, control: socket.socket) -> Stage:
    """The process that has the order: the one that was ready, or another where somebody ended it as it waited."""
    if ready is not None:
        with suppress(ConnectionError):
            ready.give(order, lane)
            return ready
    stage = fork_stage(control)
    stage.give(order, lane)
    return stage


def _see_through(
    stage: Stage, spare: Stage | None, order: Terms, watch: _Watch, seconds: float, lacked: int
) -> Report:
    """What became of a stage whose process has ended."""
    log, control, ordered = watch.log, watch.control, watch.ordered
    code = os.waitstatus_to_exitcode(os.waitpid(stage.pid, 0)[1])
    strays = end_children(spare.pid if spare else 0, 0.0 if watch.ordered else _GRACE_SECONDS)
    for _ in range(_PIPE_READS):
        if not log.take(stage.output):
            break
    log.close()
    message, hint, final = _verdict(code, ordered, stage.said, max(oom_kills() - lacked, 0) if code else 0)
    made: tuple[Made, ...] = ()
    if not message:
        try:
            below = seen_from(order.run_dir, order.out_dir)
            made = harvest(order.run_dir, order.outputs, lambda: _told_to_stop(control), below)
            anchor(order)
        except Stopped:
            message, ordered = "ended by the daemon while its files were checked", "kill"
        except Refused as refused:
            message, hint = str(refused), "what a stage leaves in its folder is published when it ends"
        except OSError as error:
            message = f"its files could not be made safe: {error.strerror}: {error.filename or order.out_dir}"
    return Report(
        outcome=FAILED if message else COMPLETED,
        message=message,
        hint=hint,
        final=final,
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        ordered=ordered,
        seconds=seconds,
        strays_ended=strays,
        log_error=log.error,
        made=made,
    )


class _Watch:
    """Over a stage: takes its output, passes orders on."""

    def __init__(self, stage: Stage, control: socket.socket, log: StageLog) -> None:
        self.control, self.log = control, log
        self.ordered = ""
        """The last order the stage was given, or nothing."""
        self._stage = stage
        self._poll = select.poll()
        for fd in (stage.pidfd, stage.output, control.fileno()):
            self._poll.register(fd, select.POLLIN)

    def ended(self, within_ms: float | None = None) -> bool:
        """Wait until the stage's own process has ended; False once the time is over. Abandoned as :func:`_obey`.

        The process is waited for, not the end of its output: a background child may hold that open.
        """
        stage, control = self._stage, self.control
        until = time.monotonic() + (within_ms or 0) / 1000
        while True:
            left = None if within_ms is None else (until - time.monotonic()) * 1000
            # What prints without a pause is watched no longer for it.
            if left is not None and left <= 0:
                return False
            ready = {fd for fd, _ in self._poll.poll(left)}
            if stage.output in ready and not self.log.take(stage.output):
                self._poll.unregister(stage.output)
            if stage.pidfd in ready:
                return True
            if control.fileno() in ready:
                self.ordered = _obey(stage, control.recv(16))


def _obey(stage: Stage, word: bytes) -> str:
    """Signal the stage as told; Abandoned at end of file."""
    if word == TERMINATE:
        signal_group(stage.pid, signal.SIGTERM)
        signal_group(stage.pid, signal.SIGCONT)
        return "terminate"
    if word == KILL:
        signal_group(stage.pid, signal.SIGKILL)
        return "kill"
    raise Abandoned


def _told_to_stop(control: socket.socket) -> bool:
    """Whether the daemon wants the attempt to end now; Abandoned if it is gone."""
    try:
        word = control.recv(16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    if not word:
        raise Abandoned
    return word == KILL


def _verdict(code: int, ordered: str, said_fd: int, lacked: int) -> tuple[str, str, bool]:
    """Message, hint and finality for how the stage's process ended; an empty message means that all is well.

    ``lacked``: how many processes the kernel killed meanwhile for want of memory.
    """
    said: dict[str, Any] = {"message": "", "hint": "", "final": False}
    with suppress(BlockingIOError, ValueError):
        said |= json.loads(os.read(said_fd, _SAID_BYTES) or b"{}")
    if ordered:
        return f"ended by the daemon ({ordered})", "", False
    if code == -signal.SIGKILL:
        sure, hint = ("", _NO_MEMORY) if lacked else ("possibly ", "")
        return f"killed by SIGKILL ({sure}out of memory)", hint, False
    if code < 0:
        return f"killed by {_signal_name(-code)}", "", False
    if code:
        killed = f"the kernel killed {lacked} of its processes, out of memory: {_NO_MEMORY}"
        hint = killed if lacked else ""
        return said["message"] or f"exit code {code}", said["hint"] or hint, said["final"]
    return "", "", False


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    main(sys.argv[1:])
