"""A Debian of its own whose PID 1 is a real systemd, in namespaces: what ``systemctl`` does to it stays in there.

The root is made once by debootstrap and kept in the user's cache; each boot lays a scratch layer over it.
Interpreter, libraries and checkout of this machine are shown in it read-only, so that what is tested is this tree.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.studio import ROOT
from tests.support import wait_for

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,libpam-systemd,dbus,dbus-user-session,python3,procps,acl,libegl1,libgl1"
TOOLS = ("debootstrap", "unshare", "nsenter", "setpriv", "pivot_root", "systemd-analyze")
GROUPS_ROOT = Path("/sys/fs/cgroup")
GROUP_PREFIX = "spork-service-"


def missing() -> str:
    """What this machine lacks, as a reason to skip; empty if nothing."""
    if os.getuid() != 0:
        return "needs root, for namespaces and mounts"
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"{lacking[0]} is not installed"
    return "" if _unified() else "no cgroup2 is mounted, in which systemd keeps its processes"


class Machine:
    """One boot. ``run`` runs a command in it; ``root`` is its file system as seen from here."""

    def __init__(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="spork-machine-"))
        self._console = self._scratch.with_suffix(".console")
        self._group = _make_group()
        self._shell = self._boot(_debian())
        try:
            self.init = wait_for(self._find_init, "systemd to be started")
            self.root = Path(f"/proc/{self.init}/root")
            wait_for(self._is_up, "systemd to be up", 60)
        except BaseException:
            self.close()
            raise

    def _boot(self, debian: Path) -> subprocess.Popen[bytes]:
        enter = f'echo $$ > {self._group}/cgroup.procs; exec "$@"'
        # Dies with this process, and takes systemd and all below it along.
        argv = ["setpriv", "--pdeathsig=KILL", "sh", "-c", enter, "sh"]
        argv += "unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup".split()
        argv += [
            "sh",
            str(Path(__file__).with_name("boot.sh")),
            str(debian),
            str(self._scratch),
            *map(str, shown()),
        ]
        with self._console.open("wb") as console:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )

    def _find_init(self) -> int | None:
        """The process that is PID 1 in there, once it is systemd."""
        if self._shell.poll() is not None:
            raise AssertionError(f"no machine: {self._console.read_text()}")
        with suppress(OSError):
            children = Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children").read_text().split()
            for child in children:
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return None

    def _is_up(self) -> bool:
        """Whether systemd has started all that belongs to its target."""
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"

    def run(
        self, *argv: str, user: str = "", check: bool = True, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there to its end, as root or as another user with that user's groups."""
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **env}
        inner = ["runuser", "-u", user, "--", *argv] if user else list(argv)
        enter = ["nsenter", "--target", str(self.init), "--all", "--root", "--wdns=/"]
        done = subprocess.run(
            [*enter, "env", "-i", *(f"{key}={value}" for key, value in clean.items()), *inner],
            input=stdin,
            capture_output=True,
            text=True,
            # A video on a busy machine takes its time.
            timeout=1800,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def close(self) -> None:
        """Kill it: every process and every mount goes with its namespaces."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        wait_for(lambda: _remove_group(self._group), "the control groups to be empty")
        self._scratch.rmdir()
        self._console.unlink()


def shown() -> list[Path]:
    """The folders of this machine that the checkout and its interpreter live in, none inside another."""
    wanted = {ROOT, Path(sys.prefix), Path(sys.base_prefix).resolve(), *map(Path, sys.path)}
    there = sorted(path for path in wanted if path.is_dir() and path.is_absolute() and path != Path("/usr"))
    outer = [
        path for path in there if not any(path != other and path.is_relative_to(other) for other in there)
    ]
    return [path for path in outer if not path.is_relative_to("/usr/lib")]


def _debian() -> Path:
    """The root as debootstrap makes it; made once, which takes a minute and needs the network."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "probable-spork"
    root = cache / f"{SUITE}-service"
    if not root.is_dir():
        making = cache / f".{root.name}-{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        argv = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(making)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        making.rename(root)
    return root


def _unified() -> Path | None:
    """Where the one hierarchy of cgroup2 is mounted: alone, or beside those of the older kind."""
    places = (GROUPS_ROOT, GROUPS_ROOT / "unified")
    return next((place for place in places if (place / "cgroup.controllers").is_file()), None)


def _make_group() -> Path:
    unified = _unified()
    assert unified is not None
    for leftover in unified.glob(f"{GROUP_PREFIX}*"):
        _remove_group(leftover)
    group = unified / f"{GROUP_PREFIX}{os.getpid()}"
    group.mkdir()
    return group


def _remove_group(group: Path) -> bool:
    """Remove it and all below, unless something still runs there."""
    for folder in reversed([group, *_below(group)]):
        with suppress(OSError):
            folder.rmdir()
    return not group.exists()


def _below(group: Path) -> Iterator[Path]:
    for folder in sorted(path for path in group.glob("*/") if path.is_dir()):
        yield folder
        yield from _below(folder)
