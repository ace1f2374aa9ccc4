"""One attempt: what a stage gets, what becomes of it, what the daemon is told."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.errors import CannotWrite
from daemon.orders import Terms, seen_from, with_environ
from daemon.processes import children
from daemon.runner import Runner
from daemon.strays import end_strays
from daemon.workroom import sweep
from stages.contract import Published
from tests.attempts import TOKEN, Place
from tests.studio import ROOT
from tests.support import PATIENCE, wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.runner.rest()
    end_strays(TOKEN)


def module(place: Place, text: str) -> str:
    (place.base / "mine.py").write_text(text)
    return "./mine.py:run"


def test_command_completes_with_hashed_artifacts(place: Place) -> None:
    """Files in the attempt's folder are reported with size, hash, kind; modes are those of the contract."""
    report = place.run(
        place.shell("printf hello > b.txt; mkdir -p sub; printf x > sub/a.png", "b.txt", "sub/*")
    )
    assert report.outcome == "completed", report
    assert [(m.path, m.kind, m.bytes) for m in report.made] == [
        ("b.txt", "text", 5),
        ("sub/a.png", "image", 1),
    ]
    assert report.made[0].sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    out = place.order().out_dir
    assert stat.S_IMODE((out / "b.txt").stat().st_mode) == 0o660
    assert stat.S_IMODE((out / "sub").stat().st_mode) == 0o2770


def test_function_gets_its_context(place: Place) -> None:
    """A Python stage sees the whole order, in its own folder, and may describe what it makes."""
    run = module(
        place,
        """
import os
def run(context):
    assert os.getcwd() == str(context.out_dir)
    assert (context.job_id, context.stage, context.attempt) == ("job-1", "s", 1)
    assert context.params == {"minutes": 1.5} and context.redo == {"scene_1": "again"}
    assert context.artifacts[0].path == "a.txt" and context.artifacts[0].meta == {"n": 1}
    context.progress(0.5, "half")
    print("printed, not flushed", end="")
    (context.out_dir / "o.txt").write_text(context.intent + context.feedback)
    context.describe("o.txt", "story", words=2)
""",
    )
    order = place.order(
        run=run,
        outputs=("o.txt",),
        intent="say",
        feedback=" more",
        params={"minutes": 1.5},
        redo={"scene_1": "again"},
        artifacts=(Published("a.txt", "text", 1, "00", "outline", {"n": 1}),),
    )
    report = place.run(order)
    assert report.outcome == "completed", (report, place.log(order))
    assert (report.made[0].kind, report.made[0].meta) == ("story", {"words": 2})
    assert place.log(order) == "printed, not flushed"
    assert order.beside("progress").read_text() == "0.500 half\n"


@pytest.mark.fault(120)
def test_command_gets_its_variables_and_no_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is an allow-list: secrets of the daemon do not reach a stage unless named."""
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("LET_THROUGH", "yes")
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    order = place.shell("env > env.txt; cat $SPORK_PARAMS $SPORK_FEEDBACK; umask", env=("LET_THROUGH",))
    order = place.order(
        command=order.command, env=order.env, params={"a": 1}, feedback="do better\n", intent="x" * 200_000
    )
    report = place.run(order)
    assert report.outcome == "completed", report
    lines = dict(line.split("=", 1) for line in (order.out_dir / "env.txt").read_text().splitlines())
    allowed = "HOME LANG LET_THROUGH OLDPWD PATH PWD SHLVL TMPDIR TZ USER _".split()
    assert {n for n in lines if not n.startswith(("SPORK_", "LC_"))} <= set(allowed)
    assert lines["LET_THROUGH"] == "yes"
    assert lines["SPORK_KEEPER"] == f"{TOKEN}:job-1:s:1"
    assert lines["SPORK_OUT"] == lines["PWD"] == str(order.out_dir)
    assert place.log(order) == '{"a": 1}do better\n0007\n'


@pytest.mark.fault(120)
def test_a_function_gets_the_same_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in it of its keeper's, nor of what a spare tries out before it has its order."""
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("LET_THROUGH", "yes")
    text = """
import json, os
def run(context):
    (context.out_dir / "env.json").write_text(json.dumps(dict(os.environ)))
"""
    order = place.order(run=module(place, text), env=("LET_THROUGH",), intent="")
    assert place.run(order).outcome == "completed"
    found = json.loads((order.out_dir / "env.json").read_text())
    ours = {name for name in found if name.startswith("SPORK_")}
    assert {n for n in found if not n.startswith(("SPORK_", "LC_"))} <= set(
        "HOME LANG LET_THROUGH PATH TMPDIR TZ USER".split()
    )
    names = "RUN OUT JOB STAGE ATTEMPT SOURCES PROGRESS INTENT KEEPER"
    assert ours == {f"SPORK_{name}" for name in names.split()}
    assert (found["SPORK_OUT"], found["SPORK_INTENT"]) == (str(order.out_dir), "")


