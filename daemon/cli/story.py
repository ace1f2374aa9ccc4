"""What `spork explain` tells of one file, and what the stories of requests and decisions share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from daemon.cli.places import elsewhere, holder_of
from daemon.names import Ignored, beside, shown
from daemon.settings import Policy
from daemon.workspace import Workspace

NOTE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Story:
    """``verdict``: taken, recorded, refused, waiting, ignored, gone, ours, artifact, folder, unknown."""

    path: str
    verdict: str
    lines: tuple[str, ...]


def story(workspace: Workspace, path: Path, verdict: str, *lines: str) -> Story:
    """The story of a path in the workspace; empty lines are left out."""
    return Story(shown(str(path.relative_to(workspace.root))), verdict, tuple(line for line in lines if line))


def by_its_name(meant: Ignored) -> list[str]:
    """By which rule a name means nothing, and which one would have."""
    lines = [f"by its name: {meant.rule}"]
    if meant.meant:
        lines.append(f"did you mean {shown(meant.meant)}? Rename it to that")
    if meant.editing:
        lines.append(f"an editor seems to have {shown(meant.editing)} open; such markers can be left over")
    return lines


def held_up(workspace: Workspace, policy: Policy, *, work: str = "") -> list[str]:
    """What keeps the daemon from everything of the kind. ``work``: where it is new work, as ``inbox/NAME``."""
    holder = holder_of(workspace)
    if holder is None:
        return ["no daemon runs here, so nobody takes it"]
    if work and (why := elsewhere(holder, work)):
        return [why]
    room = os.statvfs(workspace.runs)
    free = room.f_bavail * room.f_frsize // (1024 * 1024)
    if work and free < policy.min_free_mib:
        return [
            f"the disk has {free} MiB left, less than min_free_mib: {policy.min_free_mib}; nothing is taken"
        ]
    return []


def reason_beside(folder: Path, name: str) -> str:
    """What ``NAME.error.txt`` in the folder says; nothing where there is none."""
    path = folder / beside(name, ".error.txt")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return file.read(NOTE_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def look(path: Path) -> os.stat_result | None:
    """The path's own status, no link followed; None where nothing lies there. Raises PermissionError."""
    try:
        return os.lstat(path)
    except PermissionError:
        raise
    except OSError:
        # Not there, below something that is no folder, or longer than a name can be.
        return None
