"""Prefect 3: a local server, a served deployment, nine tasks; a gate is ``pause_flow_run``, polled each second."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench.peers.stand import STAGES, mark, stand

ROOT = os.environ.get("PEER_ROOT", ".")
if "PEER_PORT" not in os.environ:
    with socket.create_server(("127.0.0.1", 0)) as free:
        os.environ["PEER_PORT"] = str(free.getsockname()[1])
PORT = os.environ["PEER_PORT"]
os.environ |= {
    "PREFECT_HOME": f"{ROOT}/prefect",
    "PREFECT_API_URL": f"http://127.0.0.1:{PORT}/api",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
}

from prefect import flow, pause_flow_run, resume_flow_run, task  # noqa: E402 - reads its settings when imported
from prefect.deployments import run_deployment  # noqa: E402


@task
def stage(name: str, number: int) -> None:
    mark(ROOT, name, number)


@flow
def nine(name: str, gated: bool) -> None:
    for number in range(1, STAGES + 1):
        stage(name, number)
        if gated and number == 1:
            pause_flow_run(timeout=3600, poll_interval=1)


class Prefect:
    """Server and runner are children of this process."""

    def __init__(self, root: Path) -> None:
        serve = [sys.executable, "-m", "prefect", "server", "start", "--port", PORT]
        runner = [sys.executable, "-m", "bench.peers.with_prefect", "run", str(root)]
        self.children = [subprocess.Popen(serve)]
        _await(self._healthy)
        self.children.append(subprocess.Popen(runner))
        self.runs: dict[str, object] = {}
        _await(lambda: bool(self._submit("first", gated=False)))

    def _healthy(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/health", timeout=1) as answer:
            return bool(answer.status == 200)

    def _submit(self, name: str, *, gated: bool) -> object:
        run = run_deployment("nine/bench", parameters={"name": name, "gated": gated}, timeout=0)
        self.runs[name] = run.id
        return run.id

    def job(self, name: str) -> None:
        self._submit(name, gated=False)

    def gated(self, name: str) -> None:
        self._submit(name, gated=True)

    def approve(self, name: str) -> None:
        resume_flow_run(self.runs[name])

    def stop(self) -> None:
        for child in reversed(self.children):
            child.terminate()
            child.wait()


def _await(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except Exception:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        nine.serve(name="bench")
    stand(Prefect)
