"""``spork init [DIR]``"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from daemon import setup
from daemon.cli.screen import show, tell


def command(args: Namespace) -> int:
    """Make the folder a workspace; tells what was written and what comes next."""
    root = Path(args.folder).expanduser().absolute()
    made = setup.init(root)
    for path in made:
        show(str(path.relative_to(root)))
    if not made:
        tell(f"{root} is a workspace already, nothing was missing")
        return 0
    tell(
        f"{root} is a workspace. Next, there: spork daemon; in another terminal there: spork submit examples/note.yaml"
    )
    return 0
