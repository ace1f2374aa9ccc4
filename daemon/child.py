"""The stage's own process as its keeper sees it: forked before there is an order for it, and told to end."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from daemon.harness import Ends, become_stage
from daemon.orders import GO, READY

_LET_GO_MS = 1000


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage's process; a spare until it is given its order."""

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

    def give(self, order: int, lane: int) -> None:
        """Send it the order, and the lane to hold; OSError, and its descriptors are closed, where that fails."""
        try:
            socket.send_fds(self.feed, [GO], [order, lane])
        except OSError:
            self.close()
            raise


def fork_stage(
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


def let_go(spare: Stage) -> None:
    """Wait until the spare has closed what it was born with of the attempt that ran, as it does first of all."""
    poll = select.poll()
    poll.register(spare.feed, select.POLLIN)
    # Somebody may have stopped it: then the lane is not free yet, and who takes it waits for that.
    poll.poll(_LET_GO_MS)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a stage's process and its group."""
    # The stage is our child and not reaped, so neither number can be anybody else's. It has no group of
    # its own in its first instants.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
