"""``spork submit FILE...``"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from daemon.check import Vetted, check, vet_request
from daemon.cli.own_id import taken
from daemon.cli.places import elsewhere, holder_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.dropping import Dropped
from daemon.errors import Invalid, Problem
from daemon.names import shown
from daemon.settings import load_policy
from daemon.submission import drop_request, lies_beside
from daemon.workspace import Workspace


def command(args: Namespace) -> int:
    """Drop the requests; nothing is written unless all of them are right. 0 once they are durable."""
    workspace = workspace_of(args)
    vetted, problems = [], list[Problem]()
    for path in map(Path, args.files):
        try:
            vetted.append((path, *vet(path, workspace)))
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(*problems)
    for path, data, request in vetted:
        show(f"inbox/{submit(workspace, path, data, request).name}")
    holder = holder_of(workspace)
    if holder is None:
        tell("No daemon runs here yet; the next one takes what lies in the inbox.")
    elif why := elsewhere(holder):
        tell(f"Not taken now: {why}.")
    return 0


def vet(path: Path, workspace: Workspace) -> tuple[bytes, Vetted]:
    """A request's bytes and what they ask for. Raises Invalid with everything wrong, BadPolicy."""
    problems = check(path, workspace)
    if problems:
        raise Invalid(*problems)
    data, policy = path.read_bytes(), load_policy(workspace)
    vetted = vet_request(data, str(path), policy, workspace)
    if refused := taken(workspace, shown(str(path)), vetted.request.id, data):
        raise Invalid(*refused)
    # What lies in inbox/STEM/ was brought for another request of that name, and is used up with it.
    roots = (workspace.inbox, workspace.sources, *(workspace.root / root for root in policy.inbox.roots))
    for name in vetted.sources:
        if not lies_beside(path, name) and not any((root / name).is_file() for root in roots):
            raise Invalid(
                Problem(str(path), 0, 0, "params", f"{shown(name)} is missing; put it beside the request")
            )
    return data, vetted


def submit(workspace: Workspace, path: Path, data: bytes, vetted: Vetted) -> Dropped:
    """Drop one vetted request; durable on return. What lies in the inbox already is left to the daemon."""
    return drop_request(workspace, Path(os.path.abspath(path)), data, vetted.sources)
