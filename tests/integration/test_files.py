"""Publishing files, opening strangers' paths, digests: on a real disk."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from daemon import beneath
from daemon.beneath import make_folders, move_beneath, open_beneath
from daemon.birth import birth_in, birth_of
from daemon.changes import Owed
from daemon.digests import FileDigests, digest_of
from daemon.eventfile import last_line
from daemon.files import append_copy, copy_in, sweep, write_copy, write_durable
from daemon.identity import Identity
from daemon.looking import read_of_operator, read_regular
from daemon.model import Artifact
from daemon.publication import settle

Write = Callable[..., None]


def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the order of the calls that durability rests on; they are still made."""
    calls: list[str] = []
    fsync, rename, write = os.fsync, os.rename, os.write

    def traced_fsync(fd: int) -> None:
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "fsync file")
        fsync(fd)

    def traced_rename(source: str, target: str, **folders: int) -> None:
        calls.append(f"rename {target}")
        rename(source, target, **folders)

    def traced_write(fd: int, data: bytes) -> int:
        calls.append("write")
        return write(fd, data)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    monkeypatch.setattr(os, "write", traced_write)
    return calls


def test_durable_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A durable file is written, synced, renamed into place, and then its folder is synced."""
    calls = traced(monkeypatch)
    write_durable(tmp_path / "a", b"content")
    assert calls == ["write", "fsync file", "rename a", "fsync folder"]
    assert (tmp_path / "a").read_bytes() == b"content"


def test_copy_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy is renamed into place without any sync."""
    calls = traced(monkeypatch)
    write_copy(tmp_path / "a", b"content")
    assert calls == ["write", "rename a"]


def test_copied_in_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source is synced like everything that was promised."""
    (tmp_path / "source").write_bytes(b"x" * 10)
    calls = traced(monkeypatch)
    with open(tmp_path / "source", "rb") as source:
        copied = copy_in(source.fileno(), tmp_path / "target", limit=10)
    assert calls == ["write", "fsync file", "rename target", "fsync folder"]
    assert copied.bytes == 10
    assert copied.sha256 == hashlib.sha256(b"x" * 10).hexdigest()


@pytest.mark.parametrize(
    "look", [lambda p: read_regular(p.parent, p.name, 9), lambda p: digest_of(p.parent, p.name),
             lambda p: read_of_operator(p, 9), last_line],
)  # fmt: skip
def test_a_folder_in_a_files_place_leaves_nothing_open(
    tmp_path: Path, look: Callable[[Path], object]
) -> None:
    """It may lie there for weeks, and the daemon looks every second."""
    (tmp_path / "file").mkdir()
    before = os.listdir("/proc/self/fd")
    with suppress(OSError):
        look(tmp_path / "file")
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("write", [write_durable, write_copy, append_copy])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, write: Write) -> None:
    """The group can work with every file, whatever umask the daemon was started with."""
    before = os.umask(0o077)
    try:
        write(tmp_path / "shared", b"x")
        write(tmp_path / "private", b"x", mode=0o640)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o660
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o640


@pytest.mark.parametrize("write", [write_durable, write_copy])
def test_a_link_in_the_targets_place_is_replaced(tmp_path: Path, write: Write) -> None:
    """Writing never goes through a link that somebody put in the file's place."""
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (tmp_path / "state.json").symlink_to(outside)
    write(tmp_path / "state.json", b"ours")
    assert outside.read_text() == "theirs"
    assert (tmp_path / "state.json").read_bytes() == b"ours"
    assert not (tmp_path / "state.json").is_symlink()


