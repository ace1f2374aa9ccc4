"""What can go wrong, named by who must act. The docstring says it; the message says where and what to do."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing wrong with a document, at one place."""

    # No dataclass here and in what else `spork status` imports: those take a third of its start.

    where: str
    """The file as its author knows it."""
    line: int
    """From 1; 0 where the problem is the file as a whole."""
    column: int
    """From 1; 0 where unknown."""
    field: str
    """Dotted path of the key, as in ``gates.script.required``; empty for the file as a whole."""
    message: str
    """What is wrong and what was expected, the nearest right spelling included."""

    def __str__(self) -> str:
        place = self.where
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class SporkError(Exception):
    """Something its user can act on; shown as one or two lines, never with a traceback."""

    exit_code = 1


class Invalid(SporkError):
    """A document is not what it should be; its author must mend it."""

    exit_code = 65

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class BadPolicy(SporkError):
    """The policy cannot be used; the operator must mend ``conf/``."""

    exit_code = 78


class CannotWrite(SporkError):
    """A folder or file cannot be written; the operator must mend permissions or space."""

    exit_code = 73


class TryAgain(SporkError):
    """Somebody else holds a lock, or nobody does where a daemon is needed: try again when that is over."""

    exit_code = 75


class NotPossible(SporkError):
    """What was asked does not fit where the job is; nothing was written."""

    exit_code = 65


class Halt(SporkError):
    """The ground under the daemon is gone or wrong; it stops rather than guess."""

    exit_code = 73


class Illegal(Exception):
    """An event that the rules do not list for this state. Nothing has happened."""
