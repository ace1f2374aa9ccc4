"""``spork run``: beside a daemon, as the daemon for one job, on a terminal, and cut off."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from daemon.cli.places import holder_of
from daemon.workspace import Workspace
from tests.studio import ROOT, Studio
from tests.support import PATIENCE, wait_for

NOTE = "intent: a note\npipeline: note\n"
SLOW = """\
name: slow
stages:
  - {name: wait, command: [sh, -euc, 'echo $$ > pid.txt; exec sleep 600'], outputs: [pid.txt]}
"""
HELD = """\
name: held
stages:
  - name: hold
    command: [sh, -euc, 'while ! [ -e {run}/../../go ]; do sleep 0.05; done; echo go > go.txt']
    outputs: [go.txt]
"""
BROKEN = """\
name: broken
stages:
  - {name: fall, command: [sh, -euc, 'echo oh no; exit 7']}
"""


@pytest.fixture
def request_file(studio: Studio) -> Path:
    """A request for a note, outside the inbox."""
    path = studio.root / "note.yaml"
    path.write_text(NOTE)
    return path


def only_job(studio: Studio) -> str:
    def found() -> str | None:
        return next((path.stem for path in (studio.root / "jobs").glob("*.yaml")), None)

    return wait_for(found, "the request to become a job")


def nobody_works(studio: Studio) -> bool:
    return holder_of(Workspace(studio.root)) is None


@pytest.mark.parametrize("live", [False, True])
def test_a_request_is_seen_through(studio: Studio, request_file: Path, *, live: bool) -> None:
    """Result on stdout, events and the named gate on stderr; a daemon that was there stays."""
    if live:
        studio.start()
    done = studio.spork("run", str(request_file), "--approve-all")
    job = only_job(studio)
    assert done.stdout == f"{studio.run(job)}/published/note.txt\n"
    assert "gate draft: passed" in done.stderr
    assert "job_completed" in done.stderr
    assert studio.wait(job, "completed")["decided"][0]["by"] == "approve-all"
    assert nobody_works(studio) is not live


def test_nobody_to_ask(studio: Studio, request_file: Path) -> None:
    """Without a terminal a gate ends it with 3 and what to do; a daemon goes on with the job later."""
    done = studio.spork("run", str(request_file), check=False)
    job = only_job(studio)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"spork approve {job}" in done.stderr
    assert nobody_works(studio)
    studio.start()
    studio.spork("approve", job)
    studio.wait(job, "completed")


def test_a_failed_job(studio: Studio) -> None:
    """1, with the message and where the log is."""
    studio.pipeline("broken", BROKEN)
    (studio.root / "b.yaml").write_text("intent: x\nid: b-1\npipeline: broken\n")
    done = studio.spork("run", str(studio.root / "b.yaml"), check=False)
    assert done.returncode == 1
    assert "failed: fall" in done.stderr
    assert "spork logs b-1 fall" in done.stderr
    assert studio.spork("logs", "b-1").stdout == "oh no\n"


def test_the_same_request_twice(studio: Studio) -> None:
    """With an id: the job that is there is told about; other bytes are refused with 65 and the reason."""
    path = studio.root / "n.yaml"
    path.write_text(NOTE + "id: n-1\n")
    studio.spork("run", str(path), "--approve-all")
    again = studio.spork("run", str(path))
    assert again.stdout == f"{studio.run('n-1')}/published/note.txt\n"
    path.write_text(NOTE + "id: n-1\npriority: high\n")
    refused = studio.spork("run", str(path), check=False)
    assert refused.returncode == 65
    assert "is taken" in refused.stderr


def test_asking_on_a_terminal(studio: Studio, request_file: Path) -> None:
    """Reject with notes, see the stage again, approve: the same decisions as by file."""
    terminal = Terminal(studio.command("run", str(request_file)))
    terminal.expect("[a]pprove")
    terminal.type("v\n")
    terminal.expect("please decide")
    terminal.expect("[a]pprove")
    terminal.type("r\n")
    terminal.expect("changed?")
    terminal.type("say hello\n")
    terminal.expect("(r)")
    terminal.type("\n")
    terminal.expect("[a]pprove")
    job = only_job(studio)
    assert "say hello" in (studio.run(job) / "note.txt").read_text()
    terminal.type("a\n")
    printed = terminal.expect(f"{job}: ")
    assert re.search(r"\x1b\[\d*A", printed) is None, "the table is drawn below the question, not over it"
    terminal.expect("published/note.txt")
    assert terminal.end() == 0
    given = sorted(path.name for path in (studio.run(job) / "decisions").iterdir())
    assert given == ["01-draft.1.reject.yaml", "01-draft.2.approve.yaml"]


def test_no_question_before_there_is_something_to_look_at(studio: Studio, request_file: Path) -> None:
    """The review follows the gate's commit; who asked first was told that there is none."""
    request_file.write_text(NOTE + "id: n-1\n")
    process = studio.start()
    studio.spork("submit", str(request_file))
    studio.wait("n-1", "needs_approval")
    shown = [studio.run("n-1") / name for name in ("REVIEW.md", "gate.json")]
    wait_for(shown[-1].exists, "the gate to be shown")
    process.send_signal(signal.SIGSTOP)
    try:
        for path in shown:
            path.rename(path.with_suffix(".kept"))
        terminal = Terminal(studio.command("run", str(request_file)))
        terminal.type("v\nl\n")
        terminal.expect("draft")
        time.sleep(0.5)  # long enough to ask too soon
        for path in shown:
            path.with_suffix(".kept").rename(path)
    finally:
        process.send_signal(signal.SIGCONT)
    terminal.expect("please decide")
    assert terminal.end() == 3


