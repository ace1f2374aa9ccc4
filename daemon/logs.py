"""Logs on stderr: one JSON object a line under a service, plain lines for a person on a terminal.

Every line has a stable event name, a tag and the keys job, stage and attempt. Logging never waits and
never fails: what the reader does not take is kept for a moment, then dropped and counted.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from daemon.escapes import UNSAFE, escape
from daemon.logstream import LogStream
from daemon.repeats import Repeats

Tag = Literal["orchestrator", "stage", "gate", "inbox"]

ROOT = "spork"
SUBJECT = ("job", "stage", "attempt")

_BARE_WORD = re.compile(r"[^\s\"'=\\]+")
_COLORS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}


def say(tag: Tag, event: str, level: int = logging.INFO, **facts: object) -> None:
    """Log one event with its facts.

    ``event`` is a stable name in snake case. Of the facts, ``job``, ``stage`` and ``attempt`` name what it
    is about; an exception among the facts brings its traceback at ERROR.
    """
    logger = logging.getLogger(f"{ROOT}.{tag}")
    if logger.isEnabledFor(level):
        errors = (
            [fact for fact in facts.values() if isinstance(fact, BaseException)]
            if level >= logging.ERROR
            else []
        )
        logger.log(level, event, exc_info=errors[0] if errors else None, extra={"facts": facts})


def setup(level: int = logging.INFO, environ: Mapping[str, str] | None = None) -> None:
    """Send everything that is logged in this process to stderr, in the form that fits who reads it.

    Also catches what would end as a bare traceback on stderr: warnings, and exceptions that nobody caught.
    """
    environ = os.environ if environ is None else environ
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[_handler(environ)], level=logging.WARNING, force=True)
    logging.getLogger(ROOT).setLevel(level)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_failure


def _handler(environ: Mapping[str, str]) -> logging.Handler:
    if sys.__stderr__ is None:
        # Closed by whoever started us: descriptor 2 is, or will be, some other file of ours.
        return logging.NullHandler()
    stream = LogStream(sys.__stderr__.fileno())
    atexit.register(stream.flush)
    handler = StreamHandler(stream)
    handler.addFilter(Repeats())
    plain = os.isatty(stream.fd) and not _is_service(environ)
    handler.setFormatter(PlainFormatter(color=_wants_color(environ)) if plain else JsonFormatter())
    return handler


def _is_service(environ: Mapping[str, str]) -> bool:
    return "INVOCATION_ID" in environ or "JOURNAL_STREAM" in environ


def _wants_color(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM", "") not in {"", "dumb"}


class StreamHandler(logging.Handler):
    """Writes each record as whole lines, without waiting for the reader."""

    def __init__(self, stream: LogStream) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a fact that cannot be printed must not stop the work it is about
            where = f"{record.pathname}:{record.lineno}"
            line = json.dumps({"tag": "orchestrator", "event": "log_unprintable", "at": where})
        self.stream.write(line.encode("utf-8", "backslashreplace") + b"\n")


class JsonFormatter(logging.Formatter):
    """One JSON object: ts, level, tag, event, job, stage, attempt, then the other facts."""

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "tag": _tag(record),
            "event": _event(record),
        }
        line |= {key: facts.pop(key, None) for key in SUBJECT}
        line |= {key if key not in line else f"{key}_": value for key, value in facts.items()}
        if record.exc_info:
            line["traceback"] = _traceback(record)
        text = json.dumps(line, ensure_ascii=False, default=_printable)
        # In JSON text such characters stand only inside strings, where \u escapes mean the same.
        return escape(text)


class PlainFormatter(logging.Formatter):
    """``12:30:01 stage_started job=intro stage=script attempt=1`` for a person."""

    def __init__(self, *, color: bool) -> None:
        super().__init__()
        self.color = color

    def format(self, record: logging.LogRecord) -> str:
        facts = _facts(record)
        known = [key for key in SUBJECT if facts.get(key) is not None]
        words = [f"{key}={_word(facts.pop(key))}" for key in known]
        words += [f"{escape(key)}={_word(value)}" for key, value in facts.items() if value is not None]
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = " ".join([clock, self._colored(escape(_event(record)), record.levelno), *words])
        if record.exc_info:
            line += "".join(f"\n  {escape(row)}" for row in _traceback(record).splitlines())
        return line

    def _colored(self, text: str, level: int) -> str:
        code = _COLORS.get(level, "1")
        return f"\x1b[{code}m{text}\x1b[0m" if self.color else text


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = getattr(record, "facts", None)
    if facts is None:
        return {"logger": record.name, "message": record.getMessage()}
    return dict(facts)


def _tag(record: logging.LogRecord) -> str:
    root, _, tag = record.name.partition(".")
    return tag if root == ROOT and tag else "orchestrator"


def _event(record: logging.LogRecord) -> str:
    return record.getMessage() if hasattr(record, "facts") else "library_message"


def _traceback(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return "".join(traceback.format_exception(error)).rstrip() if error else ""


def _printable(value: object) -> object:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}" if str(value) else type(value).__name__
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return str(value)


def _word(value: object) -> str:
    text = value if isinstance(value, str) else str(_printable(value))
    if _BARE_WORD.fullmatch(text) and not UNSAFE.search(text):
        return text
    return escape(json.dumps(text, ensure_ascii=False))


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        say("orchestrator", "crashed", logging.CRITICAL, error=error)


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else None
    say("orchestrator", "thread_crashed", logging.ERROR, thread=name, error=failure.exc_value)