def test_a_command_holds_the_lane_and_nothing_else_of_ours(place: Place) -> None:
    """Beyond the three standard descriptors only the lane's reaches what a stage executes."""
    order = place.shell("for fd in /proc/$$/fd/*; do readlink $fd; done | grep -v '^pipe:'")
    assert place.run(order).outcome == "completed"
    assert sorted(set(place.log(order).split())) == sorted(["/dev/null", str(place.lane.path)])


def test_words_in_braces_are_filled_in_and_others_left(place: Place) -> None:
    """`{job}` and its like are replaced in the argv; other braces are the command's own."""
    order = place.order(command=("/bin/echo", "{job}/{stage}/{attempt}", "{out}", "{other} {}"))
    assert place.run(order).outcome == "completed"
    assert place.log(order) == f"job-1/s/1 {order.out_dir} {{other}} {{}}\n"


@pytest.mark.fault(113)
def test_stdin_is_empty(place: Place) -> None:
    """A stage that waits on its stdin gets end of file."""
    assert place.run(place.shell("cat > x.txt; echo $? > y.txt", "y.txt")).outcome == "completed"


@pytest.mark.fault(119)
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/nowhere/tool",), "cannot run '/nowhere/tool': No such file or directory"),
        (("no-such-tool-anywhere",), "No such file or directory"),
        (("./plain.txt",), "Permission denied"),
        (("./garbage",), "Exec format error"),
        (("/bin/echo", "x" * 3_000_000), "Argument list too long"),
        (("/bin/echo", "a\0b"), "null byte"),
    ],
)
def test_what_cannot_be_run_is_told_with_the_reason(
    place: Place, command: tuple[str, ...], words: str
) -> None:
    """Exec failures fail the attempt with the system's own words."""
    (place.base / "plain.txt").write_text("x")
    (place.base / "garbage").write_bytes(b"\x00\x01\x02")
    (place.base / "garbage").chmod(0o755)
    report = place.run(place.order(command=command))
    assert (report.outcome, report.exit_code) == ("failed", 127)
    assert words in report.message


@pytest.mark.parametrize(
    ("text", "message", "hint", "log"),
    [
        ("from stages.contract import StageError\ndef run(c): raise StageError('no brief', 'write one')",
         "no brief", "write one", ""),
        ("def run(c): None + 1", "TypeError: unsupported", "", "Traceback"),
        ("def run(c):\n import nowhere_at_all", "'nowhere_at_all' is missing", "pip install nowhere_at", ""),
        ("def other(c): pass", "has no function 'run'", "look at ./mine.py:run", ""),
        ("def run(c: syntax error", "SyntaxError", "", "Traceback"),
        ("def run(c): raise SystemExit(3)", "exit code 3", "", ""),
        ("def run(c): raise SystemExit('enough')", "enough", "", ""),
        ("def run(c): raise ImportError('libEGL.so.1: cannot open shared object file: No such file')",
         "libEGL.so.1 is missing", "apt install libegl1", ""),
    ],
)  # fmt: skip
def test_function_failures_are_told_to_whom_they_concern(
    place: Place, text: str, message: str, hint: str, log: str
) -> None:
    """An author's message and hint as given; other exceptions in a line, with the traceback in the log."""
    order = place.order(run=module(place, text))
    report = place.run(order)
    assert report.outcome == "failed"
    assert message in report.message
    assert hint in report.hint
    assert log in place.log(order)


