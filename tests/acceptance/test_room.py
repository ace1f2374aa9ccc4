"""A daemon without room: the disk is full, has no inodes, is read-only, or there are no descriptors left.

It takes nothing new, says so in status and log, consumes nothing, and goes on by itself when there is room.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.crashed import Crashed
from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

MOUNTS = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount small file systems")
GREEDY = """\
name: greedy
stages:
  - name: draft
    command: [sh, -c, 'dd if=/dev/zero of=big.bin bs=64k 2>/dev/null; {end}']
    gate: true
    outputs: [big.bin]
"""


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[Path]:
    """A small file system in memory, for as long as nobody uses it any more."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def small_studio(tmp_path: Path, options: str) -> Iterator[Studio]:
    """A workspace on a small file system; its log is elsewhere."""
    with tmpfs(tmp_path / "small", options) as place:
        studio = Studio(place / "studio", QUICK)
        studio.log = tmp_path / "daemon.log"
        studio.pipeline("gated", GATED)
        try:
            yield studio
        finally:
            studio.close()


def fill(place: Path, leave: int = 0) -> Path:
    """Use up the room of a file system but for so many bytes; gives the file to remove."""
    ballast = place / "ballast"
    room = os.statvfs(place)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(room.f_bavail * room.f_frsize - leave, 1))
    return ballast


def logged(studio: Studio, text: str) -> None:
    wait_for(lambda: text in studio.log.read_text(), f"{text!r} in the log")


@MOUNTS
@pytest.mark.fault(86, 149)
def test_nothing_is_taken_while_the_disk_is_full(tmp_path: Path) -> None:
    """Said in status and log; taken by itself when there is room."""
    with small_studio(tmp_path, "size=24m") as studio:
        studio.start()
        ballast = fill(studio.root.parent, leave=256 * 1024)
        studio.submit("g-1", "gated")
        logged(studio, '"disk_full"')
        assert "No room: " in studio.spork("status").stdout
        assert (studio.root / "inbox/g-1.yaml").exists()
        ballast.unlink()
        studio.wait("g-1", "needs_approval")
        logged(studio, '"disk_has_room"')
        assert "No room: " not in studio.spork("status").stdout


@MOUNTS
@pytest.mark.fault(86, 149)
def test_an_answer_on_a_full_disk_is_not_consumed(tmp_path: Path) -> None:
    """It lies there, or it counts; when there is room the job goes on, decided once."""
    with small_studio(tmp_path, "size=24m") as studio:
        studio.start()
        studio.submit("g-1", "gated")
        studio.wait("g-1", "needs_approval")
        run = studio.run("g-1")
        # A long comment needs more room in the database's log than that has to spare.
        template = (run / "approve.template.yaml").read_text().removesuffix("...\n")
        (run / ".part").write_text(f"{template}# {'x' * 500_000}\n...\n")
        ballast = fill(studio.root.parent)
        (run / ".part").rename(run / "approve.yaml")
        logged(studio, "cannot_look")
        assert (run / "approve.yaml").exists()
        ballast.unlink()
        studio.wait("g-1", "completed")
        assert studio.types("g-1").count("gate_approved") == 1
        wait_for(lambda: not (run / "approve.yaml").exists(), "the answer to be kept")


@MOUNTS
@pytest.mark.fault(86)
@pytest.mark.parametrize("end", ["exit 1", "exit 0"])
def test_a_stage_that_fills_the_disk(tmp_path: Path, end: str) -> None:
    """It failed, or it completed once there is room to record that; the next job is not harmed."""
    with small_studio(tmp_path, "size=24m") as studio:
        studio.pipeline("greedy", GREEDY.replace("{end}", end))
        ballast = fill(studio.root.parent, leave=12 << 20)
        studio.start()
        studio.submit("g-1", "greedy")
        if end == "exit 1":
            studio.wait("g-1", "failed")
        else:
            logged(studio, '"disk_full"')
            ballast.unlink()
            studio.wait("g-1", "needs_approval")
            (studio.run("g-1") / "big.bin").unlink()
        studio.submit("g-2", "gated")
        studio.wait("g-2", "needs_approval")


