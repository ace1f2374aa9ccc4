"""A live daemon whose bell fails in every way there is: the answer is found all the same, and it is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.bells import deafen, held, ticks, wakings, watches
from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

IMPATIENT = QUICK + "watch: {rescan_seconds: 1, poll_seconds: 0.3}\n"
NEVER = QUICK + "watch: {rescan_seconds: 3600, poll_seconds: 0.3}\n"
"""No rescan within the test: what is found was heard, or polled."""


def live(studio: Studio, policy: str, **start: Any) -> Studio:
    """A live daemon with this policy and job g-1 at the gate of its draft."""
    (studio.root / "conf/operator.yaml").write_text(policy)
    studio.pipeline("gated", GATED)
    studio.start(**start)
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    return studio


def said(studio: Studio, event: str) -> list[dict[str, Any]]:
    """The lines of the daemon's log about this event."""
    lines = (json.loads(line) for line in studio.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event]


def notes(studio: Studio) -> str:
    return " ".join(line["note"] for line in said(studio, "watcher"))


# -- what is heard


@pytest.mark.parametrize("start", [[], ["--poll"]], ids=["inotify", "polled"])
def test_the_inbox_is_heard_beside_a_job_named_inbox(studio: Studio, start: list[str]) -> None:
    """While it waits, and when it is over and nobody watches it any more."""
    (studio.root / "conf/operator.yaml").write_text(NEVER)
    studio.pipeline("gated", GATED)
    studio.start(*start)
    studio.submit("inbox", "gated")
    studio.wait("inbox", "needs_approval")
    studio.submit("beside", "gated")
    studio.wait("beside", "needs_approval")
    studio.answer("inbox", "approve")
    studio.wait("inbox", "completed")
    studio.submit("after", "gated")
    studio.wait("after", "needs_approval")


def test_files_taken_away_at_a_gate_are_heard(studio: Studio) -> None:
    """Removed or moved away, also from a folder below: the review follows, without waiting for a rescan."""
    live(studio, NEVER)
    run = studio.run("g-1")

    def missing() -> list[str]:
        found: list[str] = json.loads((run / "gate.json").read_text())["missing"]
        return found

    (run / "a.txt").unlink()
    wait_for(lambda: missing() == ["a.txt"], "the review to tell that a file is missing")
    (run / "sub/b.txt").rename(studio.root / "b.txt")
    wait_for(lambda: missing() == ["a.txt", "sub/b.txt"], "the review to tell that two files are missing")
    (run / "a.txt").write_text("one")
    (studio.root / "b.txt").rename(run / "sub/b.txt")
    wait_for(lambda: missing() == [], "the review to tell that both are there")


# -- the watcher fails