def test_leaving_at_the_question(studio: Studio, request_file: Path) -> None:
    """3, the gate stays open and no daemon stays behind."""
    terminal = Terminal(studio.command("run", str(request_file)))
    terminal.expect("[a]pprove")
    terminal.type("l\n")
    assert terminal.end() == 3
    assert studio.state(only_job(studio))["status"] == "needs_approval"
    assert nobody_works(studio)


def test_answered_elsewhere(studio: Studio, request_file: Path) -> None:
    """While the question stands, another approves: it is noticed without a key, and the job seen through."""
    terminal = Terminal(studio.command("run", str(request_file)))
    terminal.expect("[a]pprove")
    studio.spork("approve", only_job(studio))
    terminal.expect("somebody else")
    terminal.expect("published/note.txt")
    assert terminal.end() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_cut_off(studio: Studio, how: signal.Signals) -> None:
    """Ctrl-C gives 130; also after a kill -9 no daemon and no stage stay behind, and the job is kept."""
    studio.pipeline("slow", SLOW)
    (studio.root / "s.yaml").write_text("intent: x\nid: s-1\npipeline: slow\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        studio.command("run", str(studio.root / "s.yaml")), env=env, stderr=subprocess.PIPE, text=True
    )
    pid_file = studio.run("s-1") / ".work/01-wait.1/pid.txt"
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "the stage to run")
    pid = int(pid_file.read_text())
    run.send_signal(how)
    _, said = run.communicate(timeout=60)
    assert run.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said
    wait_for(lambda: nobody_works(studio), "the daemon for the job to end")
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the stage to end")
    studio.wait("s-1", "queued", "interrupted")


