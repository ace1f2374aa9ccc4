"""The systemd units, filled in for one workspace.

Quoting follows systemd.unit(5), systemd.service(5) and systemd.exec(5): a percent sign starts a specifier
everywhere, a dollar sign a variable in the arguments of ``ExecStart``, and quotes are undone in lists and
commands but not in ``WorkingDirectory``.
"""

from __future__ import annotations

import pwd
import re
from importlib import resources
from pathlib import Path
from typing import Literal

from daemon.errors import NotPossible

Kind = Literal["system", "user"]

_UNITS: dict[Kind, str] = {"system": "spork.service", "user": "spork.user.service"}
_STOP_MARGIN_SECONDS = 15.0
"""For the daemon itself, after the stage's two grace times: the last commits and files."""

_PLACEHOLDER = re.compile(r"@([A-Z]+(?:_[A-Z]+)*)@")


def render(
    kind: Kind,
    workspace: Path,
    executable: Path,
    user: str | None,
    group: str | None,
    stop_seconds: float = 50,
) -> str:
    """The unit's text for a workspace.

    ``workspace`` and ``executable`` are absolute paths; ``stop_seconds`` becomes ``TimeoutStopSec`` and has
    to be above the policy's two grace times together. Without ``user`` a system service runs as the
    workspace's owner; without ``group`` in that user's own group. A user service has neither.
    Raises NotPossible for a path that no unit can name and for a system service that would run as root.
    """
    values = {
        "DESCRIPTION": _line(workspace),
        "WORKSPACE_LINE": _line(workspace),
        "WORKSPACE_WORD": _word(workspace),
        "WORKSPACE_ARGUMENT": _word(workspace).replace("$", "$$"),
        "EXECUTABLE_WORD": _word(executable),
        "STOP_SECONDS": f"{stop_seconds:g}",
    }
    if kind == "system":
        values["USER"] = user or _owner(workspace)
        values["GROUP"] = group or ""
    unit = (resources.files("daemon") / "templates" / _UNITS[kind]).read_text(encoding="utf-8")
    return _PLACEHOLDER.sub(lambda found: values[found[1]], unit).replace("\nGroup=\n", "\n")


def stop_timeout(stop_grace_seconds: float, kill_grace_seconds: float) -> float:
    """``TimeoutStopSec`` for a policy's grace times: systemd must not kill what is still being ended."""
    return stop_grace_seconds + kill_grace_seconds + _STOP_MARGIN_SECONDS


def _owner(workspace: Path) -> str:
    uid = workspace.stat().st_uid
    if uid == 0:
        raise NotPossible(
            f"{workspace} belongs to root, and stages must not run as root: name another user with --as NAME"
        )
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _checked(path: Path) -> str:
    text = str(path)
    if not path.is_absolute():
        raise NotPossible(f"{text}: a unit needs an absolute path")
    if not text.isprintable() or text.endswith(("\\", " ")):
        raise NotPossible(f"{text!r}: a unit cannot name this path; rename it")
    return text.replace("%", "%%")


def _line(path: Path) -> str:
    return _checked(path)


def _word(path: Path) -> str:
    text = _checked(path)
    if re.fullmatch(r"[\w/.,:+%@=-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
