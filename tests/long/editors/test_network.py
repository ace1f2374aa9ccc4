"""Copies over ssh, whole and killed half way; and rsync killed half way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback import MISSING, Loopback
from tests.saves import CUT, Shop, decision, request
from tests.support import wait_for

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} is not installed")

LINES = 15_000
"""Some 600 KB."""
HOLD = 2.5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    made = Loopback(tmp_path_factory.mktemp("ssh") / "sshd")
    yield made
    made.close()


WAYS = {
    "scp": ("scp", ()),
    "scp, the old protocol": ("scp", ("-O",)),
    "scp -p": ("scp", ("-p",)),
    "sftp put": ("sftp", ()),
    "sftp put, then rename": ("sftp", ("rename",)),
    "rsync over ssh": ("rsync", ()),
    "rsync --inplace over ssh": ("rsync", ("--inplace",)),
}


def command(server: Loopback, way: str, source: Path, target: Path, *more: str) -> list[str]:
    program, options = WAYS[way]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    made: list[str] = getattr(server, program)(source, target, *options, *more)
    return made


@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
@pytest.mark.parametrize("way", WAYS)
def test_whole_copies(shop: Shop, server: Loopback, tmp_path: Path, way: str, marked: bool) -> None:
    """A new approval, an edit of a refused rejection, and a request."""
    if way.endswith("rename"):
        jobs = {"approve": shop.at_gate()}  # sftp's rename replaces nothing
    else:
        jobs = {verb: shop.at_gate() for verb in ("approve", "reject")}
        shop.refused(jobs["reject"], "reject")
    wanted, path = shop.request()
    texts = {verb: decision(verb, lines=LINES, marked=marked) for verb in jobs}
    for verb, job in jobs.items():
        (tmp_path / verb).write_text(texts[verb])
        target = shop.studio.run(job) / f"{verb}.yaml"
        subprocess.run(command(server, way, tmp_path / verb, target), check=True, timeout=120)
    asked = request(wanted, lines=LINES, marked=marked)
    (tmp_path / "request").write_text(asked)
    subprocess.run(command(server, way, tmp_path / "request", path), check=True, timeout=120)
    for verb, job in jobs.items():
        shop.decided(job, verb, texts[verb], refusals=verb == "reject")
    shop.accepted(wanted, path, asked)


SLOW = {
    "scp": ("-l", "2000"),
    "scp, the old protocol": ("-l", "2000"),
    "sftp put": ("-l", "2000"),
    "rsync --inplace over ssh": ("--bwlimit=200",),
    "rsync over ssh": ("--bwlimit=200", "--partial"),
}


@pytest.mark.fault(6, 7)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("way", SLOW)
def test_killed_half_way(shop: Shop, server: Loopback, tmp_path: Path, way: str, how: signal.Signals) -> None:
    """What is left of a template waits, and says for what; brought again, whole, it counts."""
    job = shop.at_gate()
    target = shop.studio.run(job) / "approve.yaml"
    text = CUT + decision("approve", lines=LINES, marked=True)
    (tmp_path / "made").write_text(text)
    cut = command(server, way, tmp_path / "made", target, *SLOW[way])
    child = subprocess.Popen(cut, start_new_session=True, stderr=subprocess.DEVNULL)
    begun = ".approve.yaml.*" if "--partial" in SLOW[way] else "approve.yaml"
    wait_for(
        lambda: any(map(_size, target.parent.glob(begun))), f"{way} to have brought something", seconds=60
    )
    os.killpg(child.pid, how)
    child.wait()
    shop.tally.operations += 1
    time.sleep(HOLD)
    assert _size(target) < len(text)
    shop.still_waits(job)
    if target.exists():
        said = shop.studio.spork("explain", str(target)).stdout
        assert "incomplete" in said or "NUL bytes" in said or "empty" in said, said
    subprocess.run(command(server, way, tmp_path / "made", target), check=True, timeout=120)
    shop.decided(job, "approve", text, refusals=shop.studio.types(job).count("decision_refused"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
