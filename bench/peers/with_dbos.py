"""DBOS on SQLite: a workflow of nine steps in this process; a gate is ``recv``, an approval ``send``."""

from __future__ import annotations

import os
from pathlib import Path

from dbos import DBOS, SetWorkflowID

from bench.peers.stand import STAGES, mark, stand

ROOT = os.environ.get("PEER_ROOT", ".")
DAY_SECONDS = 86_400


@DBOS.step()
def stage(name: str, number: int) -> None:
    mark(ROOT, name, number)


@DBOS.workflow()
def nine(name: str, gated: bool) -> None:
    for number in range(1, STAGES + 1):
        stage(name, number)
        if gated and number == 1:
            DBOS.recv("approve", timeout_seconds=DAY_SECONDS)


class Dbos:
    """Everything is in one process: the steps have none of their own."""

    def __init__(self, root: Path) -> None:
        url = f"sqlite:///{root}/dbos.sqlite"
        DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False})
        DBOS.launch()

    def _start(self, name: str, *, gated: bool) -> None:
        with SetWorkflowID(name):
            DBOS.start_workflow(nine, name, gated)

    def job(self, name: str) -> None:
        self._start(name, gated=False)

    def gated(self, name: str) -> None:
        self._start(name, gated=True)

    def approve(self, name: str) -> None:
        DBOS.send(name, "yes", topic="approve")

    def stop(self) -> None:
        DBOS.destroy()


if __name__ == "__main__":
    stand(Dbos)
