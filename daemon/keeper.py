"""The process that watches over one attempt: starts the stage, caps its log, ends what it leaves, reports.

It is told everything over one socket: an order first, then perhaps ``terminate`` or ``kill``; end of file
means that the daemon is gone. It enforces no time limit of its own. Lean: it is forked ahead and used once.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from daemon.harness import Ends, become_stage
from daemon.harvest import Refused, Stopped, harvest
from daemon.orders import COMPLETED, FAILED, Made, Order, Report
from daemon.processes import adopt_orphans, end_children, set_name
from daemon.stagelog import StageLog

TERMINATE, KILL, GO, ENDED = b"terminate", b"kill", b"go", b"ended"
KEEPER_NAME = "spork-keeper"
_SAID_BYTES = 1 << 16
_PIPE_READS = 64


class Abandoned(Exception):
    """The daemon is gone: end everything, report nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage's own process, seen from its keeper."""

    pid: int
    pidfd: int
    output: int
    said: int


def carry(text: str) -> int:
    """Descriptor of an anonymous file with this text: a message of any length that never blocks."""
    fd = os.memfd_create("spork", os.MFD_CLOEXEC)
    data = text.encode()
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def unpack(fd: int) -> bytes:
    """What :func:`carry` put there; closes it."""
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()


def keep(control: socket.socket) -> None:
    """Wait for the order, run the attempt to its end, report. Never raises; the process exits after it."""
    os.setsid()
    adopt_orphans()
    word, fds, _, _ = socket.recv_fds(control, 16, 3, socket.MSG_CMSG_CLOEXEC)
    if word != GO:
        return
    set_name(KEEPER_NAME)
    order_fd, lane, log_fd = fds
    said = json.loads(unpack(order_fd))
    order = Order.of(said["order"])
    log = StageLog(log_fd, order.log_limit_bytes)
    try:
        report = _attempt(order, said["environ"], lane, control, log)
    except Abandoned:
        end_children()
        return
    except Exception as error:  # noqa: BLE001  # the daemon must hear of it
        sys.excepthook(type(error), error, error.__traceback__)
        end_children()
        report = Report(FAILED, f"the stage's keeper failed: {error}")
    # The lane may be taken again the moment the report is read, so our share of it goes first.
    os.close(lane)
    with suppress(OSError):
        socket.send_fds(control, [ENDED], [carry(report.text())])


def _attempt(
    order: Order, environ: Mapping[str, str], lane: int, control: socket.socket, log: StageLog
) -> Report:
    began = time.monotonic()
    stage = _start(order, environ, lane)
    ordered = _watch(stage, control, log)
    seconds = time.monotonic() - began
    code = os.waitstatus_to_exitcode(os.waitpid(stage.pid, 0)[1])
    strays = end_children()
    for _ in range(_PIPE_READS):
        if not log.take(stage.output):
            break
    log.close()
    message, hint = _verdict(code, ordered, stage.said)
    made: tuple[Made, ...] = ()
    if not message:
        try:
            made = harvest(order.out_dir, order.outputs, lambda: _told_to_stop(control))
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


def _start(order: Order, environ: Mapping[str, str], lane: int) -> Stage:
    output, output_end = os.pipe2(os.O_CLOEXEC)
    said, said_end = os.pipe2(os.O_CLOEXEC)
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        become_stage(order, environ, Ends(output_end, said_end, lane), keeper)
    os.close(output_end)
    os.close(said_end)
    os.set_blocking(output, False)
    os.set_blocking(said, False)
    return Stage(pid, os.pidfd_open(pid), output, said)


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


def _verdict(code: int, ordered: str, said_fd: int) -> tuple[str, str]:
    """Message and hint for how the stage's process ended; an empty message means that all is well."""
    said = {"message": "", "hint": ""}
    with suppress(BlockingIOError, ValueError):
        said |= json.loads(os.read(said_fd, _SAID_BYTES) or b"{}")
    if ordered:
        return f"ended by the daemon ({ordered})", ""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL (possibly out of memory)", ""
    if code < 0:
        return f"killed by {_signal_name(-code)}", ""
    if code:
        return said["message"] or f"exit code {code}", said["hint"] or "see the log"
    return "", ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