def test_missing_stage_module_is_told_as_such(place: Place) -> None:
    """A misspelled `run:` is not a missing library."""
    report = place.run(place.order(run="stages.no_such_stage:run", placeholders=True))
    assert "there is no module 'stages.no_such_stage'" in report.message


def test_placeholders_only_where_allowed_and_never_for_acceptance(place: Place) -> None:
    """With the switch a missing module leaves marked placeholders; acceptance fails even then."""
    run = module(place, "import nowhere_at_all\ndef run(c): pass")
    outputs = ("plan.json", "scenes/*.mp4")
    assert place.run(place.order(run=run, outputs=outputs)).outcome == "failed"
    report = place.run(place.order(2, run=run, outputs=outputs, placeholders=True))
    assert report.outcome == "completed", report
    assert report.placeholders == ("plan.json", "scenes/placeholder.mp4")
    assert {made.kind for made in report.made} == {"placeholder"}
    acceptance = place.order(3, run=run, outputs=outputs, placeholders=True, stage="acceptance")
    assert place.run(acceptance).outcome == "failed"


def test_modules_are_imported_fresh(place: Place) -> None:
    """A stage edited between two attempts runs as edited, though its keeper stays warm."""
    for attempt, word in enumerate(("first", "second!"), 1):
        run = module(place, f"def run(c): print({word!r})")
        order = place.order(attempt, run=run)
        assert place.run(order).outcome == "completed"
        assert place.log(order) == f"{word}\n"


@pytest.mark.fault(110, 115)
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 0", "declared output o.txt is missing"),
        (": > o.txt", "declared output o.txt is empty"),
        ("echo x > o.txt; ln -s /etc/passwd a.lnk", "'a.lnk' is a link"),
        ("echo x > o.txt; ln o.txt p.txt", "hard links"),
        ("echo x > o.txt; mkfifo pipe", "not a regular file"),
        ("echo x > o.txt; echo x > Approve.yaml", "a name of the daemon's own"),
        ("echo x > o.txt; exit 3", "exit code 3"),
        ("echo x > o.txt; kill -9 $$", "killed by SIGKILL (possibly out of memory)"),
        ("echo x > o.txt; kill -SEGV $$", "killed by SIGSEGV"),
    ],
)
def test_bad_ends_are_failures_with_their_reason(place: Place, script: str, message: str) -> None:
    """Exit 0 is not enough: what is left must be what was declared and safe to publish."""
    report = place.run(place.shell(script, "o.txt"))
    assert (report.outcome, report.made) == ("failed", ())
    assert message in report.message


@pytest.mark.fault(112)
def test_gigabytes_of_output_cost_a_capped_log_and_flat_memory(place: Place) -> None:
    """The log keeps the first and last half of its limit and says what is left out."""
    order = place.shell("echo begin; head -c 200000000 /dev/zero; echo end", log_limit_bytes=100_000)
    running = place.start(order)
    peak = 0

    def ended() -> bool:
        nonlocal peak
        status = Path(f"/proc/{running.keeper_pid}/status").read_text()
        peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
        return running.report() is not None

    wait_for(ended, "the end of a noisy stage", 120)
    assert place.finish(running).outcome == "completed"
    log = order.log_path.read_bytes()
    assert log.startswith(b"begin\n")
    assert log.endswith(b"end\n")
    assert b"bytes left out here" in log
    assert 100_000 <= len(log) <= 100_100
    assert peak < 60_000


