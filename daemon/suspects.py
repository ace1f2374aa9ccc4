"""After a power cut: the finished jobs whose copies it may have cut short, looked at a few at a time beside the work.

Nothing waits for them, so the daemon is ready before; open jobs are looked at before anything is taken or started.
Where it ends in between, the next start begins with the same ones again: the boot is noted once all are done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

AT_ONCE = 8


class Suspects:
    """Ids, what to do with each, and what to note in the end."""

    def __init__(self, ids: Iterable[str], heal: Callable[[str], None], done: Callable[[], None]) -> None:
        self._left, self._heal, self._done = deque(ids), heal, done
        if not self._left:
            done()

    def __bool__(self) -> bool:
        return bool(self._left)

    def some(self) -> None:
        """Look at the next few. OSError and Halt are the caller's; that job is not looked at again."""
        for _ in range(min(AT_ONCE, len(self._left))):
            self._heal(self._left.popleft())
        if not self._left:
            self._done()
