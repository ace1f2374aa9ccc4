"""Room on the disk: whether the workspace's folders have as much as the policy wants kept free. Lean."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from daemon.workspace import Workspace

MIN_FREE_MIB = 500
"""Kept free where the policy does not say."""
LEAST_MIB, LEAST_INODES = 1, 100
"""Kept free whatever the policy says: with less not even an answer can be recorded."""

_MIB = 1024 * 1024
_SAID = re.compile(rb"^min_free_mib:[ \t]*([0-9.]+)", re.MULTILINE)


def shortage(workspace: Workspace, min_free_mib: float) -> str:
    """Which folder lacks what, in words; empty where there is room. A folder that is gone lacks nothing."""
    least = max(min_free_mib, LEAST_MIB)
    for folder in (workspace.runs, workspace.jobs, workspace.inbox):
        with suppress(OSError):
            room = os.statvfs(folder)
            free = _free_mib(room)
            if free < least:
                return f"{folder} has {free:.0f} MiB free, {_plain(least)} are wanted (min_free_mib)"
            # A file system without a fixed number of inodes says 0 of 0.
            if room.f_files and room.f_favail < LEAST_INODES:
                return f"{folder} has {room.f_favail} inodes free, {LEAST_INODES} are wanted"
    return ""


def lacking(folder: int, size: int, keep_free_mib: float) -> str:
    """Why so many bytes more find no room in an open folder, in words; empty where they do."""
    free, more = _free_mib(os.fstatvfs(folder)), size / _MIB
    if free >= more + keep_free_mib:
        return ""
    return f"they have {more:.0f} MiB, {free:.0f} are free, and {_plain(keep_free_mib)} of them stay so"


def _free_mib(room: os.statvfs_result) -> float:
    return room.f_bavail * room.f_frsize / _MIB


def _plain(number: float) -> str:
    """As people write it: never 1e+08."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def wanted(workspace: Workspace) -> float:
    """What the policy's file says, for who must not pay for reading the whole of it."""
    with suppress(OSError, ValueError):
        found = _SAID.search(workspace.policy_file.read_bytes())
        return float(found[1]) if found else MIN_FREE_MIB
    return MIN_FREE_MIB
