"""What the daemon tells systemd, by the protocol of sd_notify(3); silent where nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

_SEND_SECONDS = 2.0
"""How long a message may wait for a service manager that is busy; the loop must not hang on it."""


def ready() -> bool:
    """The lock is held, the database is checked, the first scan is done; also ends a reload."""
    return _send("READY=1")


def reloading() -> bool:
    """The policy is being read anew; `ready` follows. The time lets newer managers order the two."""
    return _send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> bool:
    """No new stage, claim or decision; the attempt has its grace."""
    return _send("STOPPING=1")


def watchdog() -> bool:
    """The loop made progress. Only the loop itself may say so."""
    return _send("WATCHDOG=1")


def status(text: str) -> bool:
    """One line for ``systemctl status``."""
    return _send("STATUS=" + " ".join(text.split()))


def watchdog_seconds(environ: Mapping[str, str] | None = None) -> float | None:
    """How long the manager waits between two signs of life; None where it does not watch this process."""
    environ = os.environ if environ is None else environ
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None


def _send(message: str) -> bool:
    """Whether the manager took it; a lost message is never a reason to stop working."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_SEND_SECONDS)
            channel.connect(address)
            channel.sendall(message.encode("utf-8", "backslashreplace"))
    except OSError:
        return False
    return True
