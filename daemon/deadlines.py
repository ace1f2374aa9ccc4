"""When the time of each of many is over: asked in every turn, and the answer costs the same for ten thousand."""

from __future__ import annotations

import heapq


class Deadlines:
    """One moment for each key, with a mark that says what it was set for. Seconds of one clock."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[str, float]] = {}
        # May hold what was set anew or dropped since: told by the dictionary, and thrown out at the front.
        self._heap: list[tuple[float, str]] = []

    def put(self, key: str, mark: str, at: float) -> None:
        """Set the key's moment, in place of one it had."""
        if self._set.get(key) == (mark, at):
            return
        self._set[key] = (mark, at)
        if len(self._heap) > 2 * len(self._set) + 8:
            self._heap = [(when, one) for one, (_, when) in self._set.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (at, key))

    def mark(self, key: str) -> str:
        """What the key's moment was set for; empty where it has none."""
        return self._set.get(key, ("", 0.0))[0]

    def at(self, key: str) -> float | None:
        """The key's moment; None where it has none."""
        return self._set[key][1] if key in self._set else None

    def drop(self, key: str) -> None:
        """The key has no moment any more; fine where it had none."""
        self._set.pop(key, None)

    @property
    def first(self) -> float | None:
        """The earliest moment; None if there is none."""
        while self._heap and not self._holds(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def over(self, now: float) -> list[str]:
        """The keys whose moment has come, earliest first; they stay until they are dropped or put off."""
        found = []
        while (at := self.first) is not None and at <= now:
            found.append(heapq.heappop(self._heap))
        for entry in found:
            heapq.heappush(self._heap, entry)
        return list(dict.fromkeys(key for _, key in found))

    def _holds(self, at: float, key: str) -> bool:
        return key in self._set and self._set[key][1] == at