@MOUNTS
@pytest.mark.fault(58, 88, 149)
def test_no_inodes_left(tmp_path: Path) -> None:
    """As a full disk: named for what it is, and over when there are inodes again."""
    with small_studio(tmp_path, "size=64m,nr_inodes=600") as studio:
        studio.start()
        used = studio.root.parent / "used"
        used.mkdir()
        with suppress(OSError):
            for number in range(600):
                if os.statvfs(used).f_favail < 5:
                    break
                (used / str(number)).touch()
        studio.submit("g-1", "gated")
        logged(studio, "inodes free")
        assert "inodes free" in studio.spork("status").stdout
        assert (studio.root / "inbox/g-1.yaml").exists()
        for path in used.iterdir():
            path.unlink()
        studio.wait("g-1", "needs_approval")


@MOUNTS
@pytest.mark.fault(87)
def test_only_the_log_has_no_room(tmp_path: Path) -> None:
    """Work goes on; what was not logged is counted there when there is room."""
    studio = Studio(tmp_path / "studio")
    studio.pipeline("gated", GATED)
    with tmpfs(tmp_path / "logs", "size=64k") as place:
        studio.log = place / "daemon.log"
        studio.start()
        ballast = fill(place)
        # The log's last page has room left: it is used up with what nobody needs to read.
        with suppress(OSError), studio.log.open("ab", buffering=0) as file:
            while True:
                file.write(b"#")
        try:
            studio.submit("g-1", "gated")
            studio.wait("g-1", "needs_approval")
            ballast.unlink()
            studio.answer("g-1", "approve")
            studio.wait("g-1", "completed")
            logged(studio, '"log_lines_dropped"')
        finally:
            studio.close()


@pytest.mark.fault(89)
def test_no_descriptors_left(studio: Studio) -> None:
    """No job is lost: it lies there until there are some, and the log says what is missing."""
    studio.pipeline("gated", GATED)
    process = studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, hard))
    studio.submit("g-2", "gated")
    studio.answer("g-1", "approve")
    logged(studio, "Too many open files")
    assert (studio.root / "inbox/g-2.yaml").exists()
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    studio.wait("g-1", "completed")
    studio.wait("g-2", "needs_approval")


@MOUNTS
@pytest.mark.fault(90)
def test_the_disk_becomes_read_only(tmp_path: Path) -> None:
    """As ext4 does by itself after an error: the daemon ends, saying so, and nothing of the job is lost."""
    from tests.powercut import missing, mounted, new_boot, run

    if missing():
        pytest.skip(missing())
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    studio = None
    with mounted(image, tmp_path / "disk"):
        studio = Crashed(tmp_path / "disk/studio", beside=tmp_path / "studio")
        studio.log = tmp_path / "daemon.log"
        process = studio.start()
        studio.ask("job-1", "last")
        studio.wait("job-1", "needs_approval")
        run("mount", "-o", "remount,abort", str(tmp_path / "disk"))
        # The answer itself can no longer be written; the next thing that the daemon records is its own.
        process.send_signal(1)
        assert process.wait(timeout=60) == 73
        assert "Traceback" not in studio.log.read_text()
        assert "cannot record" in studio.log.read_text()
    mended = tmp_path / "mended.img"
    mended.write_bytes(image.read_bytes())
    subprocess.run(["e2fsck", "-fy", mended], check=False, capture_output=True)
    with mounted(mended, tmp_path / "disk"):
        new_boot(studio.root)
        studio.start()
        studio.wait("job-1", "needs_approval")
        studio.answer("job-1", "approve")
        studio.wait("job-1", "completed")
        studio.rest()


@pytest.mark.fault(146)
@pytest.mark.parametrize("kind", ["full", "gone", "closed"])
def test_nobody_reads_the_log(studio: Studio, kind: str) -> None:
    """A pipe that nobody empties, one without a reader, and no descriptor at all: the work is done."""
    studio.pipeline("gated", GATED)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    command = studio.command("daemon")
    if kind == "closed":
        command = ["sh", "-c", 'exec "$0" "$@" >&- 2>&-', *command]
    if kind == "gone":
        os.close(reader)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    studio.process = subprocess.Popen(command, cwd=studio.root, env=env, stdout=writer, stderr=writer)
    studio.log.touch()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.answer("g-1", "approve")
    studio.wait("g-1", "completed")
    assert studio.stop() == 0
    os.close(writer)
    if kind != "gone":
        os.close(reader)
