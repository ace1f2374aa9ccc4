"""Large sources on their way into a run to come, and out of the inbox: copied and compared beside the loop.

The thread only copies and syncs, into a folder of its own in ``runs/.incoming``, and removes that again where nobody
takes it; what becomes of the request is decided in the loop. What a crash leaves there the next start removes.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from daemon.beneath import open_beneath, remove_tree
from daemon.errands import Errand, Errands, GoOn, Work
from daemon.finding import Found, copy_all, is_copied
from daemon.incoming import copying_name, opened_incoming
from daemon.room import lacking
from daemon.workspace import Workspace

AT_ONCE_BYTES = 4 << 20
"""Sources of a request that are no more than this together are seen to where they are needed: in milliseconds."""


class Carrier(Errands):
    """Brings what is large, for one request after the other."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def deliver(
        self, request: str, found: Sequence[Found], incoming: int, name: str, keep_free_mib: float
    ) -> None:
        """Have these sources of a request, by its identity, in ``name`` of the open ``runs/.incoming``, durably.

        Raises Underway until they are, and once what the copying met, as `copy_all` does; OSError ENOSPC where
        the disk would have less room than is to be kept free.
        """

        def begin() -> Work[str]:
            _check_room(found, incoming, keep_free_mib)
            return partial(_copied, self._workspace, copying_name(request), tuple(found))

        take(self.ask(request, tuple(found), begin, "its sources are being copied"), incoming, name)

    def compared(self, request: str, found: Sequence[Found], run: Path) -> list[Found]:
        """Those of a request's sources that are, byte for byte, what a run has of them. Raises Underway, OSError."""
        if sum(one.identity.size for one in found) <= AT_ONCE_BYTES:
            return [one for one in found if is_copied(one, run)]

        def begin() -> Work[list[Found]]:
            return partial(_compared, tuple(found), run)

        errand = self.ask(request, tuple(found), begin, "what was copied of its sources is being compared")
        errand.finish()
        return errand.result


@contextmanager
def _copied(workspace: Workspace, folder: str, found: Sequence[Found], go_on: GoOn) -> Iterator[str]:
    with opened_incoming(workspace) as incoming:
        remove_tree(folder, incoming)
        copy_all(incoming, folder, found, go_on)
        try:
            yield folder
        finally:
            # Who took it gave it another name.
            remove_tree(folder, incoming)


@contextmanager
def _compared(found: Sequence[Found], run: Path, go_on: GoOn) -> Iterator[list[Found]]:
    yield [one for one in found if is_copied(one, run, go_on)]


def take(errand: Errand[str], incoming: int, name: str) -> None:
    """Give what was copied this name in its folder, durably; where the disk refuses that, all is dropped."""
    try:
        remove_tree(name, incoming)
        os.rename(errand.result, name, src_dir_fd=incoming, dst_dir_fd=incoming)
        os.fsync(incoming)
    except OSError:
        errand.drop()
        with suppress(OSError):
            remove_tree(name, incoming)
        raise
    errand.finish()


def unlink(name: str, folder: int) -> None:
    """Remove a file from an open folder; the room that a large one takes is given back beside the loop.

    That takes a second a gigabyte, and begins when the file has neither a name nor a descriptor.
    """
    fd = -1
    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_size > AT_ONCE_BYTES:
        with suppress(OSError):
            fd = open_beneath(folder, name)
    try:
        os.unlink(name, dir_fd=folder)
    finally:
        if fd >= 0:
            try:
                threading.Thread(target=os.close, args=(fd,), daemon=True).start()
            except RuntimeError:
                os.close(fd)


def _check_room(found: Sequence[Found], incoming: int, keep_free_mib: float) -> None:
    """Before the first byte: a copy that cannot end would fill the disk for everybody."""
    why = lacking(incoming, sum(one.identity.size for one in found), keep_free_mib)
    if why:
        raise OSError(errno.ENOSPC, f"no room for its sources: {why}")
