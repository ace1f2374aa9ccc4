"""``spork schema KIND``"""

from __future__ import annotations

from argparse import Namespace

from daemon.cli.screen import show_json
from daemon.schemas import schema


def command(args: Namespace) -> int:
    """The JSON Schema on stdout."""
    show_json(schema(args.kind))
    return 0
