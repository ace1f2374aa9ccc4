"""Kills within one process: an exception at one step, after which the dead process can do nothing more.

The steps are the calls by which a process changes the disk, and the commits. A real kill runs no clean-up, so once
dead every further step raises again; what the kernel does for a dead process (closing, unlocking) is the caller's.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from daemon.store import Store

STEPS = ("open", "rename", "unlink", "rmdir", "mkdir", "fsync", "write", "fchmod")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Killed(BaseException):
    """The process is dead. No Exception: nothing may handle it."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where to die: at the Nth step of that name, or at the commit that carries an event of that type.

    ``when``: before or after it; ``inside``: a commit is written but not committed, half of a write is done.
    """

    name: str
    number: int = 1
    when: str = "before"


class Fate:
    """What awaits a process: the points where it and its successors die, one after the other."""

    def __init__(self) -> None:
        self.points: deque[Point] = deque()
        self.alive = False
        """Whether the process runs: steps of the test itself do not count."""
        self.kills = 0
        self._left = 0

    @contextmanager
    def life(self) -> Iterator[None]:
        """What is done in here is done by the process."""
        self.alive = True
        self._left = self.points[0].number if self.points else 0
        try:
            yield
        finally:
            self.alive = False

    def at(self, name: str, *whens: str) -> bool:
        """The process is at this step; whether its point is here, in one of these moments."""
        if not self.alive:
            return False
        if self._left < 0:
            raise Killed
        if not self.points or self.points[0].when not in whens or self.points[0].name not in (name, "any"):
            return False
        self._left -= 1
        return self._left == 0

    def die(self) -> None:
        self.points.popleft()
        self._left = -1
        self.kills += 1
        raise Killed


@contextmanager
def mortal(fate: Fate) -> Iterator[None]:
    """Make every step of this process one of that fate."""
    with ExitStack() as patches:
        for name in STEPS:
            patches.enter_context(mock.patch.object(os, name, _step(name, getattr(os, name), fate)))
        for name in ("record", "_apply", "set_meta"):
            patches.enter_context(mock.patch.object(Store, name, _commit(name, getattr(Store, name), fate)))
        yield


def _step(name: str, call: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> Any:
        if not fate.alive or (name == "open" and not given[1] & _WRITES):
            return call(*given, **named)
        if fate.at(name, "before"):
            fate.die()
        if name == "write" and fate.at(name, "inside"):
            call(given[0], given[1][: len(given[1]) // 2])
            fate.die()
        answer = call(*given, **named)
        if fate.at(name, "after"):
            fate.die()
        return answer

    return wrapped


def _commit(name: str, call: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    def wrapped(self: Store, *given: Any, **named: Any) -> Any:
        changes = given if name == "record" else given[:1] if name == "_apply" else ()
        types = {str(event.type) for change in changes for event in change.events} | {"commit"}
        before, after = ("inside",) if name == "_apply" else ("before",), "after"
        if any(fate.at(kind, *before) for kind in types):
            fate.die()
        answer = call(self, *given, **named)
        if name != "_apply" and any(fate.at(kind, after) for kind in types):
            fate.die()
        return answer

    return wrapped
