"""``spork rebuild``"""

from __future__ import annotations

from argparse import Namespace

from daemon.cli.places import workspace_of
from daemon.cli.screen import counted, show, tell
from daemon.rebuild import rebuild


def command(args: Namespace) -> int:
    """A new database; 1 if the copies could not tell everything."""
    made = rebuild(workspace_of(args))
    show(f"{counted(made.jobs, 'job')} from {counted(made.events, 'event')}")
    if made.kept is not None:
        show(f"the old database is {made.kept}")
    for problem in made.problems:
        tell(problem)
    return 1 if made.problems else 0
