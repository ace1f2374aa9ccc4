"""Started ahead by the daemon: keeps one keeper forked and warm, so that a stage begins at once.

Run as ``python -P -m daemon.nursery FD [MODULE...]``; the modules are imported here once so that stages
find them warm. Its socket carries ``spare PID`` with the spare's own socket and pidfd to the daemon, and
``next`` back; at end of file it ends whatever is below it and goes.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Sequence

from daemon.keeper import keep
from daemon.processes import adopt_orphans, end_children, set_name

NEXT, SPARE, FAILED = b"next", b"spare ", b"failed "


def main(arguments: Sequence[str]) -> None:
    """Serve spares until the daemon's end of the socket is closed."""
    daemon = socket.socket(fileno=int(arguments[0]))
    daemon.set_inheritable(False)
    set_name("spork-nursery")
    # Signals are the daemon's to act on; we go when it goes, and so do keepers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Children that nobody waits for: the kernel reaps them, which costs no wake-up.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
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
        while True:
            _fork_spare(daemon)
            if not daemon.recv(16):
                break
    except ConnectionError:
        pass
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_children()


def _fork_spare(daemon: socket.socket) -> None:
    ours, spares = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, spares:
        try:
            pid = os.fork()
        except OSError as error:
            daemon.send(FAILED + (error.strerror or "fork").encode())
            return
        if pid == 0:
            daemon.close()
            ours.close()
            _become_spare(spares)
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            # It was ended in its first instant; the daemon hears of it and asks again.
            daemon.send(FAILED + b"the spare keeper was killed")
            return
        socket.send_fds(daemon, [SPARE + str(pid).encode()], [ours.fileno(), pidfd])
        os.close(pidfd)


def _become_spare(control: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    set_name("spork-spare")
    try:
        keep(control)
    except BaseException as error:  # noqa: BLE001  # a forked child must not go on
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
