"""The unit under a real systemd: started, killed, stuck, reloaded, stopped, with stages in its sandbox."""

from __future__ import annotations

import json
import signal
from importlib.util import find_spec

import pytest

from tests.long.service.machine import Machine
from tests.long.service.service import POLICY, SPORK, UNIT, Service
from tests.support import wait_for

HIDDEN = "98765"
"""Seconds that nothing else sleeps: the mark of a process that hides."""
WORK = """\
name: work
stages:
  - name: long
    command:
      - sh
      - -euc
      - |
        echo "$SPORK_ATTEMPT" >> PLACE/starts
        exec 9>> PLACE/one-at-a-time
        flock -n 9 || {{ echo "$SPORK_ATTEMPT" >> PLACE/overlaps; exit 1; }}
        setsid -f env -i sh -c 'exec 9>&-; exec sleep HIDDEN' < /dev/null > /dev/null 2>&1
        until [ -e PLACE/go ]; do sleep 0.1; done
        echo made > made.txt
    outputs: [made.txt]
    retries: 1
"""
"""A stage that works until a file is there, and has left a process behind that hides from its keeper."""

LIBRARIES = [name for name in ("numpy", "onnxruntime", "skia", "av", "pypdfium2") if find_spec(name)]


def begin_work(service: Service) -> int:
    """Start the service and its job, and wait until its stage works; gives the daemon's pid."""
    service.pipeline("work", WORK.replace("PLACE", service.place).replace("HIDDEN", HIDDEN))
    service.bring_up()
    service.submit("w-1", "work")
    wait_for(lambda: service.runs(HIDDEN), "the stage to have left a process behind")
    return service.main_pid


def end_work(service: Service, attempts: list[str]) -> None:
    """Let the stage end: these attempts were made, one at a time, and one of them completed, once."""
    wait_for(lambda: starts(service) == attempts, f"the attempts {attempts}")
    (service.root / "go").touch()
    state = service.wait("w-1", "completed")
    assert starts(service) == attempts
    assert not (service.root / "overlaps").exists(), "two attempts at a time"
    types = service.types("w-1")
    assert types.count("stage_completed") == types.count("job_completed") == types.count("job_queued") == 1
    assert types.count("stage_started") == len(attempts)
    assert "stage_failed" not in types, "a stop or a crash is not a failure"
    assert state["stages"][0]["retries_left"] == 1
    assert (service.run("w-1") / "made.txt").read_text() == "made\n"


def starts(service: Service) -> list[str]:
    noted = service.root / "starts"
    return noted.read_text().split() if noted.exists() else []


@pytest.mark.fault(139, 141, 144)
def test_started_it_is_ready_and_confined(service: Service) -> None:
    """`systemctl start` returns after the first scan; the daemon is its user's, without any privilege."""
    assert service.installed == "/etc/systemd/system/spork.service"
    verified = service.machine.run("systemd-analyze", "--man=no", "verify", service.installed)
    assert verified.stderr == ""
    service.submit("early")
    assert (service.root / "inbox/early.yaml").exists()
    service.bring_up()
    assert not (service.root / "inbox/early.yaml").exists(), "ready before the first scan"
    assert (service.shows("ActiveState"), service.shows("SubState")) == ("active", "running")
    facts = service.facts()
    user, group = (service.machine.run("id", flag, "spork").stdout.strip() for flag in ("-u", "-g"))
    assert facts["Uid"].split() == [user] * 4 and group not in facts["Gid"].split()
    assert (facts["CapEff"], facts["CapBnd"], facts["NoNewPrivs"], facts["Seccomp"]) == (
        "0" * 16,
        "0" * 16,
        "1",
        "2",
    )
    assert service.shows("RuntimeDirectory") == service.shows("StateDirectory") == ""


@pytest.mark.fault(145)
def test_stages_work_in_its_sandbox(service: Service) -> None:
    """Shell, Python function, compiled libraries and temporary files; a person of the group answers between."""
    assert LIBRARIES, "none of the libraries is installed that the video stages load"
    service.pipeline("all", ALL, mine=FUNCTION, compiled=COMPILED, load=LOAD)
    service.bring_up()
    service.submit("a-1", "all")
    service.wait("a-1", "needs_approval")
    service.as_alice("approve", "a-1", "--wait")
    state = service.wait("a-1", "completed")
    run = service.run("a-1")
    assert state["decided"][0]["by"] == "alice"
    assert (run / "shell.txt").read_text() == "kept for a moment\n"
    assert (run / "function.txt").read_text() == "function 1 of a-1\n"
    assert (run / "loaded.txt").read_text().split() == LIBRARIES
    assert service.machine.run("sh", "-c", "ls /tmp/left-by-a-stage", check=False).returncode != 0, (
        "/tmp is shared"
    )
    assert (run / "shell.txt").stat().st_mode & 0o777 == 0o660
    shown = service.machine.run("stat", "-c", "%U:%G", f"{service.place}/runs/a-1/shell.txt").stdout.strip()
    assert shown == "spork:studio"


