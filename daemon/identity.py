"""Which file one is, and which state of it, as far as stat tells: how a file is known again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file this is, and which state of it; two equal ones mean: not touched in between."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    birth_ns: int | None = field(default=None, compare=False)
    """When the file was made; None where that was not asked, or is not known."""

    @classmethod
    def of(cls, status: os.stat_result, birth_ns: int | None = None) -> Identity:
        """The identity in what stat or fstat answered."""
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return cls(status.st_dev, status.st_ino, status.st_size, *times, birth_ns)

    @property
    def key(self) -> str:
        """The identity as events and the database keep it: of this file with this content, whatever its mode
        and names become. Where no birth is known, ctime tells a file from its successor, and moves with those.

        Without the device: after a boot the same file system may have another number.
        """
        return self.keys[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """Every form in which the database may have kept this file, the present one first."""
        last = dict.fromkeys((self.ctime_ns if self.birth_ns is None else self.birth_ns, self.ctime_ns))
        file = f"{self.ino}:{self.size}:{self.mtime_ns}"
        return (*(f"{file}:{when}" for when in last), f"{self.dev}:{file}:{self.ctime_ns}")

    def same_content(self, other: Identity) -> bool:
        """Whether only name, mode or link count can differ: those move ctime and never mtime."""
        mine = (self.dev, self.ino, self.size, self.mtime_ns)
        return mine == (other.dev, other.ino, other.size, other.mtime_ns)
