"""The command line, a door like any other: it writes the files people write, and reads state.

One module a verb, imported only when it is called: ``spork status`` answers without pydantic, YAML or
watchdog.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from daemon.errors import SporkError

INTERRUPTED = 130
CANNOT_WRITE = 73


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives its exit code (contract 8). A user's mistake is told without a traceback."""
    _fill_standard_descriptors()
    from daemon.cli.arguments import parse

    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        code = int(import_module(f"daemon.cli.{args.module}").command(args))
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as end:
        # argparse: help (0) and usage (2), both already told.
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        # One more, while Python ends, would end it by the signal instead.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads us has seen enough; Python must not find out again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - told apart below, raised again where it is a fault of ours
        return _told(error)
    return code


def _fill_standard_descriptors() -> None:
    """Where whoever started us has closed 0, 1 or 2, some file of ours would get that number, and what our
    children print would be written into it.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def _told(error: Exception) -> int:
    """Tell a person what they can act on; anything else is a fault of ours and keeps its traceback."""
    if isinstance(error, SporkError):
        message, code = str(error), error.exit_code
    elif isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        message, code = f"{place}{error.strerror or error}", CANNOT_WRITE
    elif type(error).__module__ == "sqlite3":
        message, code = f"the database cannot be read: {error}; see: spork doctor", CANNOT_WRITE
    else:
        raise error
    from daemon.cli.screen import tell

    tell(f"spork: {message}")
    return code
