"""Where a peer stands: its process is told on stdin what to submit. Standard library only, for it runs in
the peer's own environment.

``python MODULE serve ROOT`` says ``ready`` (or ``no REASON``) on stdout and then takes lines: ``job NAME``,
``gated NAME``, ``approve NAME``, ``stop``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

STAGES = 9
"""As many as the daemon's own measure has (bench.reference), which a peer's environment cannot import."""


class Peer(Protocol):
    """One tool, running. ``gated`` and ``approve`` are there only where the tool can wait for a person."""

    def job(self, name: str) -> None:
        """Submit nine stages in sequence; returns when they are submitted."""

    def stop(self) -> None:
        """End what it started."""


def mark(root: str | Path, job: str, stage: int) -> None:
    """What a stage does: leave one file with the moment of its first line."""
    began = time.monotonic_ns()
    folder = Path(root) / "runs" / job
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"s{stage}.part").write_text(f"{began}\n")
    (folder / f"s{stage}.part").rename(folder / f"s{stage}.txt")


def stand(start: Callable[[Path], Peer]) -> None:
    """Be the peer's process."""
    root = Path(sys.argv[2])
    # What the tool prints must not be taken for our words.
    words = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = start(root)
    print("ready", file=words, flush=True)
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        if verb == "stop":
            break
        getattr(peer, verb)(name)
    peer.stop()
    # Some tools leave threads that never end.
    os._exit(0)
