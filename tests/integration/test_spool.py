"""The settling rule on real files; only the clock is ours."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon import spool
from daemon.endmark import TEMPLATE_HEADER, ends_with_mark
from daemon.identity import Identity
from daemon.lease import Writers, install_lease_signal_handler, writer_pids, writers
from daemon.sightings import Sightings
from daemon.spool import DropBox, Gone, Refused, Verdict, Waiting, Whole
from tests.support import wait_for

NOBODY = 65534
TEMPLATE = (
    TEMPLATE_HEADER
    + b": rename to approve.yaml to answer\nstage: script\nattempt: 1\nby: alice\nnotes: a ... b\n...\n"
)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _survive_leases() -> None:
    install_lease_signal_handler()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(clock: Clock) -> DropBox:
    return DropBox(settle_seconds=2.0, clock=clock)


@pytest.fixture
def decisions(clock: Clock) -> DropBox:
    return DropBox(settle_seconds=2.0, empty_seconds=10.0, clock=clock)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write to, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="spool-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def as_nobody(action: Callable[[], str]) -> str:
    """What the action says when another user does it."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to act as another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writer, action().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


def reason(verdict: Verdict) -> str:
    assert isinstance(verdict, Waiting | Refused)
    return verdict.reason


def test_end_mark_is_taken_at_once(tmp_path: Path, inbox: DropBox) -> None:
    """A file that ends with the end mark is whole at the first look, with its bytes and owner."""
    (tmp_path / "a.yaml").write_bytes(b"intent: x\n...\n")
    found = inbox.look(tmp_path, "a.yaml")
    assert isinstance(found, Whole)
    assert found.data == b"intent: x\n...\n"
    assert found.uid == os.getuid()
    assert found.identity == Identity.of((tmp_path / "a.yaml").stat())


@pytest.mark.parametrize(
    "text", [b"a: 1\n...", b"a: 1\n...\n", b"a: 1\r\n...\r\n", b"a: 1\n... \n\n", b"...\n"]
)
def test_end_marks(text: bytes) -> None:
    """The last line that is not blank is the end mark, with any line ending or none."""
    assert ends_with_mark(text)


@pytest.mark.parametrize(
    "text", [b"", b"a: 1\n", b"a: wait...", b"a: wait\n ...", b"...\na: 1\n", b"a\n....\n", b"a\n.."]
)
def test_no_end_marks(text: bytes) -> None:
    """Dots elsewhere are no end mark."""
    assert not ends_with_mark(text)


def test_unmarked_rests_for_the_settle_time(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """Without the mark a file is whole once unchanged for the settle time since we first saw it so."""
    path = tmp_path / "a.yaml"
    path.write_text("intent: x\n")
    first = inbox.look(tmp_path, "a.yaml")
    assert isinstance(first, Waiting)
    assert first.retry_in == pytest.approx(2.0)
    clock.now += 1.9
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)
    path.write_text("intent: xy\n")
    clock.now += 0.2
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)
    clock.now += 1.9
    again = inbox.look(tmp_path, "a.yaml")
    assert isinstance(again, Waiting)
    assert again.since == first.since
    clock.now += 0.2
    found = inbox.look(tmp_path, "a.yaml")
    assert isinstance(found, Whole)
    assert found.data == b"intent: xy\n"


@pytest.mark.fault(22)
@pytest.mark.parametrize("mtime", [0, 1, 8_583_840_000])
def test_time_stamps_of_strangers_have_no_effect(
    tmp_path: Path, inbox: DropBox, clock: Clock, mtime: int
) -> None:
    """A file from 1970 or 2242 settles like any other."""
    path = tmp_path / "a.yaml"
    path.write_text("intent: x\n")
    os.utime(path, (mtime, mtime))
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)
    clock.now += 2.1
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


@pytest.mark.fault(1)
def test_empty(tmp_path: Path, inbox: DropBox, decisions: DropBox, clock: Clock) -> None:
    """An empty decision counts after ten quiet seconds, an empty request never."""
    (tmp_path / "approve.yaml").touch()
    assert isinstance(decisions.look(tmp_path, "approve.yaml", arrived_whole=True), Waiting)
    assert reason(inbox.look(tmp_path, "approve.yaml")) == "empty"
    clock.now += 9.9
    assert isinstance(decisions.look(tmp_path, "approve.yaml"), Waiting)
    clock.now += 0.2
    found = decisions.look(tmp_path, "approve.yaml")
    assert isinstance(found, Whole)
    assert found.data == b""
    clock.now += 1e6
    assert isinstance(inbox.look(tmp_path, "approve.yaml"), Waiting)


