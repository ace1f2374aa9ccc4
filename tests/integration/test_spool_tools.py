"""Real tools on a drop-box with the real watcher: the first thing taken is what the person meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from daemon.lease import install_lease_signal_handler
from daemon.names import Ignored, classify_decision
from daemon.spool import DropBox, Whole
from daemon.watcher import Watcher
from tests.support import wait_for

TEXT = "stage: script\nattempt: 1\nby: alice\nnotes: as discussed\n"
LONG = "notes: |\n" + "".join(f"  line {number} of many\n" for number in range(20_000))


class Loop:
    """What the daemon's loop does with one folder, as far as arriving files go.

    The clock stands while a tool is at work, so that a slow machine never makes a file look rested: what is
    taken then was believed, rightly or wrongly, to be whole.
    """

    def __init__(self, folder: Path) -> None:
        install_lease_signal_handler()
        self.folder = folder
        self.now = 0.0
        self.box = DropBox(settle_seconds=2.0, empty_seconds=10.0, clock=lambda: self.now)
        self.watcher = Watcher("inotify")
        self.watcher.watch(folder.name, str(folder.parent))
        self.taken: list[bytes] = []
        self.turns = 0

    def turn(self) -> None:
        """Clear the bell, look at every name that decides, take what is whole."""
        self.turns += 1
        self.watcher.drain()
        for name in os.listdir(self.folder):
            if isinstance(classify_decision(name), Ignored):
                continue
            found = self.box.look(
                self.folder, name, partial(self.watcher.arrived_whole, self.folder.name, name)
            )
            if isinstance(found, Whole):
                self.taken.append(found.data)
                self.box.claim_unlink(self.folder, name, found.identity)

    def rest(self) -> None:
        """Let the settle time pass, and a little more."""
        self.turn()
        self.now += 2.1
        self.turn()

    def during(self, child: subprocess.Popen[bytes]) -> None:
        """Look as often as possible until the tool has done its work, then let its file rest."""
        while child.poll() is None:
            self.turn()
        assert child.returncode == 0
        self.rest()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "made").write_text(TEXT)
    (tmp_path / "long").write_text(LONG)
    return folder


@pytest.fixture
def loop(run: Path) -> Iterator[Loop]:
    loop = Loop(run)
    yield loop
    loop.watcher.close()


WHOLE_AT_ONCE = {
    "mv": "mv ../made approve.yaml",
    "rename of a template": "cp ../made x.tmp; mv x.tmp approve.yaml",
    "mv over": "echo old > approve.yaml; mv ../made approve.yaml",
    "ln and unlink": "ln ../made approve.yaml; rm ../made",
}
COPIES = {
    "cp": "cp ../made approve.yaml",
    "cp -p": "touch -d @1 ../made; cp -p ../made approve.yaml",
    "cp over": "echo old > approve.yaml; cp ../made approve.yaml",
    "ln": "ln ../made approve.yaml",
    "install": "install -m 660 ../made approve.yaml",
    "tee": "tee approve.yaml < ../made > /dev/null",
    "dd": "dd if=../made of=approve.yaml bs=7 status=none",
    "cat": "cat ../made > approve.yaml",
    "tar": "tar -cf - -C .. --transform s/made/approve.yaml/ made | tar xf -",
    "echo >>": 'while read -r line; do echo "$line" >> approve.yaml; done < ../made',
    "truncated, then written": ": > approve.yaml; cat ../made > approve.yaml",
    "a fifo in between": "mkfifo ../pipe; cat ../made > ../pipe & cat ../pipe > approve.yaml; wait",
    "sed -i": "sed 's/alice/bob/' ../made > approve.yaml; sed -i s/bob/alice/ approve.yaml",
}


@pytest.mark.parametrize("command", WHOLE_AT_ONCE.values(), ids=WHOLE_AT_ONCE.keys())
def test_arrives_whole(run: Path, loop: Loop, command: str) -> None:
    """What comes by rename, or by link with its first name gone, is taken at the first look."""
    subprocess.run(["sh", "-ec", command], cwd=run, check=True)
    loop.turn()
    assert loop.taken == [TEXT.encode()]


@pytest.mark.parametrize("command", COPIES.values(), ids=COPIES.keys())
def test_copies(run: Path, loop: Loop, command: str) -> None:
    """What is written under its final name is taken once, after its last byte."""
    loop.during(subprocess.Popen(["sh", "-ec", command], cwd=run))
    assert loop.taken == [TEXT.encode()]


def test_moved_from_another_file_system(run: Path, loop: Loop) -> None:
    """A move that is a copy in truth is waited for to its last byte."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == run.stat().st_dev:
        pytest.skip("needs /dev/shm as another file system")
    made = other / f"spool-{os.getpid()}"
    made.write_text(LONG)
    loop.during(subprocess.Popen(["mv", str(made), "approve.yaml"], cwd=run))
    assert loop.taken == [LONG.encode()]


