"""Log lines: their form, what cannot break them, and that logging never waits or fails."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from daemon import logs, logstream
from daemon.logstream import LogStream
from daemon.repeats import REMEMBERED, Repeats

HOSTILE = "a\nb\x1b[31m\x9b2J\u202eexe.yaml\u2066\u2028\udcff"


def record(
    level: int = logging.INFO, facts: Mapping[str, object] | None = None, **more: object
) -> logging.LogRecord:
    made = logging.LogRecord("spork.stage", level, __file__, 1, "stage_started", None, None)
    made.facts = more | dict(facts or {})
    return made


def run(code: str, stderr: int, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """A process of its own that logs to the given descriptor."""
    clean = {"PATH": os.environ["PATH"], "TERM": "xterm", **environ}
    script = f"from daemon import logs\nfrom daemon.logs import say\nlogs.setup()\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=clean,
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=60,
    )


def json_lines(code: str, **environ: str) -> list[dict[str, object]]:
    done = run(code, subprocess.PIPE, **environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_names_event_and_subject() -> None:
    """Stable keys in a stable order; what there is none of is null."""
    line = json.loads(logs.JsonFormatter().format(record(job="intro", seconds=1.5, path=Path("/x"))))
    assert list(line) == ["ts", "level", "tag", "event", "job", "stage", "attempt", "seconds", "path"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "tag": "stage",
        "event": "stage_started",
        "job": "intro",
        "stage": None,
        "attempt": None,
        "seconds": 1.5,
        "path": "/x",
    }


def test_a_fact_cannot_pass_for_a_key_of_the_line() -> None:
    """`level=` as a fact is kept beside the event's name."""
    line = json.loads(logs.JsonFormatter().format(record(facts={"ts": "never", "level": 3})))
    assert (line["level"], line["level_"], line["ts_"]) == ("info", 3, "never")


@pytest.mark.fault(147)
def test_json_keeps_a_hostile_name_and_shows_only_escapes() -> None:
    """The name is read back as it was, while no raw control or bidirectional mark is in the log."""
    text = logs.JsonFormatter().format(record(job=HOSTILE))
    assert text.isprintable()
    assert json.loads(text)["job"] == HOSTILE


@pytest.mark.fault(147)
def test_plain_lines_show_only_escapes() -> None:
    """On a terminal a name can neither start a line nor move the cursor nor turn the text around."""
    text = logs.PlainFormatter(color=False).format(record(job=HOSTILE, facts={"note\n": "two words"}))
    assert text.isprintable()
    assert text.endswith('note\\u000a="two words"')


def test_plain_lines_are_for_reading() -> None:
    """Clock, event, subject, facts; nothing for what is null; colour only where wanted."""
    made = record(job="intro", stage=None, attempt=1, seconds=0.25)
    plain = logs.PlainFormatter(color=False).format(made)
    assert re.fullmatch(r"\d\d:\d\d:\d\d stage_started job=intro attempt=1 seconds=0\.25", plain)
    assert "\x1b[31m" in logs.PlainFormatter(color=True).format(record(logging.ERROR))


@pytest.mark.fault(147)
def test_under_a_service_every_line_is_json() -> None:
    """Ours, a library's, a warning, and an exception with its traceback."""
    code = """
import logging, warnings
say("gate", "gate_opened", job="intro", stage="script", attempt=2)
logging.getLogger("watchdog").warning("queue %s", "full")
warnings.warn("old")
try:
    1 / 0
except ZeroDivisionError as error:
    say("orchestrator", "turn_failed", logging.ERROR, error=error)
"""
    opened, library, warning, failed = json_lines(code, INVOCATION_ID="1")
    assert (opened["tag"], opened["event"], opened["attempt"]) == ("gate", "gate_opened", 2)
    assert (library["event"], library["message"], library["job"]) == ("library_message", "queue full", None)
    assert "old" in str(warning["message"])
    assert failed["error"] == "ZeroDivisionError: division by zero"
    assert "1 / 0" in str(failed["traceback"]) or "ZeroDivisionError" in str(failed["traceback"])


