"""``spork`` with a clock around what a stage passes through: ``python bench/traced.py FILE ARGUMENTS``.

Each call's line, written at the end: depth, name, microseconds, microseconds without the traced calls in it.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TRACED = """
loop:Loop.turn looks:Looks._look_at_run loop:Loop._look_at_inbox loop:Loop._look_for_room
starts:Starts.start starts:Starts._stale starts:Starts.goes_on copies:Copies.follow copies:Copies._show
watcher:Watcher.drain watcher:Watcher.unread inbox:Inbox.look inbox:Inbox._take inbox:Inbox._claim
decisions:Desk.look decisions:Desk._accept decisionfiles:DecisionFiles.put_away
attempts:Attempts.look attempts:Attempts._ended attempts:Attempts.start attempts:Attempts.begin
attempts:Attempts._next_start attempts:Attempts._launch ordering:Ordering.order
lane:Lane.try_take lane:Lane.give_back
runner:Runner.start runner:prepare runner:_message runner:Running.report
store:Store.record store:Store._apply store:Store.check_place store:Store.owed store:Store.queued
store:Store.job
store:decide codec:dump codec:load
recorder:Recorder.record recorder:Recorder.settle recorder:Recorder.follow recorder:_log
publication:_publish publication:_retire publication:sync
gates:Gates.show gates:Gates.stale gates:Gates.terms review:clear review:show copies:sweep
projection:Projection.add projection:Projection.show projection:Projection.enter
serve:_wait notify:watchdog
"""


class Clock:
    """The calls so far, and the open ones."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str, float, float]] = []
        self.inner: list[float] = []

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.inner.append(0.0)
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = (time.perf_counter() - began) * 1e6
                inside = self.inner.pop()
                if self.inner:
                    self.inner[-1] += spent
                self.calls.append((len(self.inner), name, round(spent, 1), round(spent - inside, 1)))

        return timed

    def wrap(self, place: str) -> None:
        """Put the clock around ``module:function`` or ``module:Class.method`` of the daemon."""
        module_name, _, path = place.partition(":")
        owner: Any = importlib.import_module(f"daemon.{module_name}")
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        if hasattr(owner, name):
            setattr(owner, name, self.around(f"{module_name}.{path}", getattr(owner, name)))

    def write(self, target: Path, pid: int) -> None:
        if os.getpid() == pid:
            target.write_text("".join(json.dumps(call) + "\n" for call in self.calls))


def main() -> int:
    """Wrap, then be ``spork``."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    target, arguments = Path(sys.argv[1]), sys.argv[2:]
    clock = Clock()
    for place in TRACED.split():
        clock.wrap(place)
    atexit.register(clock.write, target, os.getpid())
    from daemon.cli import main as spork

    return spork(arguments)


if __name__ == "__main__":
    sys.exit(main())
