"""What lets in more people than a workspace is meant for, and limits too low to work with: told at start, by doctor."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.studio import GATED, Studio

NOBODY = 65534
UMASK_0 = ["sh", "-c", 'umask 0; exec "$0" "$@"']


def warnings(studio: Studio, event: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in studio.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == event and line["level"] == "warning"]


def doctor(studio: Studio, *before: str) -> dict[str, str]:
    """What doctor wants mended, each with its mend."""
    done = subprocess.run(
        [*before, *studio.command("doctor", "--json")], cwd=studio.root, capture_output=True, check=False
    )
    assert done.returncode == 1
    return {f["said"]: f["mend"] for f in json.loads(done.stdout) if not f["right"]}


def for_everybody(root: Path) -> list[str]:
    """All that everybody may write to."""
    found = [p for p in (root, *root.rglob("*")) if not p.is_symlink()]
    return [str(p) for p in found if p.stat().st_mode & stat.S_IWOTH]


@pytest.mark.fault(150)
def test_folders_that_everybody_may_write_to(studio: Studio) -> None:
    """Ours get their mode back; what holds the orders and the code is the operator's to mend; all of it is told."""
    inbox, conf = studio.root / "inbox", studio.root / "conf"
    inbox.chmod(0o2777)
    conf.chmod(0o777)
    told = doctor(studio)
    assert told["inbox is writable for everybody (2777)"] == f"chmod 2770 {inbox}"
    assert told[f"{conf} is writable for everybody (0777)"] == f"chmod o-w {conf}"
    studio.start()
    by_path = {line["path"]: line for line in warnings(studio, "folder_world_writable")}
    assert by_path.keys() == {str(inbox), str(conf)}
    assert by_path[str(inbox)]["mended"] == "2770" and by_path[str(inbox)]["hint"] is None
    assert by_path[str(conf)]["mended"] is None and f"chmod o-w {conf}" in by_path[str(conf)]["hint"]
    assert stat.S_IMODE(inbox.stat().st_mode) == 0o2770


@pytest.mark.two_users
@pytest.mark.fault(150)
def test_an_inbox_of_another_user(studio: Studio) -> None:
    """It cannot be mended by us where it is not ours, so it is told with the command that does."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a folder away")
    inbox = studio.root / "inbox"
    os.chown(inbox, NOBODY, -1)
    inbox.chmod(0o777)
    studio.start()
    (line,) = warnings(studio, "folder_world_writable")
    assert line["path"] == str(inbox) and f"chmod o-w {inbox}" in line["hint"]


@pytest.mark.fault(150)
def test_as_root(studio: Studio) -> None:
    """Every stage would be root too: told, and nobody else is bothered."""
    studio.start()
    told = warnings(studio, "running_as_root")
    assert len(told) == (os.geteuid() == 0)
    if told:
        assert "User=" in told[0]["mend"]
        assert "you are root" in doctor(studio)


@pytest.mark.fault(150)
def test_a_umask_that_hides_nothing(studio: Studio, tmp_path: Path) -> None:
    """It is told, and nothing that we make depends on it: neither what init makes nor what a job leaves."""
    subprocess.run(
        [*UMASK_0, *studio.command("init", str(tmp_path / "new"))], check=True, capture_output=True
    )
    assert for_everybody(tmp_path / "new") == []
    studio.pipeline("gated", GATED)
    before = for_everybody(studio.root)
    studio.start(before=UMASK_0)
    (line,) = warnings(studio, "umask_open")
    assert line["umask"] == "0000"
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    studio.answer("g-1", "approve", by="alice")
    studio.wait("g-1", "completed")
    assert for_everybody(studio.root) == before == []
    assert any("umask 0000" in said for said in doctor(studio, *UMASK_0))


def test_too_few_open_files(studio: Studio) -> None:
    """The daemon does not start, and says what to raise; so does doctor."""
    if not shutil.which("prlimit"):
        pytest.skip("prlimit is not installed")
    few = ["prlimit", "--nofile=24:24"]
    process = studio.spawn(before=few)
    assert process.wait(timeout=60) == 73
    text = studio.log.read_text()
    assert "only 24 open files are allowed, at least 32 are needed" in text
    assert "ulimit -n 1024" in text and "LimitNOFILE=1024" in text and "Traceback" not in text
    assert doctor(studio, *few)["only 24 open files are allowed, at least 32 are needed"].startswith(
        "ulimit -n"
    )
