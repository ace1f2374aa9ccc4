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

from daemon.harness import Ends, become_stage, read_order
from daemon.harvest import Refused, Stopped, anchor, harvest
from daemon.orders import COMPLETED, FAILED, Made, Order, Report, carry, receive
from daemon.processes import adopt_orphans, end_children, oom_kills, set_name
from daemon.stagelog import StageLog

READY, GO, TERMINATE, KILL, ENDED = b"ready", b"go", b"terminate", b"kill", b"ended"
KEEPER_NAME = "spork-keeper"
_SAID_BYTES = 1 << 16
_PIPE_READS = 64
_LET_GO_MS = 1000
_NO_MEMORY = "give it more memory, or less to do at once"


class Abandoned(Exception):
    """The daemon is gone: end everything, report nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage's own process, seen from its keeper."""

    pid: int
    pidfd: int
    output: int
    said: int
    feed: socket.socket

    def close(self) -> None:
        """Let go of its descriptors."""
        for fd in (self.pidfd, self.output, self.said):
            os.close(fd)
        self.feed.close()


def main(arguments: Sequence[str]) -> None:
    """Serve attempts until the daemon's end of the socket is closed; then nothing is left below us."""
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    set_name(KEEPER_NAME)
    # Signals are the daemon's to act on; we go when it goes, and not before our stage.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    adopt_orphans()
    for name in arguments[1:]:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  # the module is a stranger's
            print(f"spork: cannot preload {name}: {error}", file=sys.stderr, flush=True)
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
    spare: Stage | None = _fork_stage(control)
    while True:
        word, fds = receive(control, 3)
        if not word:
            return
        if word != GO:
            # For an attempt that had ended before it was read.
            continue
        # From now on it is the stage, and ended with the rest if anything goes wrong.
        stage, spare = spare, None
        try:
            report, spare = _attempt(stage, fds, control)
        except OSError as error:
            end_children()
            report = Report(
                FAILED, f"the stage could not be kept: {error}", "look at the limits of the service"
            )
        # Our share of the lane goes after the last process, and before the report: whoever reads that may take
        # the lane at once. Where the daemon is gone it goes with us, who end all that is left first.
        for fd in fds:
            os.close(fd)
        if spare is not None:
            _let_go(spare)
        carried = carry(report.text())
        socket.send_fds(control, [ENDED], [carried])
        os.close(carried)
        gc.collect()
        if spare is None:
            with suppress(OSError):
                spare = _fork_stage(control)


def _let_go(spare: Stage) -> None:
    """Wait until the spare has closed what it was born with of the attempt that ran, as it does first of all."""
    poll = select.poll()
    poll.register(spare.feed, select.POLLIN)
    # Somebody may have stopped it: then the lane is not free yet, and who takes it waits for that.
    poll.poll(_LET_GO_MS)


def _attempt(ready: Stage | None, fds: Sequence[int], control: socket.socket) -> tuple[Report, Stage | None]:
    """The report, and the next spare, which starts up while this attempt's stage is at work."""
    order_fd, lane, log_fd = fds
    began = time.monotonic()
    spare: Stage | None = None
    stage = ready or _fork_stage(control)
    try:
        try:
            socket.send_fds(stage.feed, [GO], [order_fd, lane])
        except ConnectionError:
            # Somebody ended it while it waited.
            stage.close()
            stage = _fork_stage(control)
            socket.send_fds(stage.feed, [GO], [order_fd, lane])
        order, _ = read_order(order_fd)
        with suppress(OSError):
            spare = _fork_stage(control, stage, fds, order.ahead)
        return _see_through(stage, spare, began, order, log_fd, control), spare
    except BaseException:
        if spare is not None:
            spare.close()
        raise
    finally:
        stage.close()