@pytest.mark.fault(4)
def test_truncated_then_written(tmp_path: Path, decisions: DropBox, clock: Clock) -> None:
    """An empty state that is filled within the ten seconds never counted."""
    path = tmp_path / "approve.yaml"
    path.touch()
    decisions.look(tmp_path, "approve.yaml")
    clock.now += 9.0
    path.write_text("by: alice\n")
    clock.now += 1.5
    assert isinstance(decisions.look(tmp_path, "approve.yaml"), Waiting)
    clock.now += 2.1
    found = decisions.look(tmp_path, "approve.yaml")
    assert isinstance(found, Whole)
    assert found.data == b"by: alice\n"


@pytest.mark.fault(6, 7)
def test_a_template_cut_anywhere_never_counts(tmp_path: Path, decisions: DropBox, clock: Clock) -> None:
    """Of all beginnings of a template only the whole one, mark included, is taken, rest it ever so long."""
    path = tmp_path / "approve.yaml"
    taken = []
    for length in range(1, len(TEMPLATE) + 1):
        path.write_bytes(TEMPLATE[:length])
        decisions.look(tmp_path, "approve.yaml", arrived_whole=True)
        clock.now += 1e6
        if isinstance(decisions.look(tmp_path, "approve.yaml"), Whole):
            taken.append(length)
    assert taken == [len(TEMPLATE) - 1, len(TEMPLATE)]  # the mark, and its line ending


