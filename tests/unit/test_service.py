"""The units that `spork systemd --print` gives: complete, quoted, hardened, and patient enough to stop."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Literal

import pytest

from daemon.errors import NotPossible
from daemon.service import render, stop_timeout
from daemon.settings import StagesPolicy

KINDS: list[Literal["system", "user"]] = ["system", "user"]
EXECUTABLE = Path("/opt/spork/.venv/bin/spork")

needs_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


def values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


@pytest.mark.fault(141, 142, 143)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_operator_relies_on_is_in_both_units(kind: Literal["system", "user"]) -> None:
    """Restarts, reload, watchdog and the way it stops are the same for both kinds."""
    unit = render(kind, Path("/srv/studio"), EXECUTABLE, "spork", "studio", 50)
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "NotifyAccess") == ["main"]
    assert values(unit, "WatchdogSec") == ["60"]
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "RestartPreventExitStatus") == ["78"]
    assert values(unit, "KillMode") == ["mixed"]
    assert values(unit, "UMask") == ["0007"]
    assert values(unit, "TimeoutStopSec") == ["50"]
    assert values(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values(unit, "ExecStart") == [f"{EXECUTABLE} --workspace /srv/studio daemon"]
    assert values(unit, "WorkingDirectory") == ["/srv/studio"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(kind: Literal["system", "user"]) -> None:
    """Every placeholder is replaced, and every line is a section, a key, a comment or empty."""
    unit = render(kind, Path("/srv/studio"), EXECUTABLE, "spork", None, 50)
    assert not re.search(r"@[A-Z_]+@", unit)
    RawConfigParser(strict=False, interpolation=None).read_string(unit)


def test_systemd_is_more_patient_than_the_policy() -> None:
    """A stage gets both of its grace times, and the daemon time to write down what happened."""
    stages = StagesPolicy()
    unit = render("system", Path("/srv/studio"), EXECUTABLE, "spork", None)
    patience = float(*values(unit, "TimeoutStopSec"))
    assert patience > stages.stop_grace_seconds + stages.kill_grace_seconds
    assert patience == stop_timeout(stages.stop_grace_seconds, stages.kill_grace_seconds)
    assert stop_timeout(600, 60) > 660


def test_users_and_groups() -> None:
    """A system service names its user, and its group only where one was given; a user service neither."""
    system = render("system", Path("/srv/studio"), EXECUTABLE, "spork", "studio", 50)
    assert (values(system, "User"), values(system, "Group")) == (["spork"], ["studio"])
    assert values(render("system", Path("/srv/studio"), EXECUTABLE, "spork", None, 50), "Group") == []
    user = render("user", Path("/srv/studio"), EXECUTABLE, "spork", "studio", 50)
    assert values(user, "User") == values(user, "Group") == []


def test_without_a_user_the_owner_of_the_workspace_runs_it(tmp_path: Path) -> None:
    """Unless that is root: stages are programs of strangers' making."""
    if os.geteuid():
        unit = render("system", tmp_path, EXECUTABLE, None, None, 50)
        assert values(unit, "User") == [tmp_path.owner()]
        return
    with pytest.raises(NotPossible, match="--as NAME"):
        render("system", tmp_path, EXECUTABLE, None, None, 50)
    os.chown(tmp_path, 54321, -1)
    assert values(render("system", tmp_path, EXECUTABLE, None, None, 50), "User") == ["54321"]


def test_paths_are_quoted_as_systemd_reads_them() -> None:
    """Spaces, quotes, percent signs and dollars reach the daemon as they are."""
    unit = render("system", Path('/srv/a b%c"d$e'), Path("/opt/my spork/bin/spork"), "spork", None, 50)
    command = '"/opt/my spork/bin/spork" --workspace "/srv/a b%%c\\"d$$e" daemon'
    assert values(unit, "ExecStart") == [command]
    assert values(unit, "WorkingDirectory") == ['/srv/a b%%c"d$e']
    assert values(unit, "ReadWritePaths") == ['"/srv/a b%%c\\"d$e"']


@pytest.mark.parametrize(
    "path", ["/srv/a\nExecStart=/bin/sh", "/srv/a\\", "/srv/a ", "/srv/\udcff", "studio"]
)
def test_a_path_that_no_unit_can_name_is_refused(path: str) -> None:
    """A line break in a name never becomes a line of the unit."""
    with pytest.raises(NotPossible):
        render("system", Path(path), EXECUTABLE, "spork", None, 50)


@pytest.mark.fault(143)
@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_always_fails_comes_to_an_end(kind: Literal["system", "user"]) -> None:
    """More than an hour of tries fits a late disk; and as many starts fit the time in which they are counted."""
    unit = render(kind, Path("/srv/studio"), EXECUTABLE, "spork", None)
    tries, pause = int(*values(unit, "StartLimitBurst")), int(*values(unit, "RestartSec"))
    (interval,) = values(unit, "StartLimitIntervalSec")
    # A start takes a second or so.
    assert 3600 <= tries * (pause + 1) < int(interval.removesuffix("h")) * 3600


@pytest.mark.fault(144)
@pytest.mark.parametrize("kind", KINDS)
def test_the_unit_owns_no_folder_that_a_stop_would_empty(kind: Literal["system", "user"]) -> None:
    """State and locks lie in the workspace alone."""
    unit = render(kind, Path("/srv/studio"), EXECUTABLE, "spork", None)
    assert not re.findall(r"^(?:Runtime|State|Cache|Logs)Directory", unit, re.MULTILINE)


@pytest.mark.fault(145)
def test_every_line_of_the_sandbox_has_its_reason() -> None:
    """Lines that say what a stage cannot do stand under a comment that says why; so do those that are left out."""
    unit = render("system", Path("/srv/studio"), EXECUTABLE, "spork", None)
    sandbox = unit.partition("cannot do --")[2].partition("[Install]")[0]
    groups = re.findall(r"((?:^#.*\n)+)((?:^\w+=.*\n)+)", sandbox, re.MULTILINE)
    assert all(len(reason.strip()) > 20 for reason, _ in groups)
    explained = [line for _, lines in groups for line in lines.splitlines()]
    assert explained == re.findall(r"^\w+=.*$", sandbox, re.MULTILINE)
    assert len(explained) > 25
    for open_on_purpose in ("RestrictSUIDSGID", "PrivateUsers", "MemoryDenyWriteExecute", "PrivateNetwork"):
        assert re.search(rf"^# .*{open_on_purpose}.*: \w", sandbox, re.MULTILINE)


@needs_analyze
@pytest.mark.skipif(
    not Path("/bin/kill").exists(), reason="/bin/kill is not installed, which reloads the daemon"
)
@pytest.mark.fault(141)
@pytest.mark.parametrize("kind", KINDS)
def test_systemd_accepts_the_unit(kind: Literal["system", "user"], tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of either, not even for a path that needs quotes."""
    workspace = tmp_path / "a b%c$d"
    workspace.mkdir()
    executable = tmp_path / "sp ork"
    executable.symlink_to("/bin/true")
    unit = tmp_path / "spork.service"
    unit.write_text(render(kind, workspace, executable, "daemon", "daemon", 50))
    done = subprocess.run(
        # A server without manual pages has the same unit.
        ["systemd-analyze", "--man=no", f"--{kind}", "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_analyze
@pytest.mark.fault(145)
def test_the_service_is_hardened(tmp_path: Path) -> None:
    """Exposure by systemd's own measure is at most 2.0 of 10."""
    unit = tmp_path / "spork.service"
    unit.write_text(render("system", Path("/srv/studio"), Path("/bin/true"), "daemon", "daemon", 50))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:]
