"""The bell on real folders and a real inotify descriptor, with each way in which it can fail."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import inotify, mounts
from daemon.files import append_copy, write_copy, write_durable
from daemon.spool import DropBox
from daemon.watcher import Hints, Watcher
from tests.support import wait_for


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    watcher = Watcher("inotify", probe_folder=tmp_path / ".bell")
    yield watcher
    watcher.close()


@pytest.fixture
def inbox(tmp_path: Path, watcher: Watcher) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    watcher.watch("inbox", str(tmp_path))
    return folder


def is_readable(watcher: Watcher) -> bool:
    """Whether a loop that waits would wake."""
    fd = watcher.fileno()
    assert fd is not None
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def silent(hints: Hints) -> bool:
    return not hints.rang and not hints.everything and not hints.notes


def test_rings_with_key_and_name(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A file written into a watched folder wakes the loop, and the hint names folder and file."""
    assert not is_readable(watcher)
    (inbox / "a.yaml").write_text("x")
    (tmp_path / "unwatched").write_text("x")
    assert is_readable(watcher)
    hints = watcher.drain()
    assert hints.rang == {"inbox": {"a.yaml"}}
    assert not hints.everything
    assert not is_readable(watcher)
    assert silent(watcher.drain())


@pytest.mark.fault(39)
def test_names_that_are_not_text(watcher: Watcher, inbox: Path) -> None:
    """A name of any bytes rings, and opens the file it names."""
    name = os.fsdecode(b"\xff\xfe\n.yaml")
    (inbox / name).write_text("x")
    assert watcher.drain().rang == {"inbox": {name}}


@pytest.mark.fault(36)
def test_own_writes_and_looks_do_not_ring(watcher: Watcher, inbox: Path) -> None:
    """What the daemon writes for itself, and its looking, are not reported as if a person had come."""
    write_copy(inbox / "state.json", b"{}")
    write_durable(inbox / "approve.template.yaml", b"...\n")
    append_copy(inbox / "events.jsonl", b"{}\n")
    assert silent(watcher.drain())
    (inbox / "a.yaml").write_text("x")
    watcher.drain()
    DropBox(2.0).look(inbox, "a.yaml")
    (inbox / "a.yaml").read_text()
    os.listdir(inbox)
    assert not is_readable(watcher)


