"""What a daemon works on: everything, or one request and the job that it becomes."""

from __future__ import annotations

from collections.abc import Collection

_INBOX = "inbox/"


class Scope:
    """``only``: ``inbox/NAME``, the request that lies there, or the id of a job that is there; None for all.

    It is about what is taken and started: answers and timers are seen to whatever job they are of.
    """

    def __init__(self, only: str | None = None) -> None:
        self._name = only.removeprefix(_INBOX) if only is not None and only.startswith(_INBOX) else None
        self.ids: set[str] | None = None
        """The jobs whose stages are started; None for all."""
        if only is not None:
            self.ids = {only} if self._name is None else set()

    def takes(self, name: str) -> bool:
        """Whether a request of this name in the inbox is taken."""
        return self.ids is None or name == self._name

    def took(self, ids: Collection[str]) -> None:
        """These jobs came of what was taken."""
        if self.ids is not None:
            self.ids.update(ids)
