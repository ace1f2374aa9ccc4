"""What systemd is told, and that nothing is told where nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


@pytest.mark.fault(139)
def test_each_message_is_one_datagram(manager: socket.socket) -> None:
    """The words are those of sd_notify(3)."""
    assert notify.ready()
    assert manager.recv(4096) == b"READY=1"
    assert notify.watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notify.stopping()
    assert manager.recv(4096) == b"STOPPING=1"


def test_a_status_stays_one_line(manager: socket.socket) -> None:
    """A name with a line break cannot say anything else to the manager."""
    assert notify.status("running a\nREADY=1 \udcff")
    assert manager.recv(4096) == b"STATUS=running a READY=1 \\udcff"


@pytest.mark.fault(141)
def test_a_reload_says_when(manager: socket.socket) -> None:
    """Newer managers wait for READY that came after this time, in microseconds of the monotonic clock."""
    before = time.monotonic_ns() // 1000
    assert notify.reloading()
    first, second = manager.recv(4096).decode().splitlines()
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """`@name` is a name outside the file system."""
    name = f"spork-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify.ready()
        assert listener.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/at/all", "vsock:2:1234", "relative"])
def test_without_a_manager_nothing_happens(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, or one that leads nowhere: the daemon works on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify.ready()


def test_a_manager_that_does_not_read_costs_a_moment(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on when the socket's queue is full."""
    monkeypatch.setattr(notify, "_SEND_SECONDS", 0.01)
    started = time.monotonic()
    while notify.watchdog():
        assert time.monotonic() - started < 30
    assert manager.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_time(environ: dict[str, str], seconds: float | None) -> None:
    """Only where the manager watches this very process."""
    assert notify.watchdog_seconds(environ) == seconds