def _see_through(
    stage: Stage, spare: Stage | None, began: float, order: Order, log_fd: int, control: socket.socket
) -> Report:
    log = StageLog(log_fd, order.log_limit_bytes)
    lacked = oom_kills()
    ordered = _watch(stage, control, log)
    seconds = time.monotonic() - began
    code = os.waitstatus_to_exitcode(os.waitpid(stage.pid, 0)[1])
    strays = end_children(spare.pid if spare else 0)
    for _ in range(_PIPE_READS):
        if not log.take(stage.output):
            break
    log.close()
    message, hint = _verdict(code, ordered, stage.said, oom_kills() - lacked if code else 0)
    made: tuple[Made, ...] = ()
    if not message:
        try:
            below = os.path.relpath(order.out_dir, order.run_dir)
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
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        ordered=ordered,
        seconds=seconds,
        strays_ended=strays,
        log_error=log.error,
        made=made,
    )


def _fork_stage(
    control: socket.socket,
    running: Stage | None = None,
    held: Sequence[int] = (),
    ahead: Sequence[str] = (),
) -> Stage:
    """A process that waits for its order to become the stage: its start-up is over before there is one.

    It lets go of the stage that is ``running`` and of what is ``held`` for that one, the lane above all, and
    imports what the next stage wants ``ahead`` of it.
    """
    output, output_end = os.pipe2(os.O_CLOEXEC)
    said, said_end = os.pipe2(os.O_CLOEXEC)
    feed, feed_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        for end in (feed, feed_end):
            end.close()
        for fd in (output, output_end, said, said_end):
            os.close(fd)
        raise
    if pid == 0:
        for fd in held:
            os.close(fd)
        if running is not None:
            running.close()
        # A stage that held these open would hide from the daemon that its keeper died.
        control.close()
        feed.close()
        os.close(output)
        os.close(said)
        feed_end.send(READY)
        become_stage(Ends(feed_end, output_end, said_end), keeper, ahead)
    feed_end.close()
    os.close(output_end)
    os.close(said_end)
    os.set_blocking(output, False)
    os.set_blocking(said, False)
    return Stage(pid, os.pidfd_open(pid), output, said, feed)


def _watch(stage: Stage, control: socket.socket, log: StageLog) -> str:
    """Until the stage's own process has ended; the last order it was given, or nothing.

    The process is waited for, not the end of its output: a background child may hold that open.
    """
    poll = select.poll()
    for fd in (stage.pidfd, stage.output, control.fileno()):
        poll.register(fd, select.POLLIN)
    ordered = ""
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if stage.output in ready and not log.take(stage.output):
            poll.unregister(stage.output)
        if stage.pidfd in ready:
            return ordered
        if control.fileno() in ready:
            ordered = _obey(stage, control.recv(16))


def _obey(stage: Stage, word: bytes) -> str:
    """Signal the stage as told; Abandoned at end of file."""
    if word == TERMINATE:
        _signal_group(stage.pid, signal.SIGTERM)
        _signal_group(stage.pid, signal.SIGCONT)
        return "terminate"
    if word == KILL:
        _signal_group(stage.pid, signal.SIGKILL)
        return "kill"
    raise Abandoned


def _signal_group(pid: int, number: signal.Signals) -> None:
    # The stage is our child and not reaped, so neither number can be anybody else's. It has no group of
    # its own in its first instants.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _told_to_stop(control: socket.socket) -> bool:
    """Whether the daemon wants the attempt to end now; Abandoned if it is gone."""
    try:
        word = control.recv(16, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    if not word:
        raise Abandoned
    return word == KILL


def _verdict(code: int, ordered: str, said_fd: int, lacked: int) -> tuple[str, str]:
    """Message and hint for how the stage's process ended; an empty message means that all is well.

    ``lacked``: how many processes the kernel killed meanwhile for want of memory.
    """
    said = {"message": "", "hint": ""}
    with suppress(BlockingIOError, ValueError):
        said |= json.loads(os.read(said_fd, _SAID_BYTES) or b"{}")
    if ordered:
        return f"ended by the daemon ({ordered})", ""
    if code == -signal.SIGKILL:
        sure, hint = ("", _NO_MEMORY) if lacked else ("possibly ", "")
        return f"killed by SIGKILL ({sure}out of memory)", hint
    if code < 0:
        return f"killed by {_signal_name(-code)}", ""
    if code:
        hint = (
            f"the kernel killed {lacked} of its processes, out of memory: {_NO_MEMORY}"
            if lacked
            else "see the log"
        )
        return said["message"] or f"exit code {code}", said["hint"] or hint
    return "", ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    main(sys.argv[1:])
