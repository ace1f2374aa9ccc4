"""Large sources on their way into a run to come: copied beside the loop, one request's at a time.

The thread only copies and syncs, into a folder of its own in ``runs/.incoming``, and removes that again where nobody
takes it; what becomes of the request is decided in the loop. What a crash leaves there the next start removes.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from contextlib import suppress

from daemon.beneath import open_beneath, remove_tree
from daemon.finding import Found, copy_all
from daemon.incoming import copying_name, opened_incoming
from daemon.room import lacking
from daemon.workspace import Workspace

AT_ONCE_BYTES = 4 << 20
"""Sources of a request that are no more than this together are copied where they are needed: in milliseconds."""


class Carrying(Exception):
    """The sources are not copied yet; the bell rings when that may have changed."""


class Dropped(Exception):
    """Nobody wants these sources any more."""


class Errand:
    """One request's sources, from the start of their copying until they are taken or removed."""

    def __init__(self, workspace: Workspace, request: str, found: Sequence[Found], bell: int) -> None:
        self.request, self.found = request, tuple(found)
        self.folder = copying_name(request)
        self.copied = self.dropped = self.over = False
        self.error: BaseException | None = None
        self._workspace, self._bell = workspace, bell
        self._taken = False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "no thread can be started") from error

    def drop(self) -> None:
        """Copy no further; what was copied is removed, in its own time."""
        self.dropped = True
        self._released.set()

    def take(self, incoming: int, name: str) -> None:
        """Give what was copied this name in its folder, durably; where the disk refuses that, all is dropped."""
        try:
            remove_tree(name, incoming)
            os.rename(self.folder, name, src_dir_fd=incoming, dst_dir_fd=incoming)
            os.fsync(incoming)
        except OSError:
            self.drop()
            with suppress(OSError):
                remove_tree(name, incoming)
            raise
        self._taken = True
        self._released.set()
        self.join()

    def join(self) -> None:
        """Wait until its thread has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with opened_incoming(self._workspace) as incoming:
                remove_tree(self.folder, incoming)
                copy_all(incoming, self.folder, self.found, self._go_on)
                self.copied = True
                os.eventfd_write(self._bell, 1)
                self._released.wait()
                if not self._taken:
                    remove_tree(self.folder, incoming)
        except BaseException as error:  # noqa: BLE001 - raised in the loop, as if it had copied
            self.error = error
        # Before the bell: whoever hears it need not wait for the thread to be gone as well.
        self.over = True
        os.eventfd_write(self._bell, 1)

    def _go_on(self) -> None:
        if self.dropped:
            raise Dropped


class Carrier:
    """One errand at a time. `deliver` in every look for as long as the request waits, then `drop_unasked`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._errand: Errand | None = None
        self._asked = False
        self._bell = -1

    def deliver(
        self, request: str, found: Sequence[Found], incoming: int, name: str, keep_free_mib: float
    ) -> None:
        """Have these sources of a request, by its identity, in ``name`` of the open ``runs/.incoming``, durably.

        Raises Carrying until they are, and once what the copying met, as `copy_all` does; OSError ENOSPC where
        the disk would have less room than is to be kept free.
        """
        errand = self._errand
        if errand is not None and errand.over and (errand.dropped or errand.request == request):
            self._errand = None
            if errand.error is not None and not errand.dropped:
                raise errand.error
            errand = None
        if errand is None:
            _check_room(found, incoming, keep_free_mib)
            if self._bell < 0:
                self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            errand = self._errand = Errand(self._workspace, request, found, self._bell)
        if errand.request != request:
            raise Carrying("another request's sources are being copied, its own come after them")
        self._asked = True
        if errand.found != tuple(found):
            errand.drop()
        if errand.dropped or not errand.copied:
            raise Carrying("its sources are being copied")
        self._errand = None
        errand.take(incoming, name)

    def drop_unasked(self) -> None:
        """Drop what no request in the inbox has asked for since the last time: withdrawn, changed, or missing one."""
        if self._errand is not None and not self._asked:
            self._errand.drop()
        self._asked = False

    def rest(self) -> None:
        """Copy nothing more until the next `deliver`."""
        if self._errand is not None:
            self._errand.drop()

    def rang(self) -> bool:
        """Whether the bell rang since the last time."""
        with suppress(BlockingIOError):
            return self._bell >= 0 and os.eventfd_read(self._bell) > 0
        return False

    def fileno(self) -> int:
        """Readable when the bell rings; -1 while there never was anything to copy."""
        return self._bell

    def end(self) -> None:
        """Copy nothing any more, and leave nothing behind."""
        self.rest()
        if self._errand is not None:
            self._errand.join()
            self._errand = None
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1


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
