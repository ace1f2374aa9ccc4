"""``spork check FILE...``"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from daemon.check import check
from daemon.cli.places import workspace_of
from daemon.cli.screen import show, show_json
from daemon.names import shown

BAD_INPUT = 65


def command(args: Namespace) -> int:
    """The daemon's own verdict on each file; 65 if any is wrong."""
    workspace = workspace_of(args)
    found = {name: check(Path(name), workspace) for name in args.files}
    if args.json:
        show_json(
            [
                {"file": name, "problems": [{key: getattr(p, key) for key in _KEYS} for p in problems]}
                for name, problems in found.items()
            ]
        )
    else:
        for name, problems in found.items():
            for problem in problems:
                show(str(problem))
            if not problems:
                show(f"{shown(name)}: right")
    return BAD_INPUT if any(found.values()) else 0


_KEYS = ("line", "column", "field", "message")
