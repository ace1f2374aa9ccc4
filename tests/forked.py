"""Daemons forked from a process that has imported them already: a start without its half second of imports.

The code, the files, the keepers and the signals are those of ``spork daemon``; only the exec is missing. Not
for a process that has threads.
"""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, cast

from daemon.cli import main
from tests.crashed import Crashed
from tests.support import wait_for


def warm() -> None:
    """Import what a daemon imports, once for all that will be forked."""
    import daemon.cli.daemon
    import daemon.serve  # noqa: F401

    gc.collect()
    # Else the collector of each fork writes to every page that it shares with this process.
    gc.freeze()


class Forked:
    """A daemon forked from this process, as far as Studio asks things of a Popen."""

    def __init__(self, run: Callable[[], NoReturn]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.closerange(3, 1024)
            run()

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        wait_for(lambda: self.poll() is not None, "the daemon to end", timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkedStudio(Crashed):
    """A studio whose daemons are forked."""

    def spawn(self, *arguments: str, **unused: object) -> subprocess.Popen[bytes]:
        def run() -> NoReturn:
            code = 70
            try:
                _stand_in(self.root, self.log)
                code = main(["--workspace", str(self.root), "daemon", *arguments])
            finally:
                os._exit(code)

        self.log.touch()
        self.process = cast("subprocess.Popen[bytes]", self.fork(run))
        return self.process

    def fork(self, run: Callable[[], NoReturn]) -> Forked:
        """How the daemon is forked."""
        return Forked(run)


def _stand_in(root: Path, log: Path) -> None:
    """The folder and the standard descriptors as Studio gives them to a daemon."""
    os.chdir(root)
    null, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.closerange(3, 1024)