@pytest.mark.fault(27)
def test_an_overflowing_queue(studio: Studio) -> None:
    """More happens than the kernel keeps, an answer, a request and an edit in the midst of it: all are found, though
    an edit in place leaves no trace in the folder's listing, and it is told."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip("fs.inotify.max_queued_events is too large to overflow in a test")
    live(studio, NEVER)
    studio.submit("g-2", "gated")
    studio.wait("g-2", "needs_approval")
    with held(studio.process):
        for number in range(limit + 4_000):
            # In turns: the kernel keeps one of two equal events in a row.
            os.close(os.open(studio.root / f"inbox/.{number % 2}", os.O_CREAT | os.O_WRONLY))
        studio.answer("g-1", "approve", by="alice")
        studio.submit("late")
        with (studio.run("g-2") / "a.txt").open("r+") as file:
            file.write("ONE")
    studio.wait("g-1", "completed")
    studio.wait("late", "needs_approval")
    studio.wait_for_review("g-2", "+ONE")
    assert "max_queued_events" in notes(studio)


@pytest.mark.fault(28)
def test_a_deaf_watcher(studio: Studio) -> None:
    """It looks alive and hears nothing: the probe finds out, it is made anew, and what came meanwhile is found."""
    live(studio, IMPATIENT)
    assert studio.process is not None
    deafen(studio.process)
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    wait_for(lambda: said(studio, "watcher_deaf"), "the daemon to say that it was deaf")
    daemon = studio.process.pid
    # It says so, and makes the watcher then.
    again = "the inbox and the probe to be watched again"
    wait_for(lambda: [len(marks) for marks in watches(daemon).values()] == [2], again)
    # Deaf again, and again: each time it is found out.
    for number in (2, 3):
        deafen(studio.process)
        wait_for(lambda n=number: len(said(studio, "watcher_deaf")) == n, "the daemon to find out")  # type: ignore[misc]


@pytest.mark.fault(28)
def test_deaf_between_two_rescans_the_inbox_is_found(studio: Studio) -> None:
    """A request that nothing told of is taken at the next rescan."""
    live(studio, IMPATIENT)
    assert studio.process is not None
    deafen(studio.process)
    studio.submit("quiet")
    studio.wait("quiet", "needs_approval")


@pytest.mark.fault(32, 33)
@pytest.mark.parametrize(
    ("limit", "allowed", "sysctl"),
    [
        ("max_inotify_watches", 1, "fs.inotify.max_user_watches"),
        ("max_inotify_instances", 0, "fs.inotify.max_user_instances"),
    ],
)
def test_out_of_watches_or_instances(studio: Studio, limit: str, allowed: int, sysctl: str) -> None:
    """What cannot be watched is polled, the log names the sysctl, and answers and requests are found."""
    path = f"/proc/sys/user/{limit}"
    own = ["unshare", "--user", "--map-root-user", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*own, f"echo 9 > {path}"], check=False).returncode:
        pytest.skip("needs unshare, and a user namespace of its own")
    live(studio, NEVER, before=[*own, f'echo {allowed} > {path}; exec "$0" "$@"'])
    assert sysctl in notes(studio)
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    studio.submit("later")
    studio.wait("later", "needs_approval")
    assert notes(studio).count(sysctl) == 1


# -- the folder goes


def test_the_inbox_is_removed_and_made_anew(studio: Studio) -> None:
    """Nothing stops; what is dropped into the new one is taken, and what is wrong there has its reason."""
    live(studio, IMPATIENT)
    shutil.rmtree(studio.root / "inbox")
    wait_for(lambda: said(studio, "cannot_look"), "the daemon to say that it cannot look")
    (studio.root / "inbox").mkdir()
    studio.submit("again")
    studio.wait("again", "needs_approval")
    studio.drop("wrong.yaml", "intent: [\n")
    wait_for((studio.root / "inbox/rejected/wrong.yaml.error.txt").exists, "the refusal")


@pytest.mark.fault(30)
def test_a_folder_made_anew_is_heard_again(studio: Studio) -> None:
    """The watch hangs in the folder that is there, not in the one that was."""
    live(studio, IMPATIENT)
    assert studio.process is not None
    inbox = studio.root / "inbox"
    for how in ("removed", "renamed"):
        if how == "removed":
            shutil.rmtree(inbox)
        else:
            inbox.rename(studio.root / "old")
        inbox.mkdir()
        number = inbox.stat().st_ino

        def hung(number: int = number) -> bool:
            assert studio.process is not None
            marks = ""
            for path in Path(f"/proc/{studio.process.pid}/fdinfo").iterdir():
                # Descriptors come and go while it works.
                with suppress(FileNotFoundError):
                    marks += path.read_text()
            return f"ino:{number:x} " in marks

        wait_for(hung, f"a watch in the inbox that was made after the old was {how}")
        studio.submit(f"after-{how}")
        studio.wait(f"after-{how}", "needs_approval")
    (studio.root / "old/stray.yaml").write_text("intent: x\nid: stray\npipeline: note\n...\n")
    studio.submit("last")
    studio.wait("last", "needs_approval")
    assert not studio.run("stray").exists(), "the folder that was renamed away is nobody's inbox"


@pytest.mark.fault(31)
def test_an_inbox_replaced_by_a_link(studio: Studio, tmp_path: Path) -> None:
    """It is not followed: nothing there is taken, refused or removed; it is told; the folder put back goes on."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "rejected").mkdir(parents=True)
    (elsewhere / "theirs.yaml").write_text("intent: x\nid: theirs\npipeline: note\n...\n")
    (elsewhere / "bad\nname.yaml").write_text("x")
    live(studio, IMPATIENT)
    inbox = studio.root / "inbox"
    inbox.rename(studio.root / "kept")
    inbox.symlink_to(elsewhere)
    wait_for(lambda: said(studio, "cannot_look"), "the daemon to say that it cannot look")
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    assert sorted(os.listdir(elsewhere)) == ["bad\nname.yaml", "rejected", "theirs.yaml"]
    assert os.listdir(elsewhere / "rejected") == [] and not studio.run("theirs").exists()
    inbox.unlink()
    (studio.root / "kept").rename(inbox)
    studio.submit("back")
    studio.wait("back", "needs_approval")


@pytest.mark.fault(31)
def test_a_daemon_does_not_start_on_an_inbox_that_is_a_link(studio: Studio, tmp_path: Path) -> None:
    """It would never take anything from there, so it says so."""
    (studio.root / "inbox").rename(tmp_path / "moved")
    (studio.root / "inbox").symlink_to(tmp_path / "moved")
    process = studio.spawn()
    assert process.wait(timeout=60) == 73
    assert "inbox is a link" in studio.log.read_text()


