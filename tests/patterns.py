"""``python patterns.py NAME MADE FILE``: how programs save that cannot run here; from traces of the real ones."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress


def written(text: bytes, name: str) -> None:
    """In place, in one go."""
    with open(name, "wb") as file:
        file.write(text)


def linked(text: bytes, name: str) -> None:
    """Made without a name, then linked into place."""
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o660)
    os.write(fd, text)
    with suppress(FileNotFoundError):
        os.unlink(name)
    os.link(f"/proc/self/fd/{fd}", name, src_dir_fd=os.open(".", os.O_RDONLY), follow_symlinks=True)


def code(text: bytes, name: str) -> None:
    """An empty file first; then truncated, written and flushed in place."""
    open(name, "ab").close()
    time.sleep(0.1)
    with open(name, "r+b") as file:
        file.truncate(0)
        file.flush()
        time.sleep(0.05)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def gio(text: bytes, name: str) -> None:
    """The old file is opened for writing and closed as it was; the new one comes by rename, and is closed again."""
    if not os.path.exists(name):
        written(text, name)
        return
    with open(name, "r+b"), open(".goutputstream-ABCDEF", "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        os.rename(".goutputstream-ABCDEF", name)
        time.sleep(0.02)


def nautilus(text: bytes, name: str) -> None:
    """Copied in place, then its attributes."""
    with open(name, "wb") as file:
        for start in range(0, len(text), 65_536):
            file.write(text[start : start + 65_536])
            file.flush()
    os.utime(name, (1, 1))
    os.chmod(name, 0o640)


def syncthing(text: bytes, name: str) -> None:
    """A hidden file of the full size, NULs at first, then moved into place."""
    temporary = f".syncthing.{os.path.basename(name)}.tmp"
    with open(temporary, "w+b") as file:
        file.truncate(len(text))
        time.sleep(0.05)
        file.write(text)
    os.rename(temporary, name)
    os.chmod(name, 0o644)


def preallocated(text: bytes, name: str) -> None:
    """The full size of NULs under the final name, then the content."""
    with open(name, "wb") as file:
        file.truncate(len(text))
        file.flush()
        time.sleep(0.1)
        file.write(text)


def aside(text: bytes, name: str) -> None:
    """The old file is moved aside, so that the name is absent for an instant; written anew; the old one removed."""
    with suppress(FileNotFoundError):
        os.rename(name, f"{name}~")
    time.sleep(0.02)
    with open(name, "wb") as file:
        file.flush()
        time.sleep(0.02)
        file.write(text)
    with suppress(FileNotFoundError):
        os.unlink(f"{name}~")


PATTERNS: dict[str, Callable[[bytes, str], None]] = {
    each.__name__: each for each in (written, linked, code, gio, nautilus, syncthing, preallocated, aside)
}

if __name__ == "__main__":
    with open(sys.argv[2], "rb") as made:
        PATTERNS[sys.argv[1]](made.read(), sys.argv[3])
