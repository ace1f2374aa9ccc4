"""Long work for a request, beside the loop: one errand at a time, what came of it is taken in the loop.

Its thread decides nothing: it does what it was given, rings the bell, and holds the result until somebody takes it
or drops it.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

GoOn = Callable[[], None]
Work = Callable[[GoOn], AbstractContextManager[T]]
"""Does it, calling what it is given often, and holds what came of it; leaves nothing behind that nobody took."""


class Underway(Exception):
    """It is not done yet; the bell rings when that may have changed."""


class Dropped(Exception):
    """Nobody wants it done any more."""


class Errand(Generic[T]):
    """Work for one request, from its start until what came of it is taken or dropped."""

    result: T

    def __init__(self, request: str, about: object, work: Work[T], bell: int) -> None:
        self.request, self.about = request, about
        self.done = self.dropped = self.over = False
        self.error: BaseException | None = None
        self._work, self._bell = work, bell
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "no thread can be started") from error

    def drop(self) -> None:
        """Do no more of it; what was done goes, in its own time."""
        self.dropped = True
        self._released.set()

    def finish(self) -> None:
        """It was taken: wait until its thread has ended."""
        self._released.set()
        self._thread.join()
        # What it met in clearing up is for nobody to hear.
        self.error = None

    def _run(self) -> None:
        try:
            with self._work(self._go_on) as self.result:
                self.done = True
                os.eventfd_write(self._bell, 1)
                self._released.wait()
        except BaseException as error:  # noqa: BLE001 - raised in the loop, as if it had been done there
            self.error = error
        # Before the bell: whoever hears it need not wait for the thread to be gone as well.
        self.over = True
        os.eventfd_write(self._bell, 1)

    def _go_on(self) -> None:
        if self.dropped:
            raise Dropped


class Errands:
    """One at a time. `ask` in every look for as long as the request waits, then `drop_unasked`."""

    def __init__(self) -> None:
        self._errand: Errand[Any] | None = None
        self._asked = False
        self._bell = -1

    def ask(self, request: str, about: object, begin: Callable[[], Work[T]], what: str) -> Errand[T]:
        """What a request, by its identity, wants done ``about`` something, once it is done: then it is the caller's.

        ``begin`` gives the work when it may start. Raises Underway until it is done, with ``what`` is being done,
        and once what the work met; what ``begin`` raises.
        """
        errand = self._errand
        if (
            errand is not None
            and errand.over
            and (errand.dropped or errand.error is None or errand.request == request)
        ):
            self._errand = None
            if errand.error is not None and not errand.dropped:
                raise errand.error
            errand = None
        if errand is None:
            work = begin()
            if self._bell < 0:
                self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            errand = self._errand = Errand(request, (what, about), work, self._bell)
        if errand.request != request:
            raise Underway("another request's sources are being seen to, its own come after them")
        self._asked = True
        if errand.about != (what, about):
            errand.drop()
        if errand.dropped or not errand.done:
            raise Underway(what)
        # Not forgotten before its thread is over, which removes what it leaves: the next one may begin there.
        return errand

    def drop_unasked(self) -> None:
        """Drop what no request has asked for since the last time: withdrawn, changed, or missing something."""
        if self._errand is not None and not self._asked:
            self._errand.drop()
        self._asked = False

    def rest(self) -> None:
        """Do nothing more until the next `ask`."""
        if self._errand is not None:
            self._errand.drop()

    def rang(self) -> bool:
        """Whether the bell rang since the last time."""
        with suppress(BlockingIOError):
            return self._bell >= 0 and os.eventfd_read(self._bell) > 0
        return False

    def fileno(self) -> int:
        """Readable when the bell rings; -1 while there never was anything to do."""
        return self._bell

    def end(self) -> None:
        """Do nothing any more, and leave nothing behind."""
        self.rest()
        if self._errand is not None:
            self._errand.finish()
            self._errand = None
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1
