"""Locks that die with their holder: the lane (one stage at a time) and one daemon a workspace."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import struct
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from daemon.anchor import is_anchored, open_anchored, try_flock
from daemon.errors import CannotWrite, Halt, TryAgain

_IN_CLOSE_WRITE = 0x8
_LEFT_BEHIND_SECONDS, _LOOK_SECONDS = 5.0, 0.01
_LOCK = "hhqqi"
_WHOLE_FILE = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class Lane:
    """The right to run a stage: a flock on a file that is never deleted.

    Not by filelock: its ``release()`` unlocks although a keeper still holds the descriptor. Here the lock
    belongs to the open file that keepers and stages share, and is free when the last of them closed it.

    A second lock on the same file is the turn. Whoever finds the lane taken keeps the turn until it has the
    lane, and who wants the lane must first have the turn: workspaces that share a lane alternate.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._turn = -1
        self._bell = -1
        self._held = False

    @property
    def held(self) -> bool:
        return self._held

    @property
    def fd(self) -> int:
        """The descriptor to hand to a keeper; ValueError unless held."""
        if not self._held:
            raise ValueError("the lane is not held")
        return self._fd

    def try_take(self) -> bool:
        """Take the lane if it is free; else wait, as :meth:`fileno` says. Never blocks.

        Who was refused must go on trying or call :meth:`stop_waiting`: the turn may be ours.
        Raises CannotWrite, or Halt where the file was replaced.
        """
        if self._held:
            return True
        self._drain()
        if self._try():
            return True
        if self._bell >= 0:
            return False
        self._bell = _watch(self.path)
        # It may have become free before the bell hung there.
        return self._try()

    def _try(self) -> bool:
        try:
            if self._fd < 0:
                self._fd = open_anchored(self.path)
            if self._turn < 0:
                self._turn = open_anchored(self.path)
            if not _turn(self._turn) or not try_flock(self._fd):
                return False
        except OSError as error:
            self.stop_waiting()
            raise CannotWrite(f"{self.path}: the lane cannot be locked: {error.strerror}") from error
        self._held = True
        self._close("_turn")
        self._close("_bell")
        self.check()
        return True

    def fileno(self) -> int:
        """While waiting: readable when the lane may be free. -1 where there is nothing to poll."""
        return self._bell

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._bell >= 0 and os.read(self._bell, 4096):
                pass

    def stop_waiting(self) -> None:
        """Give up the turn; nothing if the lane is held or nobody waits."""
        if not self._held:
            self._close("_fd")
        self._close("_turn")
        self._close("_bell")

    def give_back(self) -> None:
        """Let go of the lane. It is free once every process that was handed it is gone too."""
        self._held = False
        self.stop_waiting()

    @property
    def wanted(self) -> bool:
        """Whether another workspace has the turn and waits for the lane that is held."""
        answer = fcntl.fcntl(self.fd, fcntl.F_OFD_GETLK, _WHOLE_FILE)
        return bool(struct.unpack(_LOCK, answer)[0] != fcntl.F_UNLCK)

    def check(self) -> None:
        """Halt if the held file is not the one that others would lock."""
        if self._held:
            _check_same(self.path, os.fstat(self._fd))

    def _close(self, name: str) -> None:
        fd: int = getattr(self, name)
        if fd >= 0:
            setattr(self, name, -1)
            os.close(fd)


class DaemonLock:
    """One daemon a workspace: held for the daemon's life, says who holds it, its lane and what is its ``only`` work."""

    def __init__(self, path: Path, only: str | None = None, lane: Path | None = None) -> None:
        self.path = path
        self._says = {
            **({} if only is None else {"only": only}),
            **({} if lane is None else {"lane": str(lane)}),
        }
        self._lock = FileLock(path, timeout=0, mode=0o640, fallback_to_soft=False)
        self._seen: os.stat_result | None = None

    def acquire(self) -> None:
        """Take the lock and write into it who has it; TryAgain if a daemon has it."""
        deadline = time.monotonic() + _LEFT_BEHIND_SECONDS
        try:
            while not self._try():
                # A child that a killed daemon was just forking has the lock open until its exec.
                if self._holder_lives() or time.monotonic() > deadline:
                    raise TryAgain(f"a daemon is already running here ({self._holder()}): {self.path}")
                time.sleep(_LOOK_SECONDS)
        except (OSError, NotImplementedError) as error:
            raise CannotWrite(f"{self.path}: cannot be locked: {error}") from error
        self._seen = os.stat(self.path)
        since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        said = {"pid": os.getpid(), "since": since, **self._says}
        self.path.write_text(json.dumps(said) + "\n", encoding="utf-8")

    def _try(self) -> bool:
        os.close(open_anchored(self.path))
        try:
            self._lock.acquire()
        except Timeout:
            return False
        if not is_anchored(self.path):
            self._lock.release()
            raise TryAgain(f"{self.path} was deleted or replaced just now; start again")
        return True

    def _holder_lives(self) -> bool:
        """Whether the process that the file names is there; True where it does not say."""
        try:
            os.kill(int(json.loads(self.path.read_text(encoding="utf-8"))["pid"]), 0)
        except (ProcessLookupError, OverflowError):
            return False
        except (OSError, ValueError, KeyError, TypeError):
            return True
        return True

    def _holder(self) -> str:
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return f"pid {said['pid']}, since {said['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "it does not say who"

    def check(self) -> None:
        """Halt if the file was deleted or replaced: a second daemon could start."""
        if self._seen is not None:
            _check_same(self.path, self._seen)

    def release(self) -> None:
        """Let go; the file stays."""
        self._seen = None
        self._lock.release()


def _check_same(path: Path, held: os.stat_result) -> None:
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise Halt(f"{path} is gone while its lock is held ({error.strerror}); start again") from error
    if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
        raise Halt(f"{path} was replaced while its lock is held; leave lock files alone and start again")


def _turn(fd: int) -> bool:
    """An open-file-description lock on the same file: it does not meet the flock."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _watch(path: Path) -> int:
    """An inotify descriptor that rings when a holder closes the lock file; -1 if none can be had.

    flock cannot be polled, and a thread blocked in it cannot be called back. The ring may come an
    instant before the lock is free, so a slow timer must stand behind it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(path), _IN_CLOSE_WRITE) < 0:
        os.close(fd)
        return -1
    return fd