ALL = """\
name: all
stages:
  - name: shell
    command: [sh, -euc, 'echo kept for a moment > "$(mktemp)"; touch /tmp/left-by-a-stage; cat /tmp/tmp.* > shell.txt']
    gate: true
    outputs: [shell.txt]
  - {name: function, run: "./mine.py:run", outputs: [function.txt]}
  - {name: libraries, run: "./load.py:run", outputs: [loaded.txt]}
  - {name: compiled, run: "./compiled.py:run", outputs: [compiled.txt]}
"""
FUNCTION = """\
import tempfile

def run(context):
    with tempfile.NamedTemporaryFile("w+") as kept:
        kept.write(f"function {context.attempt} of {context.job_id}\\n")
        kept.seek(0)
        (context.out_dir / "function.txt").write_text(kept.read())
"""
COMPILED = """\
import mmap

def run(context):
    # What a program that compiles as it runs asks for.
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    (context.out_dir / "compiled.txt").write_text("run")
"""
LOAD = f"""\
import importlib

def run(context):
    names = {LIBRARIES!r}
    for name in names:
        importlib.import_module(name)
    if "numpy" in names:
        import numpy
        assert numpy.linalg.norm(numpy.ones((64, 64)) @ numpy.ones((64, 64))) > 0
    if "skia" in names:
        import skia
        surface = skia.Surface(320, 200)
        surface.getCanvas().clear(skia.ColorRED)
        assert surface.makeImageSnapshot().encodeToData().size() > 0
    (context.out_dir / "loaded.txt").write_text("\\n".join(names))
"""


@pytest.mark.fault(145)
def test_what_its_sandbox_keeps_from_stages(service: Service) -> None:
    """What the service's user could do elsewhere, a stage of the unit cannot; the refusals stay in the stage."""
    service.machine.run("install", "-d", "-m", "1777", "/srv/elsewhere")
    service.machine.run("sh", "-c", "echo theirs > /tmp/theirs")
    service.pipeline("bold", BOLD)
    service.submit("b-1", "bold")
    service.machine.run(SPORK, "--workspace", service.place, "daemon", "--drain", user="spork")
    everything = "workspace elsewhere home neighbours processes namespace personality network"
    assert (service.run("b-1") / "did.txt").read_text().split() == everything.split()
    service.bring_up()
    service.submit("b-2", "bold")
    service.wait("b-2", "completed")
    assert (service.run("b-2") / "did.txt").read_text().split() == ["workspace"]


BOLD = """\
name: bold
stages:
  - name: tries
    command:
      - sh
      - -uc
      - |
        tried() {{ name=$1; shift; "$@" > /dev/null && echo "$name" >> did.txt; }}
        tried workspace sh -c 'touch here && rm here'
        tried elsewhere touch /srv/elsewhere/here
        tried home touch ~spork/here
        tried neighbours test -r /tmp/theirs
        tried processes test -r /proc/1/stat
        tried namespace unshare --user true
        tried personality setarch --addr-no-randomize true
        tried network python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'
        true
    outputs: [did.txt]
"""


@pytest.mark.fault(145)
@pytest.mark.skipif(find_spec("skia") is None, reason="the libraries of the extra [video] are not installed")
def test_a_video_is_made_in_its_sandbox(service: Service) -> None:
    """The nine video stages, with all that they load, through every gate."""
    request = service.root / "examples/inotify.yaml"
    request.write_text(request.read_text().replace("minutes: 1.5", "minutes: 0.5"))
    service.bring_up()
    service.as_alice("run", f"{service.place}/examples/inotify.yaml", "--approve-all")
    (video,) = service.root.glob("runs/*/video.mp4")
    results = json.loads((video.parent / "acceptance_results.json").read_text())
    assert video.stat().st_size > 100_000 and results


@pytest.mark.fault(142)
@pytest.mark.parametrize("killed", ["daemon", "daemon and keeper"])
def test_killed_it_is_started_anew_and_goes_on(killed: str, service: Service) -> None:
    """kill -9: what was left is ended with its control group, also what no keeper can find, and the job goes on."""
    pid = begin_work(service)
    orphans, pids = service.runs(HIDDEN), [str(pid)]
    if killed == "daemon and keeper":
        pids += [line.split()[0] for line in service.runs("daemon.keeper")]
        assert len(pids) > 1
    service.machine.run("kill", "-KILL", *pids)
    service.wait_for_restart(pid)
    assert service.shows("NRestarts") == "1"
    wait_for(lambda: starts(service) == ["1", "2"], "the second attempt")
    assert orphans and not set(orphans) & set(service.runs(HIDDEN)), "an orphan of the killed daemon lives"
    end_work(service, ["1", "2"])