@pytest.mark.fault(108, 114)
@pytest.mark.parametrize("background", ["sleep 600 &", "setsid sleep 600 &", "(setsid sleep 600 &) &"])
def test_background_children_hold_nobody_up_and_are_ended(place: Place, background: str) -> None:
    """A stage is over when its process is; whoever holds its stdout is ended, counted and not waited for."""
    report = place.run(place.shell(f"{background}\necho x > o.txt; sleep 0.1", "o.txt"))
    assert report.outcome == "completed", report
    assert report.strays_ended == 1


TRACKED = """\
import os, sys
from multiprocessing.resource_tracker import ensure_running
from daemon.processes import adopt_orphans, end_children
adopt_orphans()
for more in ([], ["sleep", "600"]):
    if not (stage := os.fork()):
        ensure_running()
        if more:
            os.posix_spawnp(more[0], more, os.environ)
        os._exit(0)
    os.waitpid(stage, 0)
    # So long only beside the one that does not end: the other is waited for and no longer.
    print(end_children(grace_seconds=1 if more else float(sys.argv[1])))
"""


def test_what_ends_with_its_stage_is_no_stray() -> None:
    """The resource tracker of multiprocessing ends a moment after the stage: let be, not counted; all else is ended."""
    command = [sys.executable, "-c", TRACKED, str(PATIENCE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=True, cwd=ROOT)
    first, second = map(int, done.stdout.split())
    assert first == 0
    assert second >= 1


@pytest.mark.fault(109)
def test_terminate_lets_a_stage_tidy_up_and_kill_does_not_ask(place: Place) -> None:
    """TERM reaches the whole group; a stage that ignores it goes with KILL; neither is a success."""
    polite = place.start(place.shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    wait_for(lambda: "up" in place.log(polite.order), "the stage")
    polite.terminate()
    report = place.finish(polite)
    assert (report.outcome, report.ordered, report.exit_code) == ("failed", "terminate", 0)
    assert "bye" in place.log(polite.order)
    deaf = place.start(place.shell("trap '' TERM; echo up; while :; do sleep 0.05; done", attempt=2))
    wait_for(lambda: "up" in place.log(deaf.order), "the deaf stage")
    deaf.terminate()
    deaf.kill()
    report = place.finish(deaf)
    assert (report.outcome, report.ordered, report.signal) == ("failed", "kill", 9)


def test_a_late_order_does_not_reach_the_next_attempt(place: Place) -> None:
    """A kill that crosses with the end of an attempt is not the next one's."""
    first = place.start(place.shell("exit 0"))
    wait_for(lambda: first.report() is not None, "the end")
    first.kill()
    first._send(b"kill")
    first._keeper.control.send(b"kill")
    place.lane.give_back()
    assert place.run(place.shell("sleep 0.2", attempt=2)).outcome == "completed"


def test_a_second_attempt_at_once_is_refused(place: Place) -> None:
    """A runner has one attempt open at a time."""
    running = place.start(place.shell("sleep 600"))
    with pytest.raises(ValueError, match="open"):
        place.runner.start(place.shell("exit 0", attempt=2))
    running.kill()
    place.finish(running)


def test_the_lane_must_be_held(place: Place) -> None:
    """Nothing is started without the lane."""
    with pytest.raises(ValueError, match="lane"):
        place.runner.start(place.shell("exit 0"))


def test_a_spare_that_was_killed_is_replaced(place: Place) -> None:
    """Killing the waiting stage process, or the idle keeper, costs nothing but time."""
    assert place.run(place.shell("exit 0")).outcome == "completed"
    keeper = place.runner._keeper
    assert keeper is not None
    spare = wait_for(lambda: children(keeper.process.pid), "the spare")[0]
    os.kill(spare, 9)
    wait_for(lambda: Path(f"/proc/{spare}/stat").read_text().split()[2] == "Z", "its end")
    assert place.run(place.shell("exit 0", attempt=2)).outcome == "completed"
    # Killed while it forks, it would leave a child for an instant that hears in its stead.
    wait_for(lambda: children(keeper.process.pid), "the next spare")
    wait_for(lambda: all(_sleeps(pid) for pid in children(keeper.process.pid)), "its rest")
    keeper.process.kill()
    keeper.process.wait()
    assert place.run(place.shell("exit 0", attempt=3)).outcome == "completed"


@pytest.mark.fault(116)
def test_the_spare_of_a_keeper_that_was_killed_is_no_zombie_for_ever(place: Place) -> None:
    """It dies with its keeper and becomes a child of the daemon, which must ask for it."""
    assert place.run(place.shell("exit 0")).outcome == "completed"
    keeper = place.runner._keeper
    assert keeper is not None
    (spare,) = wait_for(lambda: children(keeper.process.pid), "the spare")
    wait_for(lambda: _sleeps(spare), "its rest")
    keeper.process.kill()
    wait_for(lambda: spare in children(os.getpid()), "its new parent")
    assert place.run(place.shell("exit 0", attempt=2)).outcome == "completed"
    assert spare not in children(os.getpid())


def test_the_next_spare_is_ready_before_a_stage_ends_and_holds_nothing_of_it(place: Place) -> None:
    """Forked while a stage is at work, it keeps neither the lane nor the stage's output open, and outlives it."""
    running = place.start(place.witness("wait"))
    ready = place.base / "ready"
    wait_for(lambda: ready.exists() and ready.read_text(), "the stage")
    stage = int(ready.read_text())
    wait_for(lambda: set(children(running.keeper_pid)) - {stage}, "the spare")
    (spare,) = set(children(running.keeper_pid)) - {stage}
    wait_for(lambda: _sleeps(spare), "its rest")
    held = {os.readlink(f"/proc/{spare}/fd/{name}") for name in os.listdir(f"/proc/{spare}/fd")}
    assert not held & {os.readlink(f"/proc/{stage}/fd/{name}") for name in ("1", "2")}
    assert str(place.lane.path) not in held
    running.kill()
    place.finish(running)
    assert children(running.keeper_pid) == [spare]


def test_the_next_spare_is_also_made_beside_a_stage_that_never_stops_printing(place: Place) -> None:
    """What it prints keeps its keeper awake, but the time after which a stage counts as long goes on."""
    running = place.start(place.shell("exec yes", log_limit_bytes=1000))
    wait_for(lambda: len(children(running.keeper_pid)) == 2, "the stage and the spare")
    running.kill()
    place.finish(running)


IMPORTED = """
import sys, time

def run(context):
    time.sleep(context.params["seconds"])
    found = [name for name in ("colorsys", "chunk") if name in sys.modules]
    (context.out_dir / "found.txt").write_text(" ".join(["found", *found]))
"""


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_what_a_stage_wants_imported_ahead_is(tmp_path: Path, seconds: float) -> None:
    """The policy's modules for every stage, a pipeline's for the one stage that comes next; a wrong name harms none.

    Also for the stage after a short one, behind which its process is made, and not beside it.
    """
    place = Place(tmp_path)
    place.runner = Runner(place.lane, TOKEN, ["chunk"])
    (tmp_path / "look.py").write_text(IMPORTED)
    found = []
    for attempt, ahead in enumerate([("no.such.module", "colorsys"), (), ()], 1):
        order = place.order(attempt, run="./look.py:run", ahead=ahead, params={"seconds": seconds})
        assert place.run(order).outcome == "completed"
        found.append((order.out_dir / "found.txt").read_text())
    place.runner.rest()
    assert found == ["found chunk", "found colorsys chunk", "found chunk"]


def test_modules_that_end_the_interpreter_keep_no_stage_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script without a guard that somebody named for every stage, or for the next one."""
    place = Place(tmp_path)
    (tmp_path / "ends.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    place.runner = Runner(place.lane, TOKEN, ["ends"])
    for attempt in (1, 2):
        assert place.run(place.shell("exit 0", attempt=attempt, ahead=("ends",))).outcome == "completed"
    place.runner.rest()


NO_FORK = """
import errno, os

fork = os.fork

def refused():
    os.fork = fork
    raise BlockingIOError(errno.EAGAIN, "no more processes")

os.fork = refused
"""


def test_a_keeper_that_cannot_fork_at_first_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes when it was started: that ends neither the keeper nor, for want of one, the daemon."""
    place = Place(tmp_path)
    (tmp_path / "nofork.py").write_text(NO_FORK)
    monkeypatch.syspath_prepend(tmp_path)
    place.runner = Runner(place.lane, TOKEN, ["nofork"])
    keeper = []
    for attempt in (1, 2):
        running = place.start(place.shell("exit 0", attempt=attempt))
        keeper.append(running.keeper_pid)
        assert place.finish(running).outcome == "completed"
    place.runner.rest()
    assert keeper[0] == keeper[1]


def test_an_order_to_end_reaches_a_stage_that_was_forked_a_moment_ago(tmp_path: Path) -> None:
    """What its keeper ignores it must not ignore: else it would be ended by KILL alone, a whole grace later."""
    for number in range(20):
        base = tmp_path / str(number)
        base.mkdir()
        place = Place(base)
        running = place.start(place.shell("sleep 2"))
        running.terminate()
        assert place.finish(running).signal == 15
        place.runner.rest()


THREADS = """
import threading, time
from concurrent.futures import ThreadPoolExecutor

def write(path):
    time.sleep(0.2)
    path.write_text("done")

def run(context):
    threading.Thread(target=write, args=[context.out_dir / "a.txt"]).start()
    ThreadPoolExecutor().submit(write, context.out_dir / "b.txt")
    threading.Thread(target=time.sleep, args=[600], daemon=True).start()
"""


def test_what_a_functions_threads_still_write_belongs_to_the_stage(place: Place) -> None:
    """It is over when an interpreter would end: after its threads, but for daemon threads."""
    report = place.run(place.order(run=module(place, THREADS), outputs=("a.txt", "b.txt")))
    assert report.outcome == "completed", report


PRINTS = """
import ctypes

def run(context):
    print("from Python", end="")
    ctypes.CDLL(None).printf(b", from C")
"""


def test_what_libraries_in_c_print_is_in_the_log(place: Place) -> None:
    """Their streams are buffers of their own, which the end of a process that is spared its teardown would drop."""
    order = place.order(run=module(place, PRINTS))
    assert place.run(order).outcome == "completed"
    assert place.log(order) == "from Python, from C"


def test_a_function_may_leave_without_its_standard_streams(place: Place) -> None:
    """It took them away; what it made counts all the same."""
    run = module(
        place, "import sys\ndef run(c):\n    sys.stdout = None\n    (c.out_dir / 'a.txt').write_text('1')"
    )
    assert place.run(place.order(run=run, outputs=("a.txt",))).outcome == "completed"


LONG = """
from stages.contract import StageError

def run(context):
    raise StageError(chr(0x1F600) * 5000, chr(0x1F600) * 5000)
"""


def test_a_long_reason_does_not_keep_its_stage_from_ending(place: Place) -> None:
    """However many bytes its characters take, it finds room in the pipe that is read once the stage is gone."""
    report = place.run(place.order(run=module(place, LONG)))
    assert set(report.message) == set(report.hint) == {chr(0x1F600)}


FORK = """
import os, resource, socket
from daemon.child import fork_stage

control, ours = socket.socketpair()
me, held = os.getpid(), len(os.listdir("/proc/self/fd"))
try:
    stage = fork_stage(control, None, [999])
except OSError:
    print("a child went on as its keeper", flush=True)
    os._exit(0)
os.waitpid(stage.pid, 0)
stage.close()
for more in range(6):
    resource.setrlimit(resource.RLIMIT_NOFILE, (held - 1 + more, 4096))
    try:
        fork_stage(control).close()
    except OSError:
        pass
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
print(len(os.listdir("/proc/self/fd")) - held)
"""


@pytest.mark.fault(89)
def test_a_fork_that_fails_leaves_no_descriptor_and_no_second_keeper() -> None:
    """Whatever fails, before the fork or in the child: the keeper holds what it held, and is alone."""
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.fault(116)
def test_many_quick_attempts_leave_no_zombies_and_no_descriptors(place: Place) -> None:
    """Fifty attempts later keeper and daemon hold no more than they did, and nobody waits to be reaped."""
    place.run(place.shell("exit 0"))
    keeper = place.runner._keeper
    assert keeper is not None
    before = len(os.listdir("/proc/self/fd"))
    for attempt in range(2, 52):
        assert place.run(place.shell("exit 0", attempt=attempt)).outcome == "completed"
    assert len(os.listdir("/proc/self/fd")) <= before
    wait_for(lambda: len(os.listdir(f"/proc/{keeper.process.pid}/fd")) < 12, "few descriptors")
    wait_for(lambda: len(children(keeper.process.pid)) == 1, "the spare alone")


def test_rest_ends_the_spare_and_the_next_attempt_begins_anyway(place: Place) -> None:
    """After rest nothing of ours is running; warmth comes back by itself."""
    place.run(place.shell("exit 0"))
    keeper = place.runner._keeper
    assert keeper is not None
    place.runner.rest()
    assert keeper.process.returncode == 0
    assert end_strays(TOKEN) == 0
    assert place.run(place.shell("exit 0", attempt=2)).outcome == "completed"


def test_sweep_removes_attempts_but_those_kept(place: Place) -> None:
    """What attempts leave goes, folders without permissions and links included; nothing beyond is touched."""
    outside = place.base / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    place.run(place.shell(f"mkdir -p d/e; echo x > d/e/f; chmod 0 d/e d; ln -s {outside} link"))
    kept = place.order(2)
    place.run(place.shell("exit 0", attempt=2, out_dir=kept.out_dir))
    sweep(place.run_dir, keep=["01-s.2"])
    names = {entry.name for entry in (place.run_dir / ".work").iterdir()}
    assert names == {"01-s.2", "01-s.2.params.json", "01-s.2.feedback.txt"}
    assert (outside / "file").read_text() == "stays"


def test_a_run_directory_that_cannot_be_written_is_told(place: Place) -> None:
    """The place and the reason, before anything is started."""
    order = place.shell("exit 0")
    place.run_dir.rename(place.run_dir.with_name("gone"))
    place.lane.try_take()
    with pytest.raises(CannotWrite, match="prepared: No such file"):
        place.runner.start(order)


def test_a_log_that_cannot_grow_stops_nothing(place: Place) -> None:
    """Where the log cannot be written the stage goes on, and the report says so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, hard))
    try:
        report = place.run(place.shell("yes words | head -c 300000; echo x > o.txt", "o.txt"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert report.outcome == "completed"
    assert "File too large" in report.log_error


def test_a_keeper_reads_of_an_order_what_it_needs(place: Place) -> None:
    """The same that the whole order says; whether the names of the run are durable by what was published in it."""
    plain = place.order(outputs=("a.txt",), ahead=("json",), log_limit_bytes=7)
    published = place.order(artifacts=(Published("a.txt", "text", 1, "00", "outline", {}),))
    for order, first in ((plain, True), (published, False)):
        terms = Terms.of(with_environ(order, {}))
        assert terms == Terms(
            str(order.run_dir), str(order.out_dir), order.outputs, order.log_limit_bytes, order.ahead, first
        )
        assert seen_from(terms.run_dir, terms.out_dir) == ".work/01-s.1"
    # Nobody opens what lies elsewhere: an absolute path leads out of any folder.
    assert seen_from("/runs/a", "/runs/ab/.work/x") == "/runs/ab/.work/x"
