"""The daemon as a process: signals, systemd, waiting. What it does in between is the loop's."""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import socket
from types import FrameType

from daemon import notify
from daemon.errors import BadPolicy, CannotWrite
from daemon.exposure import open_to_all
from daemon.lease import install_lease_signal_handler
from daemon.logs import say
from daemon.opening import Opened, open_workspace
from daemon.room import shortage
from daemon.workspace import Workspace


class Signals:
    """SIGTERM and SIGINT stop, a second one at once; SIGHUP reloads. A descriptor wakes the wait."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self.stops = 0
        self.reload = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        install_lease_signal_handler()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self.reload = True

    def fileno(self) -> int:
        return self._reader.fileno()

    def clear(self) -> None:
        """Take what woke the wait."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass


def serve(workspace: Workspace, *, drain: bool = False, poll: bool = False, only: str | None = None) -> int:
    """Work until told to stop, or with ``drain`` until nothing can move; gives the exit code.

    Raises SporkError where it cannot start or must not go on.
    """
    # Files that others share a group for must not depend on who started us.
    before = os.umask(0o007)
    if open_to_all(before):
        say("orchestrator", "umask_open", logging.WARNING, umask=f"{before:04o}", note="the daemon uses 0007")
    signals = Signals()
    opened = open_workspace(workspace, poll=poll, only=only)
    try:
        return _work(opened, signals, drain=drain)
    finally:
        notify.stopping()
        opened.close()


class Signs:
    """What the service manager is told of a loop that works: that it is ready, then that it lives."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.ready = False
        # Three signs of life in the time the manager allows.
        self.beat = (notify.watchdog_seconds() or math.inf) / 3
        self._told = 0.0

    def after_turn(self) -> None:
        """Only from here, and only after a turn that came back: a side thread would live on beside a stuck loop.

        Raises Halt where the database is gone, rather than saying that all is well.
        """
        loop, parts = self._opened.loop, self._opened.parts
        boot = parts.clock.boot()
        if not self.ready and (parts.inbox.looked or loop.full):
            # A turn looks everywhere the first time: with the inbox, that was the first full scan.
            self.ready = True
            notify.ready()
            say("orchestrator", "daemon_ready", workspace=str(parts.workspace.root), open_jobs=len(loop.jobs))
        elif self.ready and boot - self._told >= self.beat / 2:
            parts.ground.prove()
            self._told = boot
            notify.watchdog()


def _work(opened: Opened, signals: Signals, *, drain: bool) -> int:
    loop, stops, failures = opened.loop, 0, _failures(opened)
    signs = Signs(opened)
    wait = loop.turn()
    signs.after_turn()
    while True:
        if signals.stops != stops:
            stops = signals.stops
            hint = "a second signal ends it at once" if loop.running and stops == 1 else None
            say(
                "orchestrator",
                "daemon_stopping",
                at_once=stops > 1,
                waits_for=loop.running or None,
                hint=hint,
            )
            notify.stopping()
            loop.stop(at_once=stops > 1)
            wait = 0.0
        elif loop.stopping and not loop.running:
            return 0
        elif signals.reload and signs.ready:
            signals.reload = False
            _reload(opened)
            wait = 0.0
        elif drain and loop.idle:
            return _drained(opened, failed=_failures(opened) > failures)
        _wait([signals.fileno(), *loop.descriptors], min(wait, signs.beat))
        signals.clear()
        wait = loop.turn()
        signs.after_turn()


def _drained(opened: Opened, *, failed: bool) -> int:
    """The exit code where nothing can move. CannotWrite, with the reason, where it would if there was room."""
    if opened.loop.full and opened.loop.owes:
        why = shortage(opened.parts.workspace, opened.policy.min_free_mib)
        raise CannotWrite(f"no room: {why}; what waits for it is kept, start again when there is")
    return 1 if failed else 0


def _failures(opened: Opened) -> int:
    return opened.parts.recorder.store.counts().get("failed", 0)


def _wait(descriptors: list[int], seconds: float) -> None:
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    # Rounded up: a wait that ends just before its time would spin.
    poller.poll(int(seconds * 1000) + 1 if seconds > 0 else 0)


def _reload(opened: Opened) -> None:
    notify.reloading()
    try:
        opened.reload()
    except (BadPolicy, CannotWrite, OSError) as error:
        say("orchestrator", "policy_refused", logging.ERROR, why=str(error), note="the old policy stays")
    notify.ready()
