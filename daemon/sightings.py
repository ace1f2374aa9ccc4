"""What is remembered of the files in folders of strangers between two looks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from daemon.identity import Identity

REMEMBERED = 100_000
"""Files; some 300 bytes each."""


@dataclass(slots=True)
class Sighting:
    """What is known of one name; times are seconds of the drop-box's clock."""

    identity: Identity
    first: float
    """When the name was first seen."""
    since: float
    """Unchanged and without a writer since then."""
    whole: bool = False
    """It arrived in this state by rename or link."""
    unmarked: bool = False
    """It was read in this state and lacks the end mark."""
    writers: str = ""
    """Who has it open, once that was asked."""


class Sightings:
    """The sightings of all names, by folder; bounded."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, Sighting]] = {}
        self._count = 0

    def recall(self, folder: str, name: str, identity: Identity, now: float) -> Sighting:
        """What is known of the name, begun anew where the file is not what it was."""
        names = self._folders.setdefault(folder, {})
        known = names.get(name)
        if known is not None and known.identity == identity:
            return known
        if known is not None:
            whole = known.whole and known.identity.same_content(identity)
            names[name] = Sighting(identity, known.first, now, whole)
            return names[name]
        sighting = Sighting(identity, now, now)
        # Full: those that are known settle first and make room. To forget the oldest would settle nothing.
        if self._count < REMEMBERED:
            names[name] = sighting
            self._count += 1
        return sighting

    def drop(self, folder: str, name: str) -> None:
        """Forget a name."""
        names = self._folders.get(folder, {})
        if names.pop(name, None) is not None:
            self._count -= 1
        if not names:
            self._folders.pop(folder, None)

    def keep_only(self, folder: str, names: Collection[str]) -> None:
        """Forget the names in a folder that are not among these."""
        for name in self._folders.get(folder, {}).keys() - set(names):
            self.drop(folder, name)

    def drop_folder(self, folder: str) -> None:
        """Forget all names of a folder."""
        self._count -= len(self._folders.pop(folder, ()))
