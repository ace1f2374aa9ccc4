"""A daemon for one job, as a child of ``spork run``."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import daemon
from daemon.cli.screen import tell
from daemon.errors import SporkError
from daemon.workspace import Workspace

LOCK_HELD = 75
_SET_DEATH_SIGNAL = 1


class WorkerGone(SporkError):
    """The daemon for this job ended by itself."""

    def __init__(self, code: int, said: str) -> None:
        if code < 0:
            said = (
                f"the daemon for this job was killed by signal {-code} ({signal.strsignal(-code)}); the job is kept:"
                " `spork daemon` goes on with it, and `spork run` again, if its request has an id"
            )
        super().__init__(said or f"the daemon for this job ended with code {code}; -v shows its log")
        self.exit_code = code if code in (65, 73, 75, 78) else 73


class Worker:
    """The child, for ``only`` one request (`Scope`). Its log goes nowhere, or to our stderr with ``verbose``;
    its last words are kept.
    """

    def __init__(self, workspace: Workspace, only: str, *, verbose: bool) -> None:
        self._log = None if verbose else tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        # A session of its own: Ctrl-C reaches us, and we tell it once. Started where the package lies: a
        # folder named daemon in the person's current folder must not be taken for ours.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "--workspace", str(workspace.root), "daemon", "--only", only],
            cwd=Path(daemon.__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one thread, and the only way to be ended with us
        )

    def check(self) -> bool:
        """Whether it works. False where another daemon was faster; WorkerGone where it failed."""
        code = self._process.poll()
        if code is None:
            return True
        if code == LOCK_HELD:
            return False
        raise WorkerGone(code, self._last_words())

    def stop(self) -> None:
        """End it, with its grace for a stage that runs; a second Ctrl-C skips the grace."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait()
            except KeyboardInterrupt:
                tell("ending the stage at once")
                self._process.send_signal(signal.SIGTERM)
                self._process.wait()
        if self._log is not None:
            self._log.close()

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read()[-20_000:].decode("utf-8", "replace").splitlines()
        for place, line in enumerate(lines):
            if line.startswith("spork: "):
                return "\n".join([line.removeprefix("spork: "), *lines[place + 1 :]])
        return "\n".join(lines[-3:])


def _end_with_parent() -> None:
    """prctl(2): when ``spork run`` is killed, the daemon for its job stops as if told to."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
