"""One machine for all tests of this folder, and for each a workspace with its service."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.long.service import machine as machines
from tests.long.service.machine import Machine
from tests.long.service.service import Service


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A Debian with systemd as PID 1 and three users: the service's own, and two people of its group."""
    if lack := machines.missing():
        pytest.skip(lack)
    made = Machine()
    try:
        made.run("groupadd", "studio")
        for user in ("spork", "alice", "bob"):
            made.run("useradd", "--create-home", "--shell", "/bin/sh", "--groups", "studio", user)
        yield made
    finally:
        made.close()


@pytest.fixture
def service(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A workspace with the unit installed, not started yet."""
    made = Service(machine, "/srv/" + re.sub(r"\W+", "-", request.node.name.removeprefix("test_")))
    yield made
    made.close()