@pytest.mark.parametrize("write", [write_durable, write_copy])
def test_a_link_in_the_folders_place_is_refused(tmp_path: Path, write: Write) -> None:
    """A run directory that was replaced by a link is not written into."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "run" / "state.json", b"x")
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("write", [write_durable, write_copy])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no space left the old file stays as it was and nothing half-made stays behind."""
    target = tmp_path / "a"
    target.write_text("old")

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        write(target, b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert target.read_text() == "old"


def test_a_failed_fsync_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync nothing is believed: the old file stays."""
    (tmp_path / "a").write_text("old")

    def failing(_fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="input/output"):
        write_durable(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_text() == "old"


def test_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that took only some of the bytes is gone on with."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    write_durable(tmp_path / "a", b"0123456789")
    append_copy(tmp_path / "a", b"abcd")
    assert (tmp_path / "a").read_bytes() == b"0123456789abcd"


def test_append_goes_through_no_link_and_waits_on_no_fifo(tmp_path: Path) -> None:
    """What somebody put in the place of our event file is neither followed nor waited for."""
    (tmp_path / "outside").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="symbolic links"):
        append_copy(tmp_path / "link", b"x")
    with pytest.raises(OSError, match="No such device"):
        append_copy(tmp_path / "fifo", b"x")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="not a regular file"):
            append_copy(tmp_path / "fifo", b"x")
    finally:
        os.close(reader)
    assert (tmp_path / "outside").read_text() == "theirs"


def test_sweep_takes_only_what_nobody_publishes_any_more(tmp_path: Path) -> None:
    """What a killed writer left is removed; a published file, and one that a living process makes, stay."""
    (tmp_path / ".spork-00").write_text("half")
    child = subprocess.Popen(["sleep", "60"])
    (tmp_path / f".spork-{child.pid}-0123").write_text("half")
    (tmp_path / f".spork-{os.getpid()}-0123").write_text("half")
    write_copy(tmp_path / "a", b"whole")
    assert sweep(tmp_path) == 2
    child.kill()
    child.wait()
    assert sorted(os.listdir(tmp_path)) == [f".spork-{child.pid}-0123", "a"]
    assert sweep(tmp_path) == 1
    assert os.listdir(tmp_path) == ["a"]


def test_copy_in_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large, not a file, or changed while it was copied: refused by its reason, and no target made."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 11)
    pread = os.pread

    def edited_meanwhile(fd: int, size: int, position: int) -> bytes:
        with source.open("ab") as file:
            file.write(b"y")
        return pread(fd, size, position)

    with source.open("rb") as file:
        with pytest.raises(OSError, match="at most 10") as large:
            copy_in(file.fileno(), tmp_path / "target", limit=10)
        monkeypatch.setattr(os, "pread", edited_meanwhile)
        with pytest.raises(OSError, match="changed") as changed:
            copy_in(file.fileno(), tmp_path / "target", limit=1000)
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="not a regular file") as kind:
        copy_in(folder, tmp_path / "target", limit=1000)
    os.close(folder)
    found = [error.value.errno for error in (large, changed, kind)]
    assert found == [errno.EFBIG, errno.EBUSY, errno.EINVAL]
    assert os.listdir(tmp_path) == ["source"]


@pytest.fixture(params=["openat2", "walk"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both with the kernel's own check and where the kernel is too old for it."""
    if request.param == "walk":

        def too_old(_top: int, _relative: str, _flags: int) -> int:
            raise OSError(errno.ENOSYS, "function not implemented")

        monkeypatch.setattr(beneath, "_openat2", too_old)


@pytest.mark.usefixtures("either_way")
def test_open_beneath(tmp_path: Path) -> None:
    """Files below the root are opened; links anywhere on the way, and paths that lead out, are not."""
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("content")
    (tmp_path / "secret").write_text("secret")
    (root / "file-link").symlink_to(tmp_path / "secret")
    (root / "folder-link").symlink_to(tmp_path)
    (root / "inner-link").symlink_to("a")
    (root / "loop").symlink_to("loop")
    with os.fdopen(open_beneath(root, "a/b/file")) as file:
        assert file.read() == "content"
    links = ["file-link", "folder-link/secret", "inner-link/b/file", "loop", "inner-link"]
    for path in links:
        with pytest.raises(OSError, match="symbolic links") as error:
            open_beneath(root, path)
        assert error.value.errno == errno.ELOOP
    for path in ["../secret", "/etc/passwd", "a/../../secret", "a/\0"]:
        with pytest.raises(OSError, match="leads out"):
            open_beneath(root, path)
    for path in ["missing", "a/missing/file"]:
        with pytest.raises(FileNotFoundError):
            open_beneath(root, path)
    with pytest.raises(NotADirectoryError):
        open_beneath(root, "a/b/file/below")


@pytest.mark.usefixtures("either_way")
def test_open_beneath_never_blocks(tmp_path: Path) -> None:
    """A FIFO is opened at once; its kind is the caller's to refuse."""
    os.mkfifo(tmp_path / "fifo")
    fd = open_beneath(tmp_path, "fifo")
    assert stat.S_ISFIFO(os.fstat(fd).st_mode)
    os.close(fd)


@pytest.mark.usefixtures("either_way")
def test_make_folders(tmp_path: Path) -> None:
    """Missing folders are made with the group's mode; a link among them is set aside, never passed."""
    before = os.umask(0o077)
    try:
        os.close(make_folders(tmp_path, "a/b"))
    finally:
        os.umask(before)
    os.close(make_folders(tmp_path, "a/b"))
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o2770
    (tmp_path / "link").symlink_to("a")
    os.close(make_folders(tmp_path, "link/c"))
    assert os.listdir(tmp_path / "a") == ["b"]
    assert sorted(os.listdir(tmp_path)) == ["_link.aside", "a", "link"]


@pytest.mark.usefixtures("either_way")
def test_move_beneath(tmp_path: Path) -> None:
    """A file moves to the same path below another root; no link in its way is passed."""
    work, run = tmp_path / "work", tmp_path / "run"
    (work / "assets").mkdir(parents=True)
    run.mkdir()
    (work / "assets" / "one.png").write_text("1")
    (work / "two").write_text("2")
    move_beneath(tmp_path, "work/assets/one.png", "run/assets/one.png")
    move_beneath(tmp_path, "work/two", "run/two")
    assert (run / "assets" / "one.png").read_text() == "1"
    assert (run / "two").read_text() == "2"
    (work / "out").mkdir()
    (work / "out" / "three").write_text("3")
    (tmp_path / "elsewhere").mkdir()
    (run / "out").symlink_to(tmp_path / "elsewhere")
    move_beneath(tmp_path, "work/out/three", "run/out/three")
    assert (run / "_out.aside").is_symlink() and (run / "out" / "three").read_text() == "3"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_digest_of(tmp_path: Path) -> None:
    """A digest is what sha256sum prints; links and other things have none."""
    (tmp_path / "a").write_bytes(b"content")
    assert digest_of(tmp_path, "a") == hashlib.sha256(b"content").hexdigest()
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="symbolic links"):
        digest_of(tmp_path, "link")
    with pytest.raises(OSError, match="not a regular file"):
        digest_of(tmp_path, "fifo")
    with pytest.raises(FileNotFoundError):
        digest_of(tmp_path, "missing")


