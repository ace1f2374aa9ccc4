"""task-spooler, from apt: each stage is a shell that waits for the one before it (``-d``)."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from bench.peers.stand import STAGES, stand


class Spooler:
    """One server, one job at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {**os.environ, "TS_SOCKET": str(root / "socket"), "TMPDIR": str(root)}
        # The server stays a child of ours, so that its cost is seen.
        self._call("-S", "1")

    def _call(self, *words: str) -> None:
        subprocess.run(["tsp", *words], env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def job(self, name: str) -> None:
        folder = self.root / "runs" / name
        folder.mkdir(parents=True)
        for number in range(1, STAGES + 1):
            path = shlex.quote(str(folder / f"s{number}"))
            # A shell has no clock of its own: the wall clock in nanoseconds, told apart by its length.
            command = f"date +%s%N > {path}.part && mv {path}.part {path}.txt"
            self._call("-n", *(["-d"] if number > 1 else []), "sh", "-c", command)

    def stop(self) -> None:
        self._call("-K")


if __name__ == "__main__":
    stand(Spooler)
