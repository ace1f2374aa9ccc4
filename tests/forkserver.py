"""``spork`` forked from a process that has imported it: a start without its half second of imports.

`Forker` is the side of a test process; ``python -m tests.forkserver FD`` is the process that forks, one for each
test process. The code, the files, the keepers and the signals are those of ``spork``; only the exec is missing.
What has to be exec'd (another environment, a terminal, strace around it) is started as always: see `tests.studio`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

ROOT = Path(__file__).parents[1]
_MESSAGE_BYTES = 1 << 16


class Process:
    """A forked process, as far as tests ask things of a Popen."""

    def __init__(self, forker: Forker, pid: int, args: Sequence[str]) -> None:
        self._forker, self._ended = forker, os.pidfd_open(pid)
        self.pid, self.args = pid, list(args)
        self.returncode: int | None = None

    def __del__(self) -> None:
        os.close(self._ended)

    def poll(self) -> int | None:
        """The exit code, or nothing while it runs."""
        return self._poll(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; subprocess.TimeoutExpired."""
        code = self._poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _poll(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], seconds)[0]:
            self.returncode = self._forker.ask({"reap": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing if it ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forker:
    """The process that forks, from the side of the tests."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket, self._lock = ours, threading.Lock()
        command = [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._server = subprocess.Popen(
            command, cwd=ROOT, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        atexit.register(self.close)

    def close(self) -> None:
        """End of file ends it."""
        self._socket.close()
        self._server.wait()

    def start(self, arguments: Sequence[str], cwd: Path, out: int, err: int, dies: str = "") -> Process:
        """``spork ARGUMENTS`` with these descriptors; ``dies``: the point (tests/crashpoints.py) where it is killed."""
        asked = {
            "arguments": arguments, "cwd": str(cwd), "env": dict(os.environ), "umask": _umask(), "dies": dies,
        }  # fmt: skip
        return Process(self, self.ask(asked, out, err), ["spork", *arguments])

    def ask(self, asked: dict[str, Any], *fds: int) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(asked).encode()], fds)
            return int(self._socket.recv(_MESSAGE_BYTES))


def _umask() -> int:
    """This process's own, which cannot be asked for without setting it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("Umask:\t")[2].partition("\n")[0], 8)


@functools.cache
def forker(pid: int, uid: int) -> Forker:
    """The one of this process and this user, ``os.getpid()`` and ``os.geteuid()``."""
    return Forker()


def _serve(control: socket.socket) -> None:
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MESSAGE_BYTES, 2)
        if not data:
            return
        asked = json.loads(data)
        if "reap" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["reap"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _become(asked, fds)
        for fd in fds:
            os.close(fd)
        control.send(str(answer).encode())


def _become(asked: dict[str, Any], fds: Sequence[int]) -> NoReturn:
    from daemon.cli import main
    from tests.crashpoints import arm

    code = 1
    try:
        os.chdir(asked["cwd"])
        os.umask(asked["umask"])
        for target, fd in enumerate(fds, start=1):
            os.dup2(fd, target)
        os.closerange(3, 1024)
        os.environ.clear()
        os.environ.update({**asked["env"], "PYTHONPATH": str(ROOT)})
        time.tzset()
        sys.argv = ["spork", *asked["arguments"]]
        if asked["dies"]:
            arm(asked["dies"])
        code = main(asked["arguments"])
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*cast("tuple[Any, Any, Any]", sys.exc_info()))
    finally:
        sys.stderr.flush()
        os._exit(code)


def _warm() -> None:
    """Import what ``spork`` imports, once for all that will be forked."""
    import daemon.cli

    import_module("daemon.serve")
    import_module("tests.crashpoints")
    for module in pkgutil.walk_packages(daemon.cli.__path__, "daemon.cli."):
        import_module(module.name)
    gc.collect()
    # Else the collector of each fork writes to every page that it shares with this process.
    gc.freeze()


if __name__ == "__main__":
    _warm()
    _serve(socket.socket(fileno=int(sys.argv[1])))
