"""``spork submit FILE...``"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from daemon.check import Vetted, check, vet_request
from daemon.cli.places import holder_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.doors import Dropped, drop_request
from daemon.errors import Invalid
from daemon.settings import load_policy
from daemon.workspace import Workspace


def command(args: Namespace) -> int:
    """Drop the requests; nothing is written unless all of them are right. 0 once they are durable."""
    workspace = workspace_of(args)
    vetted = [(path, *vet(path, workspace)) for path in map(Path, args.files)]
    for path, data, request in vetted:
        show(f"inbox/{submit(workspace, path, data, request).name}")
    if holder_of(workspace) is None:
        tell("No daemon runs here yet; the next one takes what lies in the inbox.")
    return 0


def vet(path: Path, workspace: Workspace) -> tuple[bytes, Vetted]:
    """A request's bytes and what they ask for. Raises Invalid with everything wrong, BadPolicy."""
    problems = check(path, workspace)
    if problems:
        raise Invalid(*problems)
    data = path.read_bytes()
    return data, vet_request(data, str(path), load_policy(workspace), workspace)


def submit(workspace: Workspace, path: Path, data: bytes, vetted: Vetted) -> Dropped:
    """Drop one vetted request; durable on return. What lies in the inbox already is left to the daemon."""
    return drop_request(workspace, Path(os.path.abspath(path)), data, vetted.sources)
