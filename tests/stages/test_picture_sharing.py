"""Files made by several processes: each once, by all of them, and none goes on when it is no longer wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import active_children, heap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stages.contract import StageError
from stages.sharing import Wanted, share
from tests.support import wait_for

if TYPE_CHECKING:
    from stages.sharing import Make

Step = Callable[[], None]


def nothing(_steps: int, _files: int) -> None:
    """Nobody wants to hear how far it is."""


def meet(path: Path, others: list[Path], step: Step) -> None:
    """Written with the maker's id, after somebody has begun each of the others."""
    wait_for(lambda: all(other.exists() for other in others), "the other files are begun")
    step()
    path.write_text(str(os.getpid()))


def wanted(folder: Path, make: Make, files: int = 2) -> Wanted:
    paths = [folder / f"{number}" for number in range(files)]
    return Wanted([(path, paths) for path in paths], make)


@pytest.mark.parametrize("threads", [False, True])
def test_two_processes_share_the_files(tmp_path: Path, threads: bool) -> None:
    """Both make one, also where this process has threads and the other is started anew; all is told at the end."""
    told: list[tuple[int, int]] = []
    leave = threading.Event()
    other = threading.Thread(target=leave.wait)
    if threads:
        other.start()
    try:
        share(wanted(tmp_path, meet), 2, lambda *far: told.append(far))
    finally:
        leave.set()
    makers = {int((tmp_path / name).read_text()) for name in ("0", "1")}
    assert len(makers) == 2
    assert os.getpid() in makers
    assert told[-1] == (2, 2)
    assert told == sorted(told)


def test_what_an_earlier_try_left_is_made_again(tmp_path: Path) -> None:
    """A file that lies there already is nobody's claim."""
    (tmp_path / "0").write_text("left")
    share(wanted(tmp_path, meet, files=1), 1, nothing)
    assert (tmp_path / "0").read_text() == str(os.getpid())


def alone(path: Path, _others: list[Path], step: Step) -> None:
    step()
    path.write_text(str(os.getpid()))


@pytest.mark.parametrize("processes", [1, 2])
def test_without_shared_memory_this_process_makes_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """Some containers have no /dev/shm: the work takes longer there, and is done."""
    monkeypatch.setattr(heap.Arena, "_dir_candidates", [str(tmp_path / "nowhere")])
    monkeypatch.setattr(heap.BufferWrapper, "_heap", heap.Heap())
    told: list[tuple[int, int]] = []
    share(wanted(tmp_path, alone), processes, lambda *far: told.append(far))
    assert {(tmp_path / name).read_text() for name in ("0", "1")} == {str(os.getpid())}
    assert told[-1] == (2, 2)


def fail_in_a_helper(path: Path, others: list[Path], step: Step) -> None:
    meet(path, others, step)
    if os.getpid() != int(os.environ["TEST_PARENT"]):
        raise StageError("the text is too long", "shorten it")


def break_in_a_helper(path: Path, others: list[Path], step: Step) -> None:
    meet(path, others, step)
    if os.getpid() != int(os.environ["TEST_PARENT"]):
        raise ZeroDivisionError("nobody thought of it")


def die_in_a_helper(path: Path, others: list[Path], step: Step) -> None:
    meet(path, others, step)
    if os.getpid() != int(os.environ["TEST_PARENT"]):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (fail_in_a_helper, "the text is too long", "shorten it"),
        (die_in_a_helper, "was killed by signal 9", "short of memory"),
    ],
)
def test_what_a_helper_fails_of_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, message: str, hint: str
) -> None:
    """Its own words, or that it was killed; nothing is taken for made."""
    monkeypatch.setenv("TEST_PARENT", str(os.getpid()))
    with pytest.raises(StageError, match=message) as failed:
        share(wanted(tmp_path, make), 2, nothing)
    assert hint in failed.value.hint
    assert not active_children()


def test_an_error_of_a_helper_that_nobody_thought_of_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback is in the log, and the reason says where to look."""
    monkeypatch.setenv("TEST_PARENT", str(os.getpid()))
    with pytest.raises(RuntimeError, match="ended with 1: see above"):
        share(wanted(tmp_path, break_in_a_helper), 2, nothing)


def wait_for_ever(path: Path, others: list[Path], step: Step) -> None:
    meet(path, others, step)
    while True:
        step()
        time.sleep(0.01)


def test_helpers_end_when_this_process_is_to_stop(tmp_path: Path) -> None:
    """Whatever is raised here, no helper is left."""

    def stop(steps: int, files: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        share(wanted(tmp_path, wait_for_ever), 2, stop)
    assert not active_children()


def test_a_helper_without_a_parent_ends(tmp_path: Path) -> None:
    """Also one whose parent was killed and could tell it nothing."""
    script = (
        "import sys, pathlib, tests.stages.test_picture_sharing as t\n"
        "t.share(t.wanted(pathlib.Path(sys.argv[1]), t.wait_for_ever), 2, t.nothing)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[2]) as parent:
        files = [tmp_path / "0", tmp_path / "1"]
        wait_for(lambda: all(file.exists() and file.read_text() for file in files), "both have begun")
        parent.kill()
    helper = next(pid for file in files if (pid := int(file.read_text())) != parent.pid)
    wait_for(lambda: _ended(helper), "the helper has ended")


def _ended(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
