"""Huey on SQLite: a consumer with one worker process, and a chain of nine tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from huey import SqliteHuey

from bench.peers.stand import STAGES, mark, stand

ROOT = os.environ.get("PEER_ROOT", ".")
huey = SqliteHuey(filename=f"{ROOT}/huey.db", fsync=True)


@huey.task()
def stage(name: str, number: int) -> None:
    mark(ROOT, name, number)


class Huey:
    """The consumer as its documentation starts it."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "huey.bin.huey_consumer", "bench.peers.with_huey.huey"]
        self.consumer = subprocess.Popen([*command, "-w", "1", "-k", "process"])

    def job(self, name: str) -> None:
        chain = stage.s(name, 1)
        for number in range(2, STAGES + 1):
            chain.then(stage, name, number)
        huey.enqueue(chain)

    def stop(self) -> None:
        self.consumer.terminate()


if __name__ == "__main__":
    # By its own name: the consumer knows the task as this module's, and not as __main__'s.
    stand(import_module("bench.peers.with_huey").Huey)