def started(studio: Studio, *arguments: str) -> subprocess.Popen[str]:
    """`spork run` that nobody can be asked by."""
    return subprocess.Popen(
        studio.command("run", *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str], text: str) -> None:
    """Wait until this was said on stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"it ended with {process.wait()} and never said {text!r}")


def test_it_goes_on_with_its_own_job(studio: Studio) -> None:
    """With an id, and no daemon: the job is gone on with where it is; what was answered meanwhile counts."""
    path = studio.root / "n.yaml"
    for job, more in (("n-1", ["--approve-all"]), ("n-2", [])):
        path.write_text(NOTE + f"id: {job}\n")
        assert studio.spork("run", str(path), check=False).returncode == 3
        if not more:
            studio.spork("approve", job)
        again = studio.spork("run", str(path), *more)
        assert again.stdout == f"{studio.run(job)}/published/note.txt\n"
        assert nobody_works(studio)


def test_its_daemon_was_killed(studio: Studio) -> None:
    """Said so, with the signal; the same request again goes on with the job that was cut off."""
    studio.pipeline("held", HELD)
    path = studio.root / "h.yaml"
    path.write_text("intent: x\nid: h-1\npipeline: held\n")
    run = started(studio, str(path))
    wait_for((studio.run("h-1") / "logs/01-hold.1.log").exists, "the stage to run")
    holder = holder_of(Workspace(studio.root))
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 73
    assert "killed by signal 9" in said
    assert "{" not in said
    (studio.root / "go").touch()
    assert studio.spork("run", str(path)).stdout == f"{studio.run('h-1')}/go.txt\n"


def test_it_waits_for_the_run_of_another_request(studio: Studio, request_file: Path) -> None:
    """Everybody who looks is told that the daemon works only on that; when it has ended, this run goes on."""
    first = Terminal(studio.command("run", str(request_file)))
    first.expect("[a]pprove")
    (studio.root / "b.yaml").write_text(NOTE + "id: b-1\n")
    second = started(studio, str(studio.root / "b.yaml"), "--approve-all")
    only = "works only on inbox/note.yaml"
    heard(second, only)
    assert only in studio.spork("status").stdout
    assert json.loads(studio.spork("status", "--json").stdout)["daemon"]["only"] == "inbox/note.yaml"
    assert only in studio.spork("explain", "inbox/b.yaml").stdout
    (studio.root / "c.yaml").write_text(NOTE + "id: c-1\n")
    assert only in studio.spork("submit", str(studio.root / "c.yaml")).stderr
    first.type("l\n")
    assert first.end() == 3
    assert second.communicate(timeout=PATIENCE)[0] == f"{studio.run('b-1')}/published/note.txt\n"
    assert nobody_works(studio)
    assert (studio.root / "inbox/c.yaml").exists()


def test_it_says_whose_turn_it_is(studio: Studio, request_file: Path) -> None:
    """Beside a daemon with another job before it, once; then it is seen through."""
    studio.pipeline("held", HELD)
    studio.start()
    studio.submit("h-1", "held")
    studio.wait("h-1", "running")
    run = started(studio, str(request_file), "--approve-all")
    turn = "it waits for its turn: h-1 is running"
    heard(run, turn)
    (studio.root / "go").touch()
    out, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0
    assert turn not in said
    assert out == f"{next(studio.root.glob('runs/*-a-note-*'))}/published/note.txt\n"


def test_it_says_that_there_is_no_room(studio: Studio, request_file: Path) -> None:
    """Once, and goes on when there is; `daemon --drain` ends with 73 where something waits for that."""
    policy = studio.root / "conf/operator.yaml"
    kept = policy.read_text()
    policy.write_text(kept.replace("min_free_mib: 1\n", "min_free_mib: 99999999\n"))
    run = started(studio, str(request_file), "--approve-all")
    heard(run, "no room: ")
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    assert "no room" not in said
    drained = studio.spork("daemon", "--drain", check=False)
    assert drained.returncode == 73
    assert "99999999 are wanted" in drained.stderr.splitlines()[-1]
    assert (studio.root / "inbox/note.yaml").exists()
    policy.write_text(kept)
    assert studio.spork("daemon", "--drain").returncode == 0
    assert studio.state(only_job(studio))["status"] == "needs_approval"


def test_ctrl_c_again_and_again(studio: Studio) -> None:
    """130 however often: also while the command itself is ending."""
    studio.pipeline("slow", SLOW)
    (studio.root / "s.yaml").write_text("intent: x\nid: s-1\npipeline: slow\n")
    run = started(studio, str(studio.root / "s.yaml"))
    wait_for((studio.run("s-1") / "logs/01-wait.1.log").exists, "the stage to run")
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, said = run.communicate(timeout=PATIENCE)
    assert (run.returncode, "Traceback" in said) == (130, False)


class Terminal:
    """A command on a pseudo terminal, and the person before it."""

    def __init__(self, argv: list[str]) -> None:
        self._main, side = pty.openpty()
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        self._process = subprocess.Popen(argv, env=env, stdin=side, stdout=side, stderr=side)
        os.close(side)
        os.set_blocking(self._main, False)
        self._seen = ""

    def expect(self, text: str) -> str:
        """Wait until this is on the screen; gives what stands before it, which is not looked at again."""

        def there() -> bool:
            self._read()
            return text in self._seen

        try:
            wait_for(there, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; on the screen is {self._seen!r}") from None
        before, _, self._seen = self._seen.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def end(self) -> int:
        """Wait for the end; gives the exit code."""

        def ended() -> bool:
            self._read()
            return self._process.poll() is not None

        wait_for(ended, "the command to end")
        os.close(self._main)
        return self._process.returncode

    def _read(self) -> None:
        try:
            self._seen += os.read(self._main, 1 << 16).decode()
        except (BlockingIOError, OSError):
            pass  # nothing new, or the other side is closed
