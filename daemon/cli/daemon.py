"""``spork daemon [--drain] [--poll]``"""

from __future__ import annotations

from argparse import Namespace

from daemon import logs
from daemon.cli.places import workspace_of


def command(args: Namespace) -> int:
    """Be the daemon until told to stop, or with ``--drain`` until nothing can move."""
    workspace = workspace_of(args)
    logs.setup()
    from daemon.serve import serve

    return serve(workspace, drain=args.drain, poll=args.poll, only=args.only)