def test_rename_arrives_whole(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A rename is whole; a writer who opens and closes the file afterwards takes that back."""
    (tmp_path / "made").write_text("x")
    for late in ("before the drain", "after the drain"):
        os.rename(tmp_path / "made", inbox / "a.yaml")
        watcher.drain()
        assert watcher.arrived_whole("inbox", "a.yaml")
        os.rename(inbox / "a.yaml", tmp_path / "made")
        os.rename(tmp_path / "made", inbox / "a.yaml")
        if late == "after the drain":
            watcher.drain()
        with (inbox / "a.yaml").open("a"):
            pass
        assert not watcher.arrived_whole("inbox", "a.yaml")
        os.rename(inbox / "a.yaml", tmp_path / "made")


def test_link_arrives_whole(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A hard link is whole: it was created and no writer has closed it."""
    (tmp_path / "made").write_text("x")
    os.link(tmp_path / "made", inbox / "a.yaml")
    hints = watcher.drain()
    assert hints.rang == {"inbox": {"a.yaml"}}
    assert watcher.arrived_whole("inbox", "a.yaml")


def test_a_written_file_does_not_arrive_whole(watcher: Watcher, inbox: Path) -> None:
    """A file made in place is not whole, however quickly; also when only its creation was heard at first."""
    (inbox / "a.yaml").write_text("x")
    watcher.drain()
    assert not watcher.arrived_whole("inbox", "a.yaml")
    with (inbox / "b.yaml").open("w") as file:
        file.write("x")
        watcher.drain()
    assert not watcher.arrived_whole("inbox", "b.yaml")


def test_arrivals_are_kept_until_asked_for(
    tmp_path: Path, watcher: Watcher, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand renames each is known however late it is asked for, once; the memory is bounded."""
    monkeypatch.setattr("daemon.watcher._ARRIVALS_AT_MOST", 1000)
    for number in range(1001):
        (tmp_path / "made").write_text("x")
        os.rename(tmp_path / "made", inbox / f"{number}.yaml")
    (inbox / "folder.yaml").mkdir()
    for _ in range(3):
        watcher.drain()
    assert [watcher.arrived_whole("inbox", f"{number}.yaml") for number in range(1001)] == [True] * 1000 + [
        False
    ]
    assert not watcher.arrived_whole("inbox", "0.yaml")
    assert not watcher.arrived_whole("inbox", "folder.yaml")
    (tmp_path / "made").write_text("x")
    os.rename(tmp_path / "made", inbox / "a.yaml")
    watcher.drain()
    watcher.forget("inbox")
    assert not watcher.arrived_whole("inbox", "a.yaml")
    assert watcher._arrivals == 0


@pytest.mark.fault(27)
def test_overflow_means_everything(watcher: Watcher, inbox: Path) -> None:
    """More events than the kernel keeps: look everywhere, nothing counts as arrived, and it is said."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 200_000:
        pytest.skip("fs.inotify.max_queued_events is too large to overflow in a test")
    descriptors = [os.open(inbox / name, os.O_CREAT | os.O_WRONLY) for name in ("a", "b")]
    for _ in range(limit // 2 + 100):
        for name in ("a", "b"):
            os.close(os.open(inbox / name, os.O_WRONLY))
    (inbox / "lost.yaml").write_text("x")
    os.link(inbox / "lost.yaml", inbox / "linked.yaml")
    hints = watcher.drain()
    assert hints.everything
    assert any("max_queued_events" in note for note in hints.notes)
    assert not watcher.arrived_whole("inbox", "linked.yaml")
    for descriptor in descriptors:
        os.close(descriptor)
    watcher.drain()
    (inbox / "next.yaml").write_text("x")
    assert watcher.drain().rang == {"inbox": {"next.yaml"}}


@pytest.mark.fault(30)
def test_removed_and_made_anew(watcher: Watcher, inbox: Path) -> None:
    """A watched folder that is removed is noticed; made anew, it is watched again at the next check."""
    inbox.rmdir()
    assert watcher.drain().everything
    assert "inbox" in watcher.unwatched
    assert watcher.check_roots() == ()
    inbox.mkdir()
    assert watcher.check_roots() == ("inbox",)
    assert not watcher.unwatched
    (inbox / "a.yaml").write_text("x")
    assert watcher.drain().rang == {"inbox": {"a.yaml"}}


@pytest.mark.fault(31)
def test_renamed_away_and_replaced(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A folder that was renamed away no longer rings under its old key; its successor does."""
    inbox.rename(tmp_path / "old")
    inbox.mkdir()
    assert watcher.check_roots() == ("inbox",)
    watcher.drain()
    (tmp_path / "old" / "a.yaml").write_text("x")
    (inbox / "b.yaml").write_text("x")
    assert watcher.drain().rang == {"inbox": {"b.yaml"}}


@pytest.mark.fault(31)
def test_replaced_by_a_link(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A link in the folder's place is not followed."""
    (tmp_path / "elsewhere").mkdir()
    inbox.rmdir()
    inbox.symlink_to(tmp_path / "elsewhere")
    watcher.drain()
    assert watcher.check_roots() == ()
    assert "inbox" in watcher.unwatched
    (tmp_path / "elsewhere" / "a.yaml").write_text("x")
    assert not watcher.drain().rang


def test_unchanged_roots_stay(watcher: Watcher, inbox: Path) -> None:
    """Checking what is still in place changes nothing and loses nothing."""
    (inbox / "a.yaml").write_text("x")
    assert watcher.check_roots() == ()
    assert watcher.drain().rang == {"inbox": {"a.yaml"}}


def test_forgotten_folders_are_silent(watcher: Watcher, inbox: Path) -> None:
    """After a key is forgotten, neither what was waiting nor what comes rings."""
    (inbox / "a.yaml").write_text("x")
    watcher.forget("inbox")
    watcher.forget("never watched")
    (inbox / "b.yaml").write_text("x")
    inbox_again = watcher.drain()
    assert silent(inbox_again)


def test_the_same_folder_twice(watcher: Watcher, inbox: Path) -> None:
    """A folder under two keys rings under the last one, and the other is named as one to poll."""
    watcher.watch("inbox/.", str(inbox.parent))
    assert list(watcher.unwatched) == ["inbox"]
    (inbox / "a.yaml").write_text("x")
    assert set(watcher.drain().rang) == {"inbox/."}


@pytest.mark.fault(28)
def test_probe(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """A bell that hears says so and rings nobody; a deaf one is found out and works again once rebuilt."""
    assert watcher.probe()
    assert silent(watcher.drain())
    fd = watcher.fileno()
    assert fd is not None
    for watch in list(watcher._keys):
        inotify.remove_watch(fd, watch)
    watcher._keys.clear()
    assert not watcher.probe()
    watcher.rebuild()
    assert watcher.probe()
    assert watcher.drain().everything
    (inbox / "a.yaml").write_text("x")
    assert watcher.drain().rang == {"inbox": {"a.yaml"}}
    (tmp_path / ".bell" / "probe").unlink()
    (tmp_path / ".bell").rmdir()
    assert not watcher.probe()
    watcher.rebuild()
    assert watcher.probe()


@pytest.mark.fault(89)
def test_a_probe_for_which_there_is_no_descriptor_tells_nothing(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends nobody, and the bell is not made anew for it."""

    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as full:
        full.setattr(os, "open", refused)
        assert watcher.probe()
    assert watcher.probe()


def test_probe_does_not_lose_what_came(watcher: Watcher, inbox: Path) -> None:
    """What arrives around a probe still rings."""
    (inbox / "a.yaml").write_text("x")
    assert watcher.probe()
    assert watcher.drain().rang == {"inbox": {"a.yaml"}}


@pytest.mark.fault(29)
def test_a_broken_descriptor(watcher: Watcher, inbox: Path) -> None:
    """Where events cannot be read any more the watcher starts anew and says so."""
    fd = watcher.fileno()
    assert fd is not None
    os.dup2(os.open("/", os.O_RDONLY), fd)
    hints = watcher.drain()
    assert hints.everything
    assert any("starts anew" in note for note in hints.notes)
    (inbox / "a.yaml").write_text("x")
    assert watcher.drain().rang == {"inbox": {"a.yaml"}}


def test_poll_mode(tmp_path: Path) -> None:
    """Switched off, it watches nothing and names every key as one to poll."""
    watcher = Watcher("poll", probe_folder=tmp_path / ".bell")
    watcher.watch("inbox", str(tmp_path))
    assert watcher.fileno() is None
    assert watcher.unwatched == {"inbox": "polled by policy"}
    assert watcher.probe()
    assert silent(watcher.drain())
    assert watcher.check_roots() == ()
    assert not watcher.arrived_whole("inbox", "a.yaml")
    watcher.close()


@pytest.mark.fault(34)
def test_file_systems_that_need_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on a network is named, said once, and watched for what this machine does."""
    assert mounts.needs_polling(tmp_path) is None
    assert mounts.needs_polling(tmp_path / "missing") is None

    class Any:
        def get(self, _kind: int) -> str:
            return "NFS"

    monkeypatch.setattr(mounts, "_REMOTE", Any())
    watcher = Watcher("auto")
    (tmp_path / "a").mkdir()
    watcher.watch("a", str(tmp_path))
    assert "NFS" in watcher.unwatched["a"]
    (tmp_path / "a" / "x.yaml").write_text("x")
    hints = watcher.drain()
    assert hints.rang == {"a": {"x.yaml"}}
    assert len(hints.notes) == 1
    watcher.check_roots()
    assert "NFS" in watcher.unwatched["a"]
    assert not watcher.drain().notes
    watcher.close()


OUT_OF = """
import os, sys
from pathlib import Path
from daemon.watcher import Watcher
watcher = Watcher("auto", probe_folder=Path(".bell"))
for name in ("a", "b", "c"):
    os.mkdir(name)
    watcher.watch(name, ".")
print(sorted(watcher.unwatched), watcher.fileno() is None)
for note in watcher.drain().notes:
    print(note)
print(len(watcher.drain().notes))
limit = Path(sys.argv[1])
limit.write_text("100")
print(watcher.check_roots(), sorted(watcher.unwatched), watcher.fileno() is None)
Path("c/x.yaml").write_text("x")
print(sorted(watcher.drain().rang))
"""


@pytest.mark.parametrize(
    ("limit", "allowed", "unwatched", "deaf", "sysctl"),
    [
        ("max_inotify_watches", 2, ["b", "c"], False, "fs.inotify.max_user_watches"),
        ("max_inotify_instances", 0, ["a", "b", "c"], True, "fs.inotify.max_user_instances"),
    ],
)
@pytest.mark.fault(32, 33)
def test_too_few(
    tmp_path: Path, limit: str, allowed: int, unwatched: list[str], deaf: bool, sysctl: str
) -> None:
    """Out of watches or instances: those without are named for polling, the sysctl is said once, and
    when there are more the next check watches them."""
    path = f"/proc/sys/user/{limit}"
    own = ["unshare", "--user", "--map-root-user", "sh", "-ec"]
    try:
        able = subprocess.run([*own, f"echo 9 > {path}"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("needs unshare, and a user namespace of its own")
    (tmp_path / "script.py").write_text(OUT_OF)
    command = [*own, f'echo {allowed} > {path}; exec "$0" script.py {path}', sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    said = done.stdout.splitlines()
    assert said[0] == f"{unwatched} {deaf}"
    assert sysctl in said[1]
    assert said[2] == "0"
    assert said[3] == f"{tuple(unwatched)} [] False"
    assert said[4] == "['c']"


def test_a_thousand_folders_cost_no_thread(tmp_path: Path, watcher: Watcher) -> None:
    """Two thousand folders are one descriptor and no thread; given back, nothing of them stays."""
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for number in range(2000):
        folder = tmp_path / str(number)
        folder.mkdir()
        watcher.watch(folder.name, str(tmp_path))
    (tmp_path / "1234" / "approve.yaml").write_text("x")
    assert watcher.drain().rang == {"1234": {"approve.yaml"}}
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == (threads, descriptors)
    for number in range(2000):
        watcher.forget(str(number))
    assert silent(watcher.drain())
    assert not watcher._watches
    assert len(watcher._keys) == 1  # the probe's


def test_the_descriptor_is_not_inherited(watcher: Watcher) -> None:
    """A stage never gets the bell's descriptor."""
    fd = watcher.fileno()
    assert fd is not None
    assert not os.get_inheritable(fd)


@pytest.mark.fault(37)
def test_a_storm_does_not_hold_the_loop(tmp_path: Path, watcher: Watcher, inbox: Path) -> None:
    """While something rings without end, a drain still ends, and what came during it rings later."""
    script = "import os\nwhile True: os.close(os.open('a', os.O_CREAT | os.O_WRONLY))"
    child = subprocess.Popen([sys.executable, "-c", script], cwd=inbox)
    try:
        wait_for(lambda: watcher.drain().rang, "the storm to begin")
        for _ in range(20):
            watcher.drain()
        (inbox / "b.yaml").write_text("x")
        assert "b.yaml" in watcher.drain().rang["inbox"]
    finally:
        child.kill()
        child.wait()