@pytest.fixture
def disk(studio: Studio, tmp_path: Path) -> Iterator[Path]:
    """runs/ is a disk of its own, which can be unmounted; gives its image."""
    image, runs = tmp_path / "disk.img", studio.root / "runs"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    made = (
        shutil.which("mkfs.ext4")
        and not subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, check=False).returncode
    )
    if (
        not made
        or subprocess.run(["mount", "-o", "loop", image, runs], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs root, mkfs.ext4 and a loop device")
    (runs / ".incoming").mkdir()
    yield image
    studio.close()
    while os.path.ismount(runs):
        subprocess.run(["umount", "-l", runs], check=True)


@pytest.mark.fault(35)
def test_runs_unmounted_under_the_daemon(studio: Studio, disk: Path) -> None:
    """It halts: an unmounted disk is not a workspace without runs, neither now nor at the next start."""
    runs = studio.root / "runs"
    live(studio, IMPATIENT)
    assert studio.process is not None
    subprocess.run(["umount", "-l", runs], check=True)
    assert studio.process.wait(timeout=60) == 73
    assert f"{runs} is gone or was replaced" in studio.log.read_text()
    under = sorted(os.listdir(runs))
    again = studio.spawn()
    assert again.wait(timeout=60) == 73
    assert "holds none of the 1 open jobs: mount it" in studio.log.read_text()
    assert not studio.run("g-1").exists() and sorted(os.listdir(runs)) == under
    subprocess.run(["mount", "-o", "loop", disk, runs], check=True)
    studio.start()
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")


@pytest.fixture
def far(studio: Studio, tmp_path: Path) -> Iterator[Path]:
    """inbox/ and runs/ are mounted from a server; gives the server's folders, of whose changes no bell tells."""
    server = next(
        (p for p in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server") if Path(p).exists()),
        "",
    )
    for tool in ("sshfs", "fusermount3"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if not server or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs openssh-sftp-server and /dev/fuse")
    remote, mounts = tmp_path / "server", []
    running: list[subprocess.Popen[bytes]] = []
    for name in ("inbox", "runs"):
        mount = studio.root / name
        shutil.copytree(mount, remote / name)
        ours, theirs = os.pipe(), os.pipe()
        running.append(subprocess.Popen([server], stdin=ours[0], stdout=theirs[1]))
        options = "passive,default_permissions,dir_cache=no"
        command = ["sshfs", "-f", "-o", options, f":{remote / name}", str(mount)]
        running.append(subprocess.Popen(command, stdin=theirs[0], stdout=ours[1], stderr=subprocess.DEVNULL))
        for end in (*ours, *theirs):
            os.close(end)
        sshfs = running[-1]
        wait_for(lambda m=mount, s=sshfs: os.path.ismount(m) or s.poll() is not None, "sshfs to mount")  # type: ignore[misc]
        if sshfs.poll() is not None:
            pytest.skip("sshfs cannot mount here")
        mounts.append(mount)
    yield remote
    studio.close()
    for mount in mounts:
        subprocess.run(["fusermount3", "-u", "-z", mount], check=True)
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.fault(34)
def test_inbox_and_runs_on_a_server(studio: Studio, far: Path) -> None:
    """They are polled, which is told; what other machines drop, answer and edit there is found."""
    (studio.root / "conf/operator.yaml").write_text(NEVER)
    studio.pipeline("gated", GATED)
    studio.start()
    (far / "inbox/f-1.yaml").write_text("intent: x\nid: f-1\npipeline: gated\n...\n")
    studio.wait("f-1", "needs_approval")
    assert "inbox is on FUSE" in notes(studio) and "polled" in notes(studio)
    (far / "runs/f-1/a.txt").write_text("edited far away")
    studio.wait_for_review("f-1", "edited far away")
    (far / "runs/f-1/approve.template.yaml").rename(far / "runs/f-1/approve.yaml")
    studio.wait("f-1", "completed")
    assert (far / "runs/f-1/used.txt").read_text() == "edited far awaytwo"


# -- what it costs


def test_few_watches_and_none_for_what_is_over(studio: Studio) -> None:
    """One descriptor; a watch for the inbox, one for the probe, for each waiting job its run directory and the
    folders of the gated files; nothing recursive, nothing for finished jobs."""
    live(studio, QUICK)
    assert studio.process is not None
    pid = studio.process.pid
    for number in range(2, 6):
        studio.submit(f"g-{number}", "gated")
        studio.wait(f"g-{number}", "needs_approval")
        deep = studio.run(f"g-{number}") / "mine/and/deeper"
        deep.mkdir(parents=True)
    studio.submit("over", "gated")
    studio.wait("over", "needs_approval")

    def count() -> int:
        (marks,) = watches(pid).values()
        return len(marks)

    assert count() == 2 + 6 * 2
    for number in range(1, 6):
        studio.answer(f"g-{number}", "approve", by="alice")
    studio.write("over", "cancel.yaml", "by: alice\n...\n")
    for number in range(1, 6):
        studio.wait(f"g-{number}", "completed")
    studio.wait("over", "canceled")
    wait_for(lambda: count() == 2, "the watches of finished jobs to go")


@pytest.mark.fault(36)
def test_it_does_not_wake_itself(studio: Studio, tmp_path: Path) -> None:
    """With a gate open, an answer refused, a request refused in place and a template cut short, nothing that it
    wrote or read makes it look again."""
    live(studio, NEVER)
    assert studio.process is not None
    pid = studio.process.pid
    os.mkfifo(studio.root / "inbox/fifo.yaml")
    (studio.root / "inbox/link.yaml").symlink_to(tmp_path)
    (studio.root / "inbox/empty.yaml").touch()
    studio.write("g-1", "approve.yaml", "stage: nonsense\n...\n")
    wait_for((studio.run("g-1") / "approve.yaml.error.txt").exists, "the refusal")
    (studio.run("g-1") / "a.txt").write_text("edited")
    studio.wait_for_review("g-1", "+edited")
    (studio.run("g-1") / "reject.yaml").write_text("# spork decision template\nthen: re")
    wait_for(lambda: "reject.yaml" in studio.spork("status", "g-1").stdout, "the cut template to be told")

    def quiet() -> bool:
        before = wakings(pid)
        time.sleep(1.0)
        return wakings(pid) == before

    wait_for(quiet, "a second in which it sleeps")
    before, used = wakings(pid), ticks(pid)
    time.sleep(3.0)  # nothing is awaited: this is what is measured
    # A ring of its own would come back at once, thousands of times.
    assert wakings(pid) - before <= 3
    assert ticks(pid) - used <= 2


STORM = """
import os
print(flush=True)
while True:
    for number in range(200):
        os.close(os.open(f"{number}.o", os.O_CREAT | os.O_WRONLY))
"""


@pytest.mark.fault(37)
def test_a_storm_from_a_build_in_a_run_directory(studio: Studio) -> None:
    """The answer is found, other work goes on, and the daemon listens less often than it is rung."""
    live(studio, NEVER)
    assert studio.process is not None
    with subprocess.Popen(
        [sys.executable, "-c", STORM], cwd=studio.run("g-1"), stdout=subprocess.PIPE
    ) as storm:
        try:
            assert storm.stdout is not None
            storm.stdout.readline()
            began, used, built = time.monotonic(), ticks(studio.process.pid), ticks(storm.pid)
            wait_for(lambda: ticks(storm.pid) - built >= 60, "the storm to have worked", seconds=120)
            passed = (time.monotonic() - began) * os.sysconf("SC_CLK_TCK")
            listened = ticks(studio.process.pid) - used
            studio.submit("other", "gated")
            studio.wait("other", "needs_approval")
            studio.answer("g-1", "approve", by="alice")
            studio.wait("g-1", "completed")
        finally:
            storm.kill()
    # Without a pause it would listen all the time; a busy machine can only make this less.
    assert listened < passed / 2


@pytest.mark.fault(38)
def test_an_answer_that_is_taken_back_while_it_settles(studio: Studio) -> None:
    """No event tells that it went; it does not count, and put back it does."""
    live(studio, NEVER.replace("settle_seconds: 0.3", "settle_seconds: 3600"))
    run, away = studio.run("g-1"), studio.root / "away.yaml"
    (run / "approve.yaml").write_text("by: alice\n")
    assert "waiting" in studio.spork("explain", "runs/g-1/approve.yaml").stdout
    (run / "approve.yaml").rename(away)
    studio.submit("other", "gated")
    studio.wait("other", "needs_approval")
    assert studio.state("g-1")["status"] == "needs_approval"
    away.rename(run / "approve.yaml")
    studio.wait("g-1", "completed")


@pytest.mark.fault(39, 53)
def test_names_that_are_not_text(studio: Studio) -> None:
    """In the inbox and beside a gate: refused or left with bytes shown as escapes; the database and the log hold."""
    live(studio, NEVER)
    inbox, run = os.fsencode(studio.root / "inbox"), os.fsencode(studio.run("g-1"))
    for name in (b"\xff\xfe.yaml", b"a\xffb.yaml"):
        Path(os.fsdecode(inbox + b"/" + name)).write_text("intent: x\n...\n")
    Path(os.fsdecode(run + b"/\xffapprove.yaml")).write_text("...\n")
    for shown in ("\\xff\\xfe.yaml", "a\\xffb.yaml"):
        wait_for(
            lambda s=shown: any(p.name.startswith(s) for p in (studio.root / "inbox/rejected").iterdir()),  # type: ignore[misc]
            f"the reason for {shown}",
        )
    wait_for(lambda: len(said(studio, "request_refused")) == 2, "both refusals in the log")
    assert all("\\xff" in line["message"] for line in said(studio, "request_refused"))
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    assert studio.spork("status").returncode == 0
