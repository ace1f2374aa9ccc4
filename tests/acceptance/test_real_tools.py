"""Real tools on a live daemon, a sample of `make editors`: the decision is what was saved, and nothing before it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hands import TOOLS, save
from tests.saves import CUT, Shop, decision, request
from tests.studio import Studio
from tests.support import wait_for
from tests.terminal import EDITORS, edit

POLICY = """\
inbox: {settle_seconds: 1, empty_seconds: 5}
pipeline: {default: note}
min_free_mib: 1
"""
LINES = 2000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One live daemon for all saves of this file."""
    made = Shop(Studio(tmp_path_factory.mktemp("shop") / "studio", POLICY))
    made.open()
    yield made
    made.studio.close()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("cp -p from the future", marks=pytest.mark.fault(22)),
        pytest.param("mv from another file system"),
        pytest.param("slow cat >", marks=pytest.mark.fault(2)),
        pytest.param("echo >>", marks=pytest.mark.fault(3)),
        pytest.param("truncated, then cat", marks=pytest.mark.fault(4)),
        pytest.param("room first, then dd", marks=pytest.mark.fault(5)),
        pytest.param("Syncthing", marks=pytest.mark.fault(5)),
        pytest.param("rsync"),
        pytest.param("ln", marks=pytest.mark.fault(16)),
        pytest.param("O_TMPFILE + linkat", marks=pytest.mark.fault(16)),
        pytest.param("VS Code"),
        pytest.param("gedit, Text Editor (GIO)", marks=pytest.mark.fault(8)),
    ],
)
def test_tools(shop: Shop, tmp_path: Path, name: str) -> None:
    """A new approval, an edit of a rejection that was refused, and a request: each once, as it was saved."""
    new, old = shop.at_gate(), shop.at_gate()
    shop.refused(old, "reject")
    texts = {new: decision("approve", lines=LINES), old: decision("reject", lines=LINES)}
    save(TOOLS[name], shop.studio.run(new) / "approve.yaml", texts[new], tmp_path / "new")
    save(TOOLS[name], shop.studio.run(old) / "reject.yaml", texts[old], tmp_path / "old")
    wanted, path = shop.request()
    asked = request(wanted, lines=LINES)
    save(TOOLS[name], path, asked, tmp_path / "request")
    shop.decided(new, "approve", texts[new])
    shop.decided(old, "reject", texts[old], refusals=1)
    shop.accepted(wanted, path, asked)


@pytest.mark.parametrize("name", ["sed -i"])
def test_edits_only(shop: Shop, tmp_path: Path, name: str) -> None:
    """An edit of what was refused and of a request that waits for its source."""
    old = shop.at_gate()
    shop.refused(old, "approve")
    text = decision("approve", lines=LINES)
    save(TOOLS[name], shop.studio.run(old) / "approve.yaml", text, tmp_path / "old")
    wanted, path = shop.request()
    shop.sourced(path)
    asked = request(wanted, lines=LINES)
    save(TOOLS[name], path, asked, tmp_path / "request")
    shop.decided(old, "approve", text, refusals=1)
    shop.accepted(wanted, path, asked)


@pytest.mark.fault(8, 9)
@pytest.mark.parametrize("name", ["vim", "nano"])
def test_editors(shop: Shop, tmp_path: Path, name: str) -> None:
    """Typed, saved and left in a terminal: a new approval, and one that was cut short and is completed."""
    new, cut = shop.at_gate(), shop.at_gate()
    shop.studio.write(cut, "approve.yaml", CUT)
    text = decision("approve")
    for job in (new, cut):
        edit(EDITORS[name], shop.studio.run(job) / "approve.yaml", text, tmp_path / job)
    for job in (new, cut):
        shop.decided(job, "approve", text)


@pytest.mark.fault(7)
@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
@pytest.mark.parametrize("how", ["--partial", "--inplace"])
def test_rsync_killed_half_way(shop: Shop, tmp_path: Path, how: str) -> None:
    """A template whose transfer was interrupted lies there cut short: it waits; brought again it counts."""
    job = shop.at_gate()
    target = shop.studio.run(job) / "approve.yaml"
    text = CUT + decision("approve", lines=15_000, marked=True)
    (tmp_path / "made").write_text(text)
    begun = "approve.yaml" if how == "--inplace" else ".approve.yaml.*"
    # One that is interrupted before it could keep anything leaves nothing to look at: then once more.
    for _ in range(5):
        child = subprocess.Popen(
            ["rsync", "--bwlimit=300", how, str(tmp_path / "made"), str(target)], start_new_session=True
        )
        wait_for(lambda: any(map(_size, target.parent.glob(begun))), "rsync to begin")
        os.killpg(child.pid, signal.SIGINT)
        child.wait()
        if _size(target):
            break
    assert 0 < _size(target) < len(text)
    shop.studio.submit(f"after-{job}", "plain")
    shop.studio.wait(f"after-{job}", "completed")
    assert "incomplete" in shop.studio.spork("explain", str(target)).stdout
    shop.still_waits(job)
    subprocess.run(["rsync", str(tmp_path / "made"), str(target)], check=True)
    shop.decided(job, "approve", text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
