"""``spork reload``"""

from __future__ import annotations

import os
import signal
from argparse import Namespace

from daemon.cli.places import holder_of, workspace_of
from daemon.cli.screen import show
from daemon.errors import CannotWrite, TryAgain
from daemon.settings import load_policy


def command(args: Namespace) -> int:
    """Tell the daemon; a policy that it would refuse is refused here already (78); 75 where none runs."""
    workspace = workspace_of(args)
    load_policy(workspace)
    holder = holder_of(workspace)
    if holder is None:
        raise TryAgain("no daemon runs here; one that starts reads the policy by itself")
    try:
        os.kill(holder.pid, signal.SIGHUP)
    except ProcessLookupError:
        raise TryAgain(f"the daemon, pid {holder.pid}, just ended") from None
    except PermissionError:
        raise CannotWrite(
            f"the daemon, pid {holder.pid}, is another user's; reload it as that user"
        ) from None
    show(f"told the daemon, pid {holder.pid}; its log says what came of it")
    return 0
