"""A workspace with the real daemon in it, as an operator would have: real files, real processes, real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from daemon.setup import init
from tests.forkserver import Forker, forker
from tests.support import PATIENCE, wait_for

ROOT = Path(__file__).parents[1]

QUICK = """\
inbox: {settle_seconds: 0.3, empty_seconds: 1, sources_wait_seconds: 2}
stages: {stop_grace_seconds: 1, kill_grace_seconds: 0.5}
pipeline: {default: note}
min_free_mib: 1
"""
"""A policy for tests: the same rules, shorter waits."""

GATED = """\
name: gated
stages:
  - name: draft
    command: [sh, -euc, 'printf one > a.txt; mkdir sub; printf two > sub/b.txt']
    gate: true
    outputs: [a.txt, sub/b.txt]
  - name: use
    command: [sh, -euc, 'cat "$SPORK_RUN/a.txt" "$SPORK_RUN/sub/b.txt" > used.txt']
    outputs: [used.txt]
"""
"""A pipeline whose first stage ends at a gate and whose second reads what was approved."""


class Studio:
    """One workspace. ``start`` runs ``spork daemon`` in it as a child process."""

    def __init__(self, root: Path, policy: str = QUICK, *, init_it: bool = True) -> None:
        self.root = root
        if init_it:
            init(root)
            (root / "conf/operator.yaml").write_text(policy)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = root / "daemon.log"

    # -- the daemon

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the daemon, under the command ``before``, and wait until it says that it is ready."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        process = self.spawn(*arguments, env=env, before=before)

        def ready() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"the daemon ended with {process.returncode}:\n{self.log.read_text()}")
            return b'"daemon_ready"' in self.log.read_bytes()[seen:]

        wait_for(ready, "the daemon to be ready")
        return process

    def spawn(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        dies: str = "",
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start the daemon and wait for nothing. ``dies``: the point (tests/crashpoints.py) where it is killed."""
        command = self.command("daemon", *arguments)
        with self.log.open("ab") as log:
            if not env and not before and type(self).command is Studio.command:
                started = _forker().start(command[3:], self.root, log.fileno(), log.fileno(), dies)
                self.process = cast("subprocess.Popen[bytes]", started)
                return self.process
            if dies:
                command[1:3] = ["-m", "tests.crashpoints", dies]
            self.process = subprocess.Popen(
                [*before, *command],
                cwd=self.root,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def command(self, *arguments: str) -> list[str]:
        """The argv of a ``spork`` command in this workspace."""
        return [sys.executable, "-m", "daemon", "--workspace", str(self.root), *arguments]

    def spork(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = self.command(*arguments)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = _forker().start(command[3:], Path.cwd(), out.fileno(), err.fileno())
            code = process.wait(timeout=PATIENCE)
            texts = [os.pread(file.fileno(), 1 << 26, 0).decode() for file in (out, err)]
        done = subprocess.CompletedProcess(command, code, *texts)
        if check:
            assert done.returncode == 0, (
                f"spork {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Signal the daemon and wait for its end; gives its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=PATIENCE)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9, as a crash does."""
        self.stop(signal.SIGKILL)

    def close(self) -> None:
        """For the end of a test."""
        if self.process is not None:
            self.stop()

    # -- what people do

    def pipeline(self, name: str, text: str, **files: str) -> None:
        """Write conf/pipelines/NAME.yaml, and Python files beside it."""
        (self.root / f"conf/pipelines/{name}.yaml").write_text(text)
        for stem, source in files.items():
            (self.root / f"conf/pipelines/{stem}.py").write_text(source)

    def drop(self, name: str, text: str) -> Path:
        """Put a request into the inbox, whole, as mv does."""
        beside = self.root / f"{name}.part"
        beside.write_text(text)
        target = self.root / "inbox" / name
        beside.rename(target)
        return target

    def wait_refused(self, name: str) -> None:
        """Wait until this request was refused for its content: its reason lies there, and it is taken away."""
        wait_for((self.root / f"inbox/rejected/{name}.error.txt").exists, f"the reason of {name}")
        wait_for(lambda: not (self.root / "inbox" / name).exists(), f"{name} to be taken away")

    def submit(self, job_id: str, pipeline: str = "note", **more: Any) -> str:
        """Drop a request with this id."""
        facts = {"intent": f"the intent of {job_id}", "id": job_id, "pipeline": pipeline, **more}
        self.drop(f"{job_id}.yaml", "".join(f"{k}: {json.dumps(v)}\n" for k, v in facts.items()) + "...\n")
        return job_id

    def run(self, job_id: str) -> Path:
        return self.root / "runs" / job_id

    def answer(self, job_id: str, verb: str, **keys: Any) -> None:
        """Answer the gate as it is documented: edit the template, rename it."""
        run = self.run(job_id)
        lines = (run / f"{verb}.template.yaml").read_text().splitlines()
        kept = [line for line in lines if line.split(":")[0] not in keys and line != "..."]
        kept += [f"{key.rstrip('_')}: {json.dumps(value)}" for key, value in keys.items()]
        beside = run / f".{verb}.part"
        beside.write_text("\n".join([*kept, "...", ""]))
        beside.rename(run / f"{verb}.yaml")

    def write(self, job_id: str, name: str, text: str) -> None:
        """Put a file into the run directory, whole, as mv does."""
        beside = self.run(job_id) / f".{name}.part"
        beside.write_text(text)
        beside.rename(self.run(job_id) / name)

    # -- what people see

    def state(self, job_id: str) -> dict[str, Any]:
        """state.json, or nothing while there is none."""
        try:
            state: dict[str, Any] = json.loads((self.run(job_id) / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return state

    def wait(self, job_id: str, status: str, reason: str | None = None, **more: Any) -> dict[str, Any]:
        """Wait until state.json says so: status, reason, and any other of its keys."""
        wanted = {"status": status, **({} if reason is None else {"reason": reason}), **more}

        def there() -> bool:
            state = self.state(job_id)
            return bool(state) and all(state[key] == value for key, value in wanted.items())

        what = f"{job_id} to be {wanted}"
        try:
            wait_for(lambda: there() or self._died(), what)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.state(job_id)}") from None
        return self.state(job_id)

    def wait_for_review(self, job_id: str, text: str) -> None:
        """Wait until REVIEW.md shows the text, and the template, written after it, stands for the same files."""

        def shown() -> bool:
            try:
                review = (self.run(job_id) / "REVIEW.md").read_text()
                template = (self.run(job_id) / "approve.template.yaml").read_text()
            except FileNotFoundError:
                # On a server a file is replaced by removing it first.
                return False
            return text in review and template.split("digest: ")[1].split("\n")[0] in review

        wait_for(shown, f"the review of {job_id} to show {text!r}")

    def _died(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(
                f"the daemon ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
            )
        return False

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """The lines of the job's events.jsonl."""
        return [json.loads(line) for line in (self.run(job_id) / "events.jsonl").read_text().splitlines()]

    def types(self, job_id: str) -> list[str]:
        return [event["type"] for event in self.events(job_id)]

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def _forker() -> Forker:
    return forker(os.getpid(), os.geteuid())
