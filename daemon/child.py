"""The stage's own process as its keeper sees it: forked before there is an order for it, and told to end."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from daemon.harness import EXIT_CANNOT_START, Ends, become_stage
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
        _close((self.pidfd, self.output, self.said))
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
    keeper = os.getpid()
    ours, theirs = _ends()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        raise
    if pid == 0:
        try:
            _close(held)
            if running is not None:
                running.close()
            # A stage that held these open would hide from the daemon that its keeper died.
            control.close()
            ours.close()
            theirs.feed.send(READY)
            become_stage(theirs, keeper, ahead)
        finally:
            # Our callers are the keeper's: in this process they must not go on, whatever failed.
            os._exit(EXIT_CANNOT_START)
    theirs.close()
    try:
        return Stage(pid, os.pidfd_open(pid), ours.output, ours.said, ours.feed)
    except OSError:
        # It ends by itself when it hears that nobody will give it an order.
        ours.close()
        raise


def _ends() -> tuple[Ends, Ends]:
    """The keeper's side, which never waits, and the stage's, of what is between them. OSError, and nothing is open."""
    fds: list[int] = []
    try:
        fds += os.pipe2(os.O_CLOEXEC)
        fds += os.pipe2(os.O_CLOEXEC)
        feed, feed_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError:
        _close(fds)
        raise
    output, output_end, said, said_end = fds
    os.set_blocking(output, False)
    os.set_blocking(said, False)
    return Ends(feed, output, said), Ends(feed_end, output_end, said_end)


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


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