@pytest.mark.fault(5)
def test_nul_bytes(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """A file of NULs (space reserved, not yet written) waits; left so by its writer it is refused."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"intent: x\n" + bytes(100) + b"\n...\n")
    assert "byte 10" in reason(inbox.look(tmp_path, "a.yaml"))
    assert isinstance(inbox.look(tmp_path, "a.yaml", arrived_whole=True), Waiting)
    clock.now += 2.1
    found = inbox.look(tmp_path, "a.yaml")
    assert isinstance(found, Refused)
    assert found.data == path.read_bytes()


def test_utf16_is_left_to_the_parser(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """UTF-16 is text; who saved it so gets the hint that only the parser can give."""
    (tmp_path / "a.yaml").write_text("intent: x\n", encoding="utf-16")
    inbox.look(tmp_path, "a.yaml")
    clock.now += 2.1
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


@pytest.mark.fault(20)
def test_an_open_writer_is_waited_for(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """However long a writer holds the file, and though it ends with the mark: it waits, and says for whom."""
    path = tmp_path / "a.yaml"
    with path.open("w") as file:
        file.write("intent: x\n...\n")
        file.flush()
        first = inbox.look(tmp_path, "a.yaml", arrived_whole=True)
        assert isinstance(first, Waiting)
        assert first.reason == "still open for writing"
        assert first.retry_in is not None
        assert first.retry_in < 0.1
        clock.now += 3600
        later = inbox.look(tmp_path, "a.yaml")
        assert isinstance(later, Waiting)
        assert later.reason == f"still open for writing by pid {os.getpid()}"
        assert later.retry_in == 2.0
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


def test_rest_is_counted_from_the_writers_end(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """A slow writer that is gone without the mark may have been cut short: the settle time begins then."""
    path = tmp_path / "a.yaml"
    with path.open("w") as file:
        file.write("intent: x\n")
        file.flush()
        inbox.look(tmp_path, "a.yaml", arrived_whole=True)
        clock.now += 60
        inbox.look(tmp_path, "a.yaml")
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)
    clock.now += 2.1
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


@pytest.mark.fault(21)
def test_a_writer_by_shared_memory_is_waited_for(tmp_path: Path, inbox: DropBox) -> None:
    """A writable mapping counts as a writer, its descriptor closed or not."""
    path = tmp_path / "a.yaml"
    path.write_text("intent: x\n...\n")
    with path.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    assert "open for writing" in reason(inbox.look(tmp_path, "a.yaml"))
    mapping.close()
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


def test_arrived_whole(tmp_path: Path, inbox: DropBox) -> None:
    """What was seen to arrive by rename is taken at once, without the mark."""
    (tmp_path / "a.yaml").write_text("intent: x\n")
    assert isinstance(inbox.look(tmp_path, "a.yaml", arrived_whole=True), Whole)


def test_whole_is_remembered_until_it_is_written_to(tmp_path: Path, inbox: DropBox) -> None:
    """That a file arrived whole is asked once and stays true through chmod, not through a change."""
    path = tmp_path / "a.yaml"
    path.write_text("intent: x\n")
    os.link(path, tmp_path / "other")
    assert isinstance(inbox.look(tmp_path, "a.yaml", arrived_whole=lambda: True), Waiting)
    (tmp_path / "other").unlink()
    path.chmod(0o600)
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)
    path.write_text("intent: something else\n")
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)


def test_renamed_while_it_is_written_is_not_whole(tmp_path: Path, inbox: DropBox) -> None:
    """A file that is moved in by one program while another still writes it did not arrive whole."""
    with (tmp_path / "part").open("w") as file:
        file.write("intent: x\n")
        file.flush()
        os.rename(tmp_path / "part", tmp_path / "a.yaml")
        assert isinstance(inbox.look(tmp_path, "a.yaml", arrived_whole=True), Waiting)
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)


@pytest.mark.fault(16, 44)
def test_hard_links(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """A file with a second name waits for one name, or for the settle time, mark or no mark."""
    (tmp_path / "made").write_text("intent: x\n...\n")
    os.link(tmp_path / "made", tmp_path / "a.yaml")
    os.link(tmp_path / "made", tmp_path / "b.yaml")
    assert "3 hard links" in reason(inbox.look(tmp_path, "a.yaml"))
    inbox.look(tmp_path, "b.yaml")
    clock.now += 2.1
    assert isinstance(inbox.look(tmp_path, "b.yaml"), Whole)
    (tmp_path / "made").unlink()
    (tmp_path / "b.yaml").unlink()
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Whole)


@pytest.mark.fault(40, 41, 42, 43)
def test_things_that_are_not_files(tmp_path: Path, inbox: DropBox) -> None:
    """Folders, links of every kind, FIFOs and sockets are refused at once, by what they are, and left."""
    (tmp_path / "secret").write_text("intent: secret\n...\n")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to(tmp_path / "secret")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tmp_path / "fifo.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.yaml"))
    kinds = {
        "folder.yaml": "a folder",
        "link.yaml": "a symbolic link",
        "dangling.yaml": "a symbolic link",
        "loop.yaml": "a symbolic link",
        "fifo.yaml": "a FIFO",
        "socket.yaml": "a socket",
    }
    for name, kind in kinds.items():
        found = inbox.look(tmp_path, name)
        assert isinstance(found, Refused)
        assert kind in found.reason
        assert found.data is None
        assert os.path.lexists(tmp_path / name)


@pytest.mark.fault(41)
def test_a_device(tmp_path: Path, inbox: DropBox) -> None:
    """A device is refused."""
    try:
        os.mknod(tmp_path / "null.yaml", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("needs root, to make a device")
    assert "a device" in reason(inbox.look(tmp_path, "null.yaml"))


@pytest.mark.fault(57)
def test_a_giant_is_refused_unread(tmp_path: Path, inbox: DropBox) -> None:
    """Ten sparse gigabytes are refused by their size, at once."""
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(10 << 30)
    assert "at most 1,048,576" in reason(inbox.look(tmp_path, "a.yaml"))


def test_the_limit_itself_is_accepted(tmp_path: Path) -> None:
    """Exactly the limit is not too large."""
    (tmp_path / "a.yaml").write_bytes(b"a\n...\n")
    assert isinstance(DropBox(2.0, limit_bytes=6).look(tmp_path, "a.yaml"), Whole)
    assert isinstance(DropBox(2.0, limit_bytes=5).look(tmp_path, "a.yaml"), Refused)


@pytest.mark.fault(25)
def test_gone(tmp_path: Path, inbox: DropBox) -> None:
    """A name that is not there, or whose folder is missing or a link, is gone: no error, nothing read."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "approve.yaml").write_text("...\n")
    (tmp_path / "link").symlink_to("run")
    assert inbox.look(tmp_path, "a.yaml") == Gone("a.yaml")
    assert inbox.look(tmp_path / "missing", "approve.yaml") == Gone("approve.yaml")
    assert inbox.look(tmp_path / "link", "approve.yaml") == Gone("approve.yaml")


def test_dir_fd_looks_the_same(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """A descriptor of the folder saves work and changes nothing, a new one in each scan included."""
    (tmp_path / "a.yaml").write_text("intent: x\n")
    for expected in (Waiting, Whole):
        folder = os.open(tmp_path, os.O_RDONLY)
        assert isinstance(inbox.look(tmp_path, "a.yaml", dir_fd=folder), expected)
        os.close(folder)
        clock.now += 2.1


@pytest.mark.two_users
@pytest.mark.fault(54)
def test_unreadable(open_folder: Path) -> None:
    """A file we may not read waits, and the reason names owner and mode."""
    (open_folder / "a.yaml").write_text("...\n")
    (open_folder / "a.yaml").chmod(0o600)
    said = as_nobody(lambda: repr(DropBox(2.0).look(open_folder, "a.yaml")))
    assert "Waiting" in said
    assert "cannot read: permission denied, owner root, mode 0600" in said


@pytest.mark.two_users
def test_another_owners_file_must_rest(open_folder: Path, clock: Clock) -> None:
    """Where the kernel does not say who writes, a file has to rest, renamed or not; the mark is enough."""
    (open_folder / "a.yaml").write_text("intent: x\n")
    (open_folder / "marked.yaml").write_text("intent: x\n...\n")
    for name in os.listdir(open_folder):
        (open_folder / name).chmod(0o644)

    def looks() -> str:
        box = DropBox(2.0, clock=clock)
        found = [box.look(open_folder, "marked.yaml"), box.look(open_folder, "a.yaml", arrived_whole=True)]
        clock.now += 2.1
        found.append(box.look(open_folder, "a.yaml"))
        return " ".join(type(verdict).__name__ for verdict in found)

    assert as_nobody(looks) == "Whole Waiting Whole"


@pytest.mark.fault(45)
def test_swapped_names_never_lead_out(tmp_path: Path) -> None:
    """While a name flips between a file and a link to a secret, no look ever gives the secret."""
    inbox, box = tmp_path / "inbox", DropBox(0.0)
    inbox.mkdir()
    (tmp_path / "secret").write_text("secret\n...\n")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    script = """
import os, sys
for turn in range(100_000):
    with open("file", "w") as file: file.write("fine\\n...\\n")
    os.rename("file", "inbox/a.yaml")
    os.symlink("../secret", "other")
    os.rename("other", "inbox/a.yaml")
"""
    child = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    try:
        found: dict[str, int] = {}
        wait_for(lambda: os.path.lexists(inbox / "a.yaml"), "the first swap")
        for _ in range(20_000):
            verdict = box.look(inbox, "a.yaml")
            found[type(verdict).__name__] = found.get(type(verdict).__name__, 0) + 1
            assert not isinstance(verdict, Whole) or verdict.data == b"fine\n...\n"
    finally:
        child.kill()
        child.wait()
    assert {"Whole", "Refused"} <= found.keys()


def test_claim_unlink(tmp_path: Path, inbox: DropBox) -> None:
    """Only the very file that was read is removed: not its successor, and not what was added to it since."""
    path = tmp_path / "a.yaml"

    def read() -> Identity:
        path.write_text("intent: x\n...\n")
        found = inbox.look(tmp_path, "a.yaml")
        assert isinstance(found, Whole)
        return found.identity

    identity = read()
    path.unlink()
    path.write_text("intent: another\n...\n")  # the kernel likes to give it the same inode
    assert not inbox.claim_unlink(tmp_path, "a.yaml", identity)
    identity = read()
    with path.open("a") as file:
        file.write("more\n")
    assert not inbox.claim_unlink(tmp_path, "a.yaml", identity)
    identity = read()
    path.chmod(0o600)
    assert inbox.claim_unlink(tmp_path, "a.yaml", identity)
    assert not path.exists()
    assert not inbox.claim_unlink(tmp_path, "a.yaml", identity)


def test_memory_follows_the_folder(tmp_path: Path, inbox: DropBox, clock: Clock) -> None:
    """What is gone is forgotten, so that its name begins anew."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("intent: x\n")
        inbox.look(tmp_path, name)
    clock.now += 2.1
    inbox.keep_only(tmp_path, ["b.yaml"])
    assert isinstance(inbox.look(tmp_path, "a.yaml"), Waiting)
    assert isinstance(inbox.look(tmp_path, "b.yaml"), Whole)
    inbox.forget(tmp_path)
    assert isinstance(inbox.look(tmp_path, "b.yaml"), Waiting)
    (tmp_path / "b.yaml").unlink()
    assert isinstance(inbox.look(tmp_path, "b.yaml"), Gone)


def test_a_full_memory_lets_the_known_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more names than can be remembered, those known keep their time and make room when they go."""
    monkeypatch.setattr("daemon.sightings.REMEMBERED", 2)
    sightings, identity = Sightings(), Identity(1, 1, 1, 1, 1)
    for now in (0.0, 1.0):
        for name in ("a", "b", "c"):
            sightings.recall("inbox", name, identity, now)
    assert [sightings.recall("inbox", name, identity, 2.0).since for name in ("a", "b", "c")] == [
        0.0,
        0.0,
        2.0,
    ]
    sightings.drop("inbox", "a")
    sightings.recall("inbox", "c", identity, 3.0)
    assert sightings.recall("inbox", "c", identity, 4.0).since == 3.0


def test_writers_and_their_pids(tmp_path: Path) -> None:
    """The kernel tells whether somebody writes, /proc who; a reader is no writer."""
    path = tmp_path / "a"
    path.write_text("x")
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        assert writers(file.fileno()) is Writers.NONE
        assert writer_pids(status.st_dev, status.st_ino) == ()
        child = subprocess.Popen(
            ["sh", "-c", "exec 3>>a; echo; exec sleep 60"], cwd=tmp_path, stdout=subprocess.PIPE
        )
        try:
            assert child.stdout is not None
            child.stdout.read(1)
            assert writers(file.fileno()) is Writers.SOME
            assert writer_pids(status.st_dev, status.st_ino) == (child.pid,)
        finally:
            child.kill()
            child.communicate()
        assert writers(file.fileno()) is Writers.NONE


LEASE_BROKEN = """
import fcntl, os, subprocess, sys, time
from daemon.lease import install_lease_signal_handler
if sys.argv[1] == "install":
    install_lease_signal_handler()
fd = os.open("a", os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
child = subprocess.Popen(["sh", "-c", ": >> a"])
while fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK:
    time.sleep(0.01)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
sys.exit(child.wait())
"""


@pytest.mark.fault(151)
@pytest.mark.parametrize(("install", "expected"), [("install", 0), ("bare", -signal.SIGIO)])
def test_a_writer_that_breaks_our_lease(tmp_path: Path, install: str, expected: int) -> None:
    """A process with the handler survives a writer in the instant of the lease; one without does not."""
    (tmp_path / "a").write_text("x")
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", LEASE_BROKEN, install], cwd=tmp_path, env=environment, timeout=60, check=False
    )
    assert done.returncode == expected


def test_looking_stays_cheap_while_nothing_changes(tmp_path: Path, inbox: DropBox) -> None:
    """Looking leaves no descriptor open and no time stamp behind."""
    (tmp_path / "a.yaml").write_text("intent: x\n")
    before = Identity.of((tmp_path / "a.yaml").stat())
    open_before = len(os.listdir("/proc/self/fd"))
    deadline = time.monotonic() + 60
    for _ in range(200):
        inbox.look(tmp_path, "a.yaml")
        inbox.look(tmp_path, "missing.yaml")
        assert time.monotonic() < deadline
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert Identity.of((tmp_path / "a.yaml").stat()) == before


def test_a_file_that_changes_while_it_is_read_waits(
    tmp_path: Path, inbox: DropBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes may be half of the old and half of the new: they are never given out."""
    path = tmp_path / "a.yaml"
    path.write_text("intent: x\n...\n")
    read = spool._read

    def changed_meanwhile(fd: int, size: int) -> bytes:
        data = read(fd, size)
        path.write_text("intent: another\n...\n")
        return data

    monkeypatch.setattr(spool, "_read", changed_meanwhile)
    seen = inbox.look(tmp_path, "a.yaml")
    assert isinstance(seen, Waiting) and "changed while it was read" in seen.reason
