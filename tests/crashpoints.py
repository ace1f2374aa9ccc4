"""``python -m tests.crashpoints POINT ... DAEMON-ARGUMENTS``: the daemon, killed by itself at one point.

A point is one string:

``before daemon.incoming:make_run``, ``after daemon.publication:_move#2``
    at the call of a function (``module:name`` or ``module:Class.name``); ``#2``: at its second call.
``before commit:stage_completed``, ``inside commit:...``, ``after commit:...``
    at the commit that carries an event of this type; *inside*: all is written, but not committed.
``before os.rename in daemon.review:show#3``
    at the third ``os.rename`` below that function; any function of ``os`` goes.
``half os.write in daemon.files:append_copy``
    the first half of the bytes is written.

The code under test knows nothing of this; the process and the signal are real.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from daemon.cli import main

_POINT = re.compile(
    r"(?:(?P<when>before|after|inside|half) )?(?P<what>[\w.:]+)"
    r"(?: in (?P<below>[\w.:]+))?(?:#(?P<number>\d+))?"
)

Call = Callable[..., Any]


def die() -> None:
    """What a crash does: nothing is flushed, closed or unlocked by us. ``POINT_SIGNAL`` names another signal."""
    os.kill(os.getpid(), signal.Signals[os.environ.get("POINT_SIGNAL", "SIGKILL")])


class Trigger:
    """Dies at its Nth time."""

    def __init__(self, number: int) -> None:
        self._left = number

    @property
    def next(self) -> bool:
        return self._left == 1

    def hit(self) -> None:
        self._left -= 1
        if self._left == 0:
            die()


def arm(point: str) -> None:
    """Make this process die there."""
    found = _POINT.fullmatch(point)
    if found is None:
        raise ValueError(f"no point: {point}")
    when, what, below = found["when"], found["what"], found["below"]
    trigger = Trigger(int(found["number"] or 1))
    if what.startswith("commit:"):
        _arm_commit(when, what.removeprefix("commit:"), trigger)
    elif what.startswith("os."):
        depth = _depth_of(below)
        _replace_step(what.removeprefix("os."), trigger, lambda: depth[0] > 0, half=when == "half")
    else:
        _wrap(what, lambda call: _at(call, when, trigger))


def _at(call: Call, when: str, trigger: Trigger) -> Call:
    def wrapped(*given: Any, **named: Any) -> Any:
        if when == "before":
            trigger.hit()
        answer = call(*given, **named)
        if when == "after":
            trigger.hit()
        return answer

    return wrapped


def _depth_of(target: str) -> list[int]:
    """How often the process is inside that function, kept up to date."""
    depth = [0]

    def counting(call: Call) -> Call:
        def wrapped(*given: Any, **named: Any) -> Any:
            depth[0] += 1
            try:
                return call(*given, **named)
            finally:
                depth[0] -= 1

        return wrapped

    _wrap(target, counting)
    return depth


def _replace_step(name: str, trigger: Trigger, counts: Callable[[], bool], *, half: bool = False) -> None:
    original = getattr(os, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        if counts():
            if half and trigger.next:
                fd, data = given
                original(fd, data[: len(data) // 2])
            trigger.hit()
        return original(*given, **named)

    setattr(os, name, wrapped)


def _arm_commit(when: str, kind: str, trigger: Trigger) -> None:
    from daemon.store import Store

    record, apply = Store.record, Store._apply
    wanted = [False]

    def recording(self: Store, *changes: Any) -> Any:
        wanted[0] = any(str(event.type) == kind for change in changes for event in change.events)
        if wanted[0] and when == "before":
            trigger.hit()
        answer = record(self, *changes)
        if wanted[0] and when == "after":
            trigger.hit()
        return answer

    def applying(self: Store, *given: Any) -> Any:
        answer = apply(self, *given)
        if wanted[0] and when == "inside":
            trigger.hit()
        return answer

    Store.record = recording  # type: ignore[method-assign]
    Store._apply = applying  # type: ignore[method-assign, assignment]


def _wrap(target: str, around: Callable[[Call], Call]) -> None:
    """Put a function in the place of another, under every name by which a module of ours knows it."""
    module_name, _, path = target.partition(":")
    owner: Any = import_module(module_name)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    wrapped = around(original)
    setattr(owner, name, wrapped)
    if isinstance(owner, ModuleType):
        for other in list(sys.modules.values()):
            if other.__name__.startswith("daemon.") and vars(other).get(name) is original:
                setattr(other, name, wrapped)


if __name__ == "__main__":
    import_module("daemon.serve")
    arm(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
