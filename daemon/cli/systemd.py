"""``spork systemd --print|--install [--user]``"""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path

from daemon import service
from daemon.cli.places import workspace_of
from daemon.cli.screen import show, tell
from daemon.errors import CannotWrite, NotPossible
from daemon.files import write_durable
from daemon.names import shown
from daemon.settings import load_policy

SYSTEM_FOLDER = Path("/etc/systemd/system")
UNIT = "spork.service"


def command(args: Namespace) -> int:
    """The unit for this workspace on stdout, or where systemd looks for it."""
    workspace = workspace_of(args)
    policy = load_policy(workspace)
    kind: service.Kind = "user" if args.user else "system"
    if args.as_user is not None:
        _check_user(args.as_user)
    if args.user and os.geteuid() == 0:
        tell(
            "note: this is a unit for root's own user manager, and stages would run as root; run it as the user"
        )
    stop = service.stop_timeout(policy.stages.stop_grace_seconds, policy.stages.kill_grace_seconds)
    unit = service.render(kind, workspace.root, _executable(), args.as_user, policy.group, stop)
    if args.print_unit:
        show(unit.rstrip("\n"))
        return 0
    folder = _user_folder() if args.user else SYSTEM_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durable(folder / UNIT, unit.encode(), mode=0o644)
    except OSError as error:
        raise CannotWrite(f"{folder / UNIT}: {error.strerror}; as root, or with --user") from error
    show(str(folder / UNIT))
    user = " --user" if args.user else ""
    tell(f"next: systemctl{user} daemon-reload && systemctl{user} enable --now {UNIT}")
    return 0


def _check_user(name: str) -> None:
    """systemd would only say so when the service is started. Raises NotPossible."""
    import pwd

    try:
        pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise NotPossible(
            f"there is no user {shown(name)} here; make one first: useradd --system {shown(name)}"
        ) from None


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd/user"


def _executable() -> Path:
    """The spork command that belongs to this installation."""
    beside = Path(sys.executable).with_name("spork")
    found = beside if beside.exists() else shutil.which("spork")
    if found is None:
        raise NotPossible("the spork command is not installed; `make install` makes .venv/bin/spork")
    return Path(os.path.abspath(found))