class Counting:
    """Counts the digests that were really computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = hashlib.file_digest

        def counted(*arguments: object) -> object:
            self.count += 1
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(hashlib, "file_digest", counted)


@pytest.mark.fault(123)
def test_a_file_that_is_linked_while_it_is_hashed_has_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshot tools link files: its names moved, its bytes did not."""
    path = tmp_path / "a"
    path.write_bytes(b"whole")
    hashed = hashlib.file_digest
    times: list[int] = []

    def linked_meanwhile(file: Any, name: str) -> Any:
        if not times:
            times.append(1)
            os.link(path, tmp_path / "b")
        return hashed(file, name)

    monkeypatch.setattr(hashlib, "file_digest", linked_meanwhile)
    assert digest_of(tmp_path, "a") == hashlib.sha256(b"whole").hexdigest()


def test_digests_are_remembered_once_a_file_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file at rest is read twice at most, however often it is asked for; ``fresh`` reads it each time."""
    now = [0.0]
    digests, counting = FileDigests(clock=lambda: now[0]), Counting(monkeypatch)
    content = b"content" * 10_000
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    for second in range(10):
        now[0] = float(second)
        assert digests.digest(tmp_path, "a") == expected
    assert counting.count == 4  # at 0, 1, 2 the stamps may still hide a write; at 3 they cannot
    assert digests.digest(tmp_path, "a", fresh=True) == expected
    assert counting.count == 5
    digests.forget(tmp_path)
    digests.digest(tmp_path, "a")
    assert counting.count == 6
    (tmp_path / "a").write_bytes(b"now small")
    digests.digest(tmp_path, "a")
    assert not digests._known[str(tmp_path)], "hashed as fast as it is looked at, so nothing is kept of it"


@pytest.mark.parametrize("length", [1, 100_000])
def test_a_change_behind_equal_stamps_is_found(tmp_path: Path, length: int) -> None:
    """A second write within the same tick, same size, same stamps: the digest is right once both are past."""
    now = [0.0]
    digests = FileDigests(clock=lambda: now[0])
    path = tmp_path / "a"
    path.write_bytes(b"one" * length)
    digests.digest(tmp_path, "a")
    path.write_bytes(b"two" * length)
    now[0] = 3.0
    assert digests.digest(tmp_path, "a") == hashlib.sha256(b"two" * length).hexdigest()
    path.write_bytes(b"six!" * length)
    assert digests.digest(tmp_path, "a") == hashlib.sha256(b"six!" * length).hexdigest()


@pytest.mark.fault(55)
def test_a_file_is_known_again_by_its_birth(tmp_path: Path) -> None:
    """Mode, owner, names: the same file. Another in its place, equal to the byte and the time: another file."""
    path, known = tmp_path / "a", True

    def key() -> str:
        nonlocal known
        fd = os.open(path, os.O_RDONLY)
        try:
            identity = Identity.of(os.fstat(fd), birth_of(fd))
        finally:
            os.close(fd)
        folder = os.open(tmp_path, os.O_RDONLY)
        assert identity.birth_ns == birth_in(folder, "a")
        os.close(folder)
        known = identity.birth_ns is not None
        return identity.key

    path.write_text("x")
    os.utime(path, (1, 1))
    first = key()
    if not known:
        pytest.skip("this file system keeps no birth times")
    path.chmod(0o600)
    os.link(path, tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "c")
    assert key() == first
    path.write_text("y")
    assert key() != first
    for name in ("a", "c"):
        (tmp_path / name).unlink()
    path.write_text("x")
    os.utime(path, (1, 1))
    assert key() != first


def test_keys_of_files_without_a_known_birth() -> None:
    """ctime tells, as it did for those that the database has kept from before."""
    old = Identity(1, 2, 3, 4, 5)
    new = Identity(1, 2, 3, 4, 5, birth_ns=6)
    assert old.keys == ("2:3:4:5", "1:2:3:4:5")
    assert new.keys == ("2:3:4:6", "2:3:4:5", "1:2:3:4:5")
    assert new.key == "2:3:4:6" and old == new


@pytest.mark.usefixtures("either_way")
def test_remove_tree(tmp_path: Path) -> None:
    """Whatever it is, however deep, without permissions, with links in it: gone, and nothing that they lead to."""
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    base = tmp_path / "base"
    base.mkdir()
    folder = os.open(base, os.O_RDONLY)
    here = os.open(base, os.O_RDONLY)
    # Deeper than Python recurses, and than a process may have descriptors.
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.symlink(outside, "link", dir_fd=below)
        os.close(here)
        here = below
    os.fchmod(here, 0)
    os.close(here)
    (base / "link").symlink_to(outside)
    (base / "file").write_text("x")
    os.mkfifo(base / "fifo")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("d", "link", "file", "fifo", "gone"):
        beneath.remove_tree(name, folder)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(base) == [] and os.listdir(outside) == ["kept"]
    os.close(folder)


@pytest.mark.fault(83)
def test_another_boot_may_number_the_devices_anew() -> None:
    """A request that comes back after a power cut is known, and an early answer stays early."""
    assert Identity(1, 2, 3, 4, 5).key == Identity(9, 2, 3, 4, 5).key
    assert Identity(1, 2, 3, 4, 5).key != Identity(1, 2, 3, 4, 6).key


def test_identity(tmp_path: Path) -> None:
    """Renaming, linking and chmod leave the content the same; writing does not."""
    path = tmp_path / "a"
    path.write_text("x")
    first = Identity.of(path.stat())
    os.link(path, tmp_path / "b")
    os.chmod(path, 0o600)
    second = Identity.of(path.stat())
    assert first.same_content(second)
    path.write_text("xy")
    assert not second.same_content(Identity.of(path.stat()))


def test_without_descriptors_nothing_is_taken_for_gone(tmp_path: Path) -> None:
    """What cannot be looked at now is still owed: taken for moved, it would be swept away."""
    work = tmp_path / ".work/01-s.1"
    work.mkdir(parents=True)
    (work / "a.txt").write_text("1")
    made = Artifact("a.txt", "text", 1, hashlib.sha256(b"1").hexdigest(), {})
    owed = [Owed("s", 1, 1, "work", "run", (made,))]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    # One more can be opened: the run directory, and nothing in it.
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))
    os.close(lowest)
    try:
        with pytest.raises(OSError, match="Too many open files") as caught:
            settle(tmp_path, owed)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    assert settle(tmp_path, owed) == {tmp_path}
    assert (tmp_path / "a.txt").read_text() == "1" and not list(work.iterdir())
