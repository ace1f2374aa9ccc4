"""Sources that are copied beside the loop, on the real daemon: what a stop, a kill and a full disk leave of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from daemon.carrier import AT_ONCE_BYTES
from tests.acceptance.test_room import MOUNTS, logged, small_studio
from tests.studio import Studio
from tests.support import wait_for

PIPELINE = """\
name: reading
params: {sources: {type: files, max: 3}}
stages:
  - {name: read, command: [sh, -euc, 'wc -c < "$SPORK_SOURCES/big.bin" > read.txt'], outputs: [read.txt]}
"""
LASTING_BYTES = 2 << 30
"""The most that is taken, and more than is copied while a test looks."""


def source(studio: Studio, size: int) -> Path:
    """A source of zeros; one that takes long to copy is made at once."""
    path = studio.root / "sources/big.bin"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def being_copied(studio: Studio) -> Studio:
    """A live daemon that has begun to copy for the request j-1, and is far from the end."""
    studio.pipeline("reading", PIPELINE)
    source(studio, LASTING_BYTES)
    studio.start()
    studio.submit("j-1", "reading", params={"sources": ["big.bin"]})
    incoming = studio.root / "runs/.incoming"
    wait_for(
        lambda: any(path.stat().st_size for path in incoming.glob("*.copying/sources/.spork-*")), "a copy"
    )
    return studio


def test_what_is_copied_is_told_and_a_stop_throws_it_away(studio: Studio) -> None:
    """Nothing waits for the copy: neither another job nor the end of the daemon; the request lies there as before."""
    being_copied(studio)
    for told in (studio.spork("status").stdout, studio.spork("explain", "inbox/j-1.yaml").stdout):
        assert "its sources are being copied" in told
    studio.submit("n-1", "note")
    studio.wait("n-1", "needs_approval")
    assert not studio.run("j-1").exists()
    assert studio.stop() == 0
    assert (studio.root / "inbox/j-1.yaml").exists() and not os.listdir(studio.root / "runs/.incoming")


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_copy_that_was_cut_off_is_made_anew(studio: Studio, how: str) -> None:
    """What is copied after the next start is what lies there then, and nothing of before."""
    being_copied(studio)
    studio.stop(signal.SIGTERM if how == "stopped" else signal.SIGKILL)
    source(studio, AT_ONCE_BYTES + 1)
    studio.start()
    studio.wait("j-1", "completed")
    assert (studio.run("j-1") / "read.txt").read_text().strip() == str(AT_ONCE_BYTES + 1)
    assert os.listdir(studio.run("j-1") / "sources") == ["big.bin"]
    assert not os.listdir(studio.root / "runs/.incoming")


def test_drain_waits_for_a_copy(studio: Studio) -> None:
    """A request whose sources are being copied can still move."""
    studio.pipeline("reading", PIPELINE)
    source(studio, 8 * AT_ONCE_BYTES)
    studio.submit("j-1", "reading", params={"sources": ["big.bin"]})
    assert studio.spawn("--drain").wait(60) == 0, studio.log.read_text()
    assert studio.state("j-1")["status"] == "completed"


@MOUNTS
@pytest.mark.fault(86)
def test_a_copy_that_would_fill_the_disk_is_not_begun(tmp_path: Path) -> None:
    """Its request waits, which the log tells, others are taken; with room enough it is taken as well."""
    with small_studio(tmp_path, "size=24m") as studio:
        studio.pipeline("reading", PIPELINE)
        source(studio, 8 << 20)
        ballast = studio.root.parent / "ballast"
        ballast.write_bytes(bytes(18 << 20))
        studio.start()
        studio.submit("j-1", "reading", params={"sources": ["big.bin"]})
        logged(studio, "no room for its sources")
        studio.submit("g-1", "gated")
        studio.wait("g-1", "needs_approval")
        assert (studio.root / "inbox/j-1.yaml").exists() and not os.listdir(studio.root / "runs/.incoming")
        ballast.unlink()
        studio.wait("j-1", "completed")
