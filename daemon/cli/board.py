"""How a job is followed: a table that stays in place on a terminal, one line an event everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.catalog import Catalog
from daemon.cli import beside
from daemon.cli.detail import time_of
from daemon.cli.events import line_of
from daemon.cli.screen import colorful, one_line, tell
from daemon.model import Job, Stage, StageStatus
from daemon.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

_MARKS = {
    StageStatus.PENDING: ("·", "dim"),
    StageStatus.RUNNING: ("▶", "cyan"),
    StageStatus.COMPLETED: ("✓", "green"),
    StageStatus.FAILED: ("✗", "red"),
    StageStatus.INTERRUPTED: ("!", "yellow"),
    StageStatus.CANCELED: ("✗", "dim"),
}
BAR = 12


@contextmanager
def board(workspace: Workspace, catalog: Catalog, job_id: str) -> Iterator[Board | Lines]:
    """Where the job is shown from here on."""
    if not sys.stderr.isatty():
        yield Lines(catalog, job_id)
        return
    from rich.console import Console

    drawn = Board(workspace, Console(stderr=True))
    try:
        yield drawn
    finally:
        drawn.leave()


class Lines:
    """One line an event, on stderr."""

    def __init__(self, catalog: Catalog, job_id: str) -> None:
        self._catalog, self._job_id, self._last = catalog, job_id, 0

    def update(self, job: Job) -> None:
        """Tell what happened since the last time."""
        for event in self._catalog.events(self._job_id, self._last):
            self._last = event.seq
            tell(line_of(event))

    def note(self, text: str) -> None:
        tell(text)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for a question."""
        yield


class Board:
    """The stages with their state, time and progress."""

    def __init__(self, workspace: Workspace, console: Console) -> None:
        self._workspace, self._console = workspace, console
        self._live: Live | None = None

    def update(self, job: Job) -> None:
        """Draw the job as it is."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._table(job), refresh=True)

    def leave(self) -> None:
        """Leave the table where it stands; the next one is drawn below."""
        # One that is started again would draw over what was printed since.
        if self._live is not None:
            self._live.stop()
            self._live = None

    def note(self, text: str) -> None:
        """A line that stays above the table."""
        from rich.text import Text

        self._console.print(Text(one_line(text), style="green" if colorful(sys.stderr) else ""))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Make room for a question; the table is drawn again below it."""
        self.leave()
        yield

    def _table(self, job: Job) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        grid = Table(box=None, show_header=False, pad_edge=False)
        reason = f" ({job.reason})" if job.reason else ""
        for stage in job.stages:
            mark, style = _MARKS[stage.status]
            said = self._said(job, stage)
            grid.add_row(
                Text(mark, style=style), Text(stage.name), Text(time_of(stage), style="dim"), Text(said)
            )
        return Group(Text(f"{job.id}: {job.status}{reason}", style="bold", no_wrap=True), grid)

    def _said(self, job: Job, stage: Stage) -> str:
        if job.gate is not None and job.gate.stage == stage.name:
            return "gate: waits for a decision"
        if stage.status is not StageStatus.RUNNING:
            decided = [d for d in job.decided if d.stage == stage.name]
            return one_line(f"{decided[-1].decision} by {decided[-1].by}") if decided else ""
        said = beside.progress_of(self._workspace, job.id, stage.name, job.attempt)
        if said is None:
            return ""
        fraction, message = said
        if fraction is None:
            return one_line(message)
        full = round(fraction * BAR)
        return one_line(f"{'█' * full}{'░' * (BAR - full)} {round(fraction * 100):3} % {message}")