@pytest.mark.fault(16)
def test_linked_from_an_unnamed_file(run: Path, loop: Loop) -> None:
    """A file that is made without a name and linked into place is whole at the first look."""
    script = """
import os
fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o660)
os.write(fd, open("../made", "rb").read())
os.link(f"/proc/self/fd/{fd}", "approve.yaml", src_dir_fd=os.open(".", os.O_RDONLY), follow_symlinks=True)
"""
    subprocess.run([sys.executable, "-c", script], cwd=run, check=True)
    loop.turn()
    assert loop.taken == [TEXT.encode()]


@pytest.mark.fault(2)
def test_typed_slowly(run: Path, loop: Loop) -> None:
    """What is typed into ``cat > approve.yaml`` line by line is taken when cat has ended, not before."""
    child = subprocess.Popen(
        ["sh", "-c", "exec cat > approve.yaml"], cwd=run, stdin=subprocess.PIPE, bufsize=0
    )
    assert child.stdin is not None
    wait_for((run / "approve.yaml").exists, "cat to open the file")
    for line in TEXT.splitlines(keepends=True):
        loop.rest()
        before = (run / "approve.yaml").stat().st_size
        child.stdin.write(line.encode())
        wait_for(partial(_is_longer, run / "approve.yaml", before), "cat to write the line")
    loop.rest()
    loop.now += 3600
    loop.rest()
    assert loop.taken == []
    child.stdin.close()
    loop.during(child)
    assert loop.taken == [TEXT.encode()]


def _is_longer(path: Path, size: int) -> bool:
    return path.stat().st_size > size


@pytest.mark.fault(6)
def test_a_killed_copy_with_a_lost_mark(run: Path, loop: Loop) -> None:
    """A template whose copying was killed half way is never taken."""
    script = "printf '# spork decision template\\nstage: scr' > approve.yaml; kill -9 $$"
    subprocess.run(["sh", "-c", script], cwd=run, check=False)
    loop.rest()
    loop.now += 3600
    loop.rest()
    assert (run / "approve.yaml").stat().st_size > 0
    assert loop.taken == []


@pytest.mark.fault(8, 9)
@pytest.mark.skipif(shutil.which("vim") is None, reason="needs vim")
@pytest.mark.parametrize("backupcopy", ["yes", "no"])
def test_vim(run: Path, loop: Loop, backupcopy: str) -> None:
    """A save by vim gives the saved text, once; the backup beside it and the file's absence mean nothing."""
    (run / "approve.yaml").touch()
    settings = f"set backup backupskip= backupdir=. backupcopy={backupcopy}"
    commands = [settings, "0read ../made", "write", "quit"]
    arguments = [part for command in commands for part in ("-c", command)]
    vim = ["vim", "-u", "NONE", "-N", "-es", *arguments, "approve.yaml"]
    loop.during(subprocess.Popen(vim, cwd=run, stdin=subprocess.DEVNULL))
    assert loop.taken == [TEXT.encode()]
    assert (run / "approve.yaml~").exists()


EDITORS = {
    "in place, truncated first (VS Code, nano)": """
open("approve.yaml").read()
with open("approve.yaml", "r+") as file:
    file.truncate(0); file.flush(); time.sleep(0.05); file.write(text); file.flush(); os.fsync(file.fileno())
""",
    "opened for writing, replaced by rename (gedit)": """
file = open("approve.yaml", "r+"); file.close()
open(".goutputstream-ABCDEF", "w").write(text)
os.rename(".goutputstream-ABCDEF", "approve.yaml")
""",
    "moved aside, written anew (emacs, vim)": """
os.rename("approve.yaml", "approve.yaml~")
file = open("approve.yaml", "w"); file.flush(); time.sleep(0.05); file.write(text); file.close()
""",
    "removed, written anew (git checkout)": """
os.unlink("approve.yaml")
open("approve.yaml", "w").write(text)
""",
    "full size of NULs first (a sync tool in place)": """
file = open("approve.yaml", "r+b"); file.truncate(0); file.truncate(len(text)); time.sleep(0.05)
file.write(text.encode()); file.close()
""",
    "side files with other decisions": """
open("#approve.yaml#", "w").write(text.replace("alice", "eve") + "...\\n")
os.symlink("alice@host.1", ".#approve.yaml")
open("approve.sync-conflict-20260101-000000-ABC.yaml", "w").write(text.replace("alice", "eve") + "...\\n")
open("approve.yaml", "w").write(text)
""",
}


@pytest.mark.fault(8)
@pytest.mark.parametrize("pattern", EDITORS.values(), ids=EDITORS.keys())
def test_editors(run: Path, loop: Loop, pattern: str) -> None:
    """A save over an existing file gives the saved text, once, in whichever way the editor saves."""
    (run / "approve.yaml").touch()
    loop.turn()
    script = f"import os, time\ntext = open('../made').read()\n{pattern}"
    loop.during(subprocess.Popen([sys.executable, "-c", script], cwd=run))
    assert loop.taken == [TEXT.encode()]


def test_looking_rings_no_bell(run: Path, loop: Loop) -> None:
    """The loop's own looking makes no event: while nobody writes, nothing rings."""
    (run / "approve.yaml").touch()
    loop.turn()
    for _ in range(100):
        loop.box.look(run, "approve.yaml")
    hints = loop.watcher.drain()
    assert not hints.rang
    assert not hints.everything
