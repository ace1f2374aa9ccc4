"""The bell: tells in which folders to look again. It carries no verdict; folders are the truth.

One inotify descriptor for all folders, polled by the loop, through watchdog's binding. Its Observer is not
used: it starts a thread for each scheduled folder, holds events back for half a second after a rename out of
a folder, swallows "no more watches" and loses what an overflowing queue dropped (measured with 7.1). Here
every failure ends in a hint: look everywhere, or poll this folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from watchdog.observers.inotify_c import WatchDescriptor

from daemon import inotify
from daemon.looking import PASSING
from daemon.mounts import needs_polling
from daemon.names import is_ours

Mode = Literal["auto", "poll", "inotify"]

_PROBE_KEY = "\0probe"
_ARRIVALS_AT_MOST = 50_000
"""Arrivals that nobody has asked for; any more have to settle like files that were copied in."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What was heard since the last drain."""

    rang: Mapping[str, frozenset[str]]
    """Per key, the names in its folder to look at."""
    everything: bool
    """Something may have been missed: look everywhere."""
    notes: tuple[str, ...]
    """What the operator should know; each is said once, until `Watcher.rebuild`."""


class Watcher:
    """Watches folders under keys of the caller's, which are their names.

    ``mode``: ``poll`` watches nothing; ``inotify`` trusts it on every file system; ``auto`` also names those
    folders `unwatched` where it hears only of this machine's changes. ``probe_folder``: a private folder for
    `probe`. ``unheard``: names that never ring, by default those that the daemon writes itself.
    """

    def __init__(
        self, mode: Mode = "auto", probe_folder: Path | None = None, unheard: Callable[[str], bool] = is_ours
    ) -> None:
        self._mode = mode
        self._probe_folder = probe_folder
        self._unheard = unheard
        self._fd: int | None = None
        # Ten thousand jobs may wait: of each no more is kept than its key, once, and a few numbers.
        self._below: dict[str, str] = {}
        self._more: dict[str, int] = {}
        self._watches: dict[str, WatchDescriptor] = {}
        self._keys: dict[WatchDescriptor, str] = {}
        self._unwatched: dict[str, str] = {}
        self._rang: dict[str, set[str]] = {}
        self._arrived: dict[str, set[str]] = {}
        self._arrivals = 0
        self._everything = False
        self._said: set[str] = set()
        self._notes: list[str] = []
        self._probed = False
        self._open()

    @property
    def unwatched(self) -> Mapping[str, str]:
        """The keys whose folders must be polled, each with the reason."""
        return self._unwatched

    def fileno(self) -> int | None:
        """Readable when the bell rings; None if all is polled. Ask before every wait: it can change."""
        return self._fd

    def watch(self, key: str, below: str) -> None:
        """Watch the folder that is named by its key ``below`` another, itself not a link and not its subfolders. Look
        into it after this, not before.
        """
        self._below[key] = below
        self._more.setdefault(key, 0)
        self._add(key)

    def hear_removals(self, key: str, *, on: bool) -> None:
        """Whether names that go from a watched folder ring as well: most that go the daemon takes away itself."""
        more = inotify.LEFT if on else 0
        if self._more.get(key, more) != more:
            self._more[key] = more
            self._add(key)

    def hears_removals(self, key: str) -> bool:
        """Whether names that go ring there."""
        return bool(self._more.get(key))

    def forget(self, key: str) -> None:
        """Stop watching a folder; a key that is not watched is fine."""
        self._below.pop(key, None)
        self._more.pop(key, None)
        self._unwatched.pop(key, None)
        self._rang.pop(key, None)
        self._arrivals -= len(self._arrived.pop(key, ()))
        self._remove(key)

    def drain(self) -> Hints:
        """Clear the bell and tell what rang since the last drain. Look after this, not before."""
        self._read()
        rang = {key: frozenset(names) for key, names in self._rang.items()}
        hints = Hints(rang, self._everything, tuple(self._notes))
        self._rang, self._everything, self._notes = {}, False, []
        return hints

    def unread(self, matters: Callable[[str, Iterable[str]], bool]) -> bool:
        """Whether something was heard since the last drain that must not be slept over: of the names that rang in
        a folder, by its key, those that matter. Reads the descriptor empty, for what we did ourselves rang as well.
        """
        self._read()
        rang = any(matters(key, names) for key, names in self._rang.items())
        return rang or self._everything or bool(self._notes)

    def arrived_whole(self, key: str, name: str) -> bool:
        """Whether the file was seen to arrive by rename or link, and not closed by a writer since; told once.

        To be asked after the kernel said that nobody has it open for writing: a writer's close is in the
        queue before its hold is gone, so what was created and has neither writer nor close was linked.
        """
        self._read()
        return self._drop_arrival(key, name)

    def probe(self) -> bool:
        """Whether a change in the private folder is heard; if not, `rebuild`. True where none is watched, or it
        cannot be told now.
        """
        if self._fd is None or self._probe_folder is None:
            return True
        self._read()
        self._probed = False
        # Opened for writing and closed, nothing written: rings without touching the disk.
        try:
            os.close(os.open(self._probe_folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in PASSING:
                raise
            # For want of descriptors, say: that tells nothing of the bell, and the next probe may.
            return True
        self._read()
        return self._probed

    def rebuild(self) -> None:
        """Start anew with another descriptor, watch every folder again, and look everywhere."""
        self.close()
        self._said.clear()
        self._open()
        for key in self._below:
            self._add(key)
        self._everything = True

    def check_roots(self, keys: Iterable[str] | None = None) -> tuple[str, ...]:
        """Watch again what was replaced, made anew or refused before; gives the keys to look at.

        The kernel answers with the known watch for a folder that is still the same, so asking costs one call.
        """
        if self._fd is None:
            self._open()
            keys = None
        changed = []
        for key in list(self._below if keys is None else keys):
            before = self._watches.get(key)
            self._add(key)
            if self._watches.get(key) != before:
                changed.append(key)
        return tuple(changed)

    def close(self) -> None:
        """Give the descriptor back; every watch goes with it."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._watches.clear()
        self._keys.clear()
        self._forget_arrivals()

    def _open(self) -> None:
        if self._mode == "poll":
            return
        try:
            self._fd = inotify.open_inotify()
            if self._probe_folder is not None:
                self._probe_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._keys[inotify.add_watch(self._fd, os.fsencode(self._probe_folder))] = _PROBE_KEY
        except OSError as error:
            self.close()
            self._say(f"{inotify.limit_of(error) or f'no inotify: {error}'}; all folders are polled")

    def _add(self, key: str) -> None:
        if self._fd is None:
            self._unwatched[key] = "polled by policy" if self._mode == "poll" else "no inotify"
            return
        folder = os.fsencode(f"{self._below[key]}/{key}")
        try:
            watch = inotify.add_watch(self._fd, folder, self._more[key])
        except OSError as error:
            self._refused(key, error)
            return
        if self._watches.get(key) == watch:
            return
        self._remove(key)
        other = self._keys.get(watch)
        if other is not None:
            self._watches.pop(other, None)
            self._unwatched[other] = "the same folder is watched under another key"
        self._watches[key], self._keys[watch] = watch, key
        self._unwatched.pop(key, None)
        if self._mode == "auto":
            self._check_kind(key, folder)

    def _check_kind(self, key: str, folder: bytes) -> None:
        kind = needs_polling(folder)
        if kind is not None:
            self._unwatched[key] = f"on {kind}, where other machines' changes are not heard"
            self._say(f"{os.path.normpath(os.fsdecode(folder))} is {self._unwatched[key]}: it is polled")

    def _refused(self, key: str, error: OSError) -> None:
        self._remove(key)
        limit = inotify.limit_of(error)
        self._unwatched[key] = limit or f"cannot be watched: {error.strerror}"
        if limit is not None:
            self._say(f"{limit}; folders without a watch are polled")

    def _remove(self, key: str) -> None:
        watch = self._watches.pop(key, None)
        if watch is not None and self._fd is not None:
            del self._keys[watch]
            inotify.remove_watch(self._fd, watch)

    def _read(self) -> None:
        if self._fd is None:
            return
        try:
            for watch, mask, name in inotify.read_events(self._fd):
                if mask & inotify.OVERFLOW:
                    self._overflowed()
                elif (key := self._keys.get(watch)) is not None:
                    self._heard(key, mask, name)
        except OSError as error:
            self._say(f"the watcher cannot read its events ({error.strerror}) and starts anew")
            self._fd = None  # whatever this number is now, it is not ours to close
            self.rebuild()

    def _heard(self, key: str, mask: int, name: str) -> None:
        if key == _PROBE_KEY:
            self._probed |= bool(mask & inotify.CLOSE_WRITE)
        elif mask & inotify.LOST:
            self._remove(key)
            self._arrivals -= len(self._arrived.pop(key, ()))
            self._unwatched[key] = "the folder was removed, moved or unmounted"
            self._everything = True
        elif not self._unheard(name):
            self._rang.setdefault(key, set()).add(name)
            # Only the last thing that happened to a name counts: its arrival, or a writer's close.
            self._drop_arrival(key, name)
            if mask & inotify.ARRIVED and not mask & inotify.FOLDER and self._arrivals < _ARRIVALS_AT_MOST:
                self._arrived.setdefault(key, set()).add(name)
                self._arrivals += 1

    def _drop_arrival(self, key: str, name: str) -> bool:
        names = self._arrived.get(key, set())
        if name not in names:
            return False
        names.remove(name)
        self._arrivals -= 1
        if not names:
            del self._arrived[key]
        return True

    def _overflowed(self) -> None:
        self._everything = True
        self._probed = True
        self._forget_arrivals()
        self._say("more happened than the kernel keeps (fs.inotify.max_queued_events): looking everywhere")

    def _forget_arrivals(self) -> None:
        self._arrived.clear()
        self._arrivals = 0

    def _say(self, note: str) -> None:
        if note not in self._said:
            self._said.add(note)
            self._notes.append(note)