@pytest.mark.fault(141, 143)
def test_reload_takes_a_good_policy_and_refuses_a_bad_one(service: Service) -> None:
    """`systemctl reload`: what opens later goes by the new policy; a bad one changes nothing and is told."""
    service.bring_up()
    pid = service.main_pid
    service.submit("before")
    service.wait("before", "needs_approval")
    service.policy(POLICY + "gates: {draft: {required: false}}\n")
    service.systemctl("reload", UNIT)
    wait_for(lambda: "policy_reloaded" in (service.root / "jobs/state.jsonl").read_text(), "the reload")
    service.submit("after")
    service.wait("after", "completed")
    assert service.state("before")["status"] == "needs_approval", "an open gate keeps its terms"
    service.policy("gates:\n  draft: {requird: true}\n")
    service.systemctl("reload", UNIT)
    (refusal,) = wait_for(lambda: service.said("policy_refused"), "the refusal in the journal")
    service.submit("still")
    service.wait("still", "completed")
    wait_for(lambda: service.shows("ActiveState") == "active", "the reload to be over")
    assert service.main_pid == pid
    assert "operator.yaml:2" in refusal["why"] and "required" in refusal["why"]


@pytest.mark.fault(142, 144)
def test_stopped_at_a_running_stage_it_goes_on_at_the_next_start(service: Service) -> None:
    """`systemctl stop`: the stage has its grace, is interrupted with no retry used up, and is made again later."""
    begin_work(service)
    service.systemctl("stop", UNIT)
    assert (service.shows("ActiveState"), service.shows("Result")) == ("inactive", "success")
    assert not service.runs(HIDDEN) and not service.runs("daemon.keeper")
    state = service.state("w-1")
    assert (state["status"], state["reason"]) == ("queued", "interrupted")
    assert state["stages"][0]["retries_left"] == 1
    assert (service.root / "jobs/spork.db").exists()
    service.bring_up()
    end_work(service, ["1", "2"])


@pytest.mark.fault(140)
def test_a_stuck_daemon_is_ended_by_the_watchdog_and_started_anew(service: Service) -> None:
    """A daemon that is stopped says nothing, and systemd ends it; the job goes on, nothing twice."""
    service.drop_in("WatchdogSec=3\nRestartSec=0")
    pid = begin_work(service)
    service.signal(signal.SIGSTOP)
    service.wait_for_restart(pid)
    assert "Watchdog timeout" in service.journal()
    end_work(service, ["1", "2"])


@pytest.mark.fault(140)
def test_a_long_wait_is_not_taken_for_being_stuck(service: Service) -> None:
    """Nothing to do for several times the watchdog's patience: the daemon says that it lives, and is let live."""
    service.drop_in("WatchdogSec=1\nRestartSec=0")
    service.bring_up()
    pid = service.main_pid
    began = float(service.shows("ActiveEnterTimestampMonotonic"))

    def five_patiences() -> bool:
        return float(service.shows("WatchdogTimestampMonotonic") or 0) > began + 5e6

    wait_for(five_patiences, "signs of life for five times the patience")
    assert service.main_pid == pid and service.shows("NRestarts") == "0"


@pytest.mark.fault(143)
def test_a_bad_policy_at_start_is_not_tried_again(service: Service) -> None:
    """Exit code 78 with the line in the journal, and no restart; mended, it starts."""
    service.drop_in("RestartSec=0")
    service.policy("gates:\n  script: {requird: true}\n")
    failed = service.machine.run("systemctl", "start", UNIT, check=False)
    assert failed.returncode != 0
    assert (service.shows("ActiveState"), service.shows("ExecMainStatus")) == ("failed", "78")
    assert service.shows("NRestarts") == "0"
    assert "operator.yaml:2" in service.journal()
    checked = service.as_alice("check", f"{service.place}/conf/operator.yaml", check=False)
    assert (checked.returncode, "operator.yaml:2:" in checked.stdout) == (65, True)
    service.policy(POLICY)
    service.bring_up()
    assert service.shows("ActiveState") == "active"


@pytest.mark.fault(141)
def test_the_service_of_one_user(machine: Machine) -> None:
    """`spork systemd --install --user` under bob's own manager, without a login."""
    machine.run("loginctl", "enable-linger", "bob")
    uid = machine.run("id", "-u", "bob").stdout.strip()

    def bob(*argv: str) -> str:
        return machine.run(
            *argv, user="bob", XDG_RUNTIME_DIR=f"/run/user/{uid}", HOME="/home/bob"
        ).stdout.strip()

    wait_for((machine.root / f"run/user/{uid}/bus").exists, "bob's manager")
    bob(SPORK, "init", "/home/bob/studio")
    unit = bob(SPORK, "--workspace", "/home/bob/studio", "systemd", "--install", "--user")
    assert unit == "/home/bob/.config/systemd/user/spork.service"
    assert (
        machine.run(
            "systemd-analyze",
            "--man=no",
            "--user",
            "verify",
            unit,
            user="bob",
            XDG_RUNTIME_DIR=f"/run/user/{uid}",
            HOME="/home/bob",
        ).stderr
        == ""
    )
    bob("systemctl", "--user", "daemon-reload")
    bob("systemctl", "--user", "enable", "--now", UNIT)
    bob(SPORK, "--workspace", "/home/bob/studio", "submit", "/home/bob/studio/examples/note.yaml")
    wait_for(lambda: "needs_approval" in bob(SPORK, "--workspace", "/home/bob/studio", "status"), "the gate")
    bob("systemctl", "--user", "reload", UNIT)
    bob("systemctl", "--user", "stop", UNIT)
    assert bob("systemctl", "--user", "show", "--property=Result", "--value", UNIT) == "success"