def test_what_nobody_caught_is_one_line() -> None:
    """A crash and a crashed thread are events as well."""
    code = """
import threading
thread = threading.Thread(target=lambda: 1 / 0, name="watcher")
thread.start(); thread.join()
raise RuntimeError("over")
"""
    done = run(code, subprocess.PIPE)
    assert done.returncode == 1
    thread, crash = [json.loads(line) for line in done.stderr.splitlines()]
    assert (thread["event"], thread["thread"]) == ("thread_crashed", "watcher")
    assert (crash["event"], crash["level"], crash["error"]) == ("crashed", "critical", "RuntimeError: over")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, b"\x1b[1mstage_started\x1b[0m job=intro"),
        ({"NO_COLOR": "1"}, b" stage_started job=intro"),
        ({"TERM": "dumb"}, b" stage_started job=intro"),
        ({"JOURNAL_STREAM": "8:1"}, b'"event": "stage_started", "job": "intro"'),
    ],
)
def test_a_terminal_gets_plain_lines(environ: dict[str, str], expected: bytes) -> None:
    """Coloured unless NO_COLOR; a service gets JSON even there."""
    ours, theirs = pty.openpty()
    try:
        assert run('say("stage", "stage_started", job="intro")', theirs, **environ).returncode == 0
        assert expected in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_reader_that_went_away_costs_nothing() -> None:
    """EPIPE on stderr ends neither the work nor its exit code."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run('say("stage", "stage_started")\nprint("worked on")', writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"worked on\n")


def test_a_full_disk_costs_nothing() -> None:
    """ENOSPC on stderr ends neither the work nor its exit code."""
    with open("/dev/full", "wb") as full:
        done = run('say("stage", "stage_started")\nprint("worked on")', full.fileno())
    assert (done.returncode, done.stdout) == (0, b"worked on\n")


def test_without_stderr_no_file_of_ours_is_written(tmp_path: Path) -> None:
    """Descriptor 2 closed at start is soon the number of some other file."""
    code = f"""
import os
descriptor = os.open({str(tmp_path / "data")!r}, os.O_CREAT | os.O_WRONLY)
say("stage", "stage_started")
"""
    script = f"from daemon import logs\nfrom daemon.logs import say\nlogs.setup()\n{code}"
    command = ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-c", script]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=60)
    assert (tmp_path / "data").read_bytes() == b""


def test_a_fact_that_cannot_be_printed_costs_only_itself() -> None:
    """The line says where it came from, and the work goes on."""
    code = """
class Bad:
    def __str__(self): raise ValueError
say("stage", "stage_started", bad=Bad())
"""
    (line,) = json_lines(code)
    assert line["event"] == "log_unprintable"


def test_a_try_that_fails_again_and_again_is_told_once_a_minute() -> None:
    """With how often it was held back; another subject is no repetition, nor what a person or a change led to."""
    code = """
import time
from daemon import repeats
def sick(job): say("gate", "cannot_look", 40, job=job, why="Input/output error")
for _ in range(5): sick("a")
sick("b")
for _ in range(2): say("orchestrator", "policy_refused", 40, why="line 3")
repeats.QUIET_SECONDS = 0.01
time.sleep(0.02)
sick("a")
time.sleep(0.02)
sick("a")
"""
    said = [(line["event"], line["job"], line.get("held_back")) for line in json_lines(code)]
    assert said == [
        ("cannot_look", "a", None),
        ("cannot_look", "b", None),
        ("policy_refused", None, None),
        ("policy_refused", None, None),
        ("cannot_look", "a", 4),
        ("cannot_look", "a", None),
    ]


def test_what_is_remembered_of_errors_is_bounded() -> None:
    """A million jobs in trouble do not fill the memory."""
    seen = Repeats()

    def passes(number: int) -> bool:
        tried = record(logging.ERROR, number=number)
        tried.msg = "cannot_look"
        return seen.filter(tried)

    assert all(passes(number) for number in range(REMEMBERED + 50))
    assert passes(0)
    assert not passes(REMEMBERED + 49)


def test_a_reader_that_stopped_delays_nothing_and_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lines wait in memory up to a limit; then they are dropped, counted, and order is kept."""
    monkeypatch.setattr(logstream, "_FLUSH_SECONDS", 0)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    stream = LogStream(writing)
    started = time.monotonic()
    for number in range(5000):
        stream.write(b'{"number": %d, "filler": "%s"}\n' % (number, b"x" * 100))
    assert time.monotonic() - started < 5
    text = b""
    os.set_blocking(reading, False)
    for _ in range(1000):
        try:
            text += os.read(reading, 65536)
        except BlockingIOError:
            break
        stream.flush()
    stream.write(b'{"number": 5000}\n')
    text += os.read(reading, 65536)
    os.close(reading)
    os.close(writing)
    lines = [json.loads(line) for line in text.splitlines()]
    numbers = [line["number"] for line in lines if "number" in line]
    (dropped,) = [line["lines"] for line in lines if line.get("event") == "log_lines_dropped"]
    assert numbers == [*range(len(numbers) - 1), 5000]
    assert dropped == 5001 - len(numbers)


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next() -> None:
    """After room is made the next line begins on a line of its own."""
    reading, writing = os.pipe()
    stream = LogStream(writing)
    stream._backlog += b'{"cut'
    stream._push(0)
    spare = stream.fd
    with open("/dev/full", "wb") as full:
        stream.fd = full.fileno()
        stream.write(b'{"lost": 1}\n')
    stream.fd = spare
    stream.write(b'{"kept": 1}\n')
    os.close(writing)
    with open(reading, "rb") as pipe:
        cut, report, kept = pipe.read().splitlines()
    assert cut == b'{"cut'
    assert json.loads(report)["lines"] == 1
    assert kept == b'{"kept": 1}'
