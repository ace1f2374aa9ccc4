"""A workspace in the machine, with its unit installed as an operator would."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.long.service.machine import Machine
from tests.studio import ROOT, Studio
from tests.support import wait_for

SPORK = str(Path(ROOT, ".venv/bin/spork"))
UNIT = "spork.service"
DROP_IN = Path("etc/systemd/system/spork.service.d/test.conf")
POLICY = """\
group: studio
inbox: {settle_seconds: 0.3, empty_seconds: 1, sources_wait_seconds: 2}
stages: {stop_grace_seconds: 1, kill_grace_seconds: 0.5}
pipeline: {default: note}
min_free_mib: 1
"""


class Service(Studio):
    """As `Studio`, with systemd where that has a child process: people drop and read, ``systemctl`` does the rest."""

    def __init__(self, machine: Machine, place: str) -> None:
        self.machine = machine
        self.place = place
        self.root = machine.root / place.lstrip("/")
        self.process = None
        machine.run("install", "-d", "-o", "spork", "-g", "studio", "-m", "2770", place)
        machine.run(SPORK, "init", place, user="spork")
        self.policy(POLICY)
        mark = machine.run("journalctl", "--lines=1", "--output=cat", "--show-cursor", "--no-pager").stdout
        self._cursor = mark.split("-- cursor: ")[1].strip()
        self.installed = machine.run(SPORK, "--workspace", place, "systemd", "--install").stdout.strip()
        self.systemctl("daemon-reload")

    def policy(self, text: str) -> None:
        """Write conf/operator.yaml."""
        (self.root / "conf/operator.yaml").write_text(text)

    def drop_in(self, text: str) -> None:
        """What ``systemctl edit`` writes."""
        path = self.machine.root / DROP_IN
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Service]\n{text}\n")
        self.systemctl("daemon-reload")

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        return self.machine.run("systemctl", *arguments, check=check).stdout.strip()

    def bring_up(self) -> None:
        """``systemctl start``, which returns once the daemon said that it is ready."""
        self.systemctl("start", UNIT)

    def shows(self, key: str) -> str:
        """One property of the unit, as ``systemctl show`` prints it."""
        return self.systemctl("show", "--property", key, "--value", UNIT)

    @property
    def main_pid(self) -> int:
        return int(self.shows("MainPID"))

    def facts(self) -> dict[str, str]:
        """/proc/PID/status of the daemon."""
        lines = (self.machine.root / f"proc/{self.main_pid}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon alone."""
        self.machine.run("kill", f"-{number.value}", str(self.main_pid))

    def wait_for_restart(self, pid: int) -> None:
        """Wait until another process than ``pid`` is the daemon, and ready."""
        wait_for(
            lambda: self.shows("ActiveState") == "active" and self.main_pid not in (0, pid),
            "systemd to start the daemon anew",
        )

    def journal(self) -> str:
        """What systemd and the daemon said of the unit since this workspace's was installed."""
        self.machine.run("journalctl", "--sync")
        argv = ["journalctl", "--unit", UNIT, "--output=cat", "--no-pager", "--after-cursor", self._cursor]
        return self.machine.run(*argv).stdout

    def said(self, event: str) -> list[dict[str, Any]]:
        """The daemon's lines of this event in the journal."""
        lines = [json.loads(line) for line in self.journal().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def runs(self, mark: str) -> list[str]:
        """The processes in the machine whose command line holds the mark."""
        listed = self.machine.run("ps", "-eo", "pid,args").stdout.splitlines()
        return [line for line in listed if mark in line]

    # -- what people do

    def drop(self, name: str, text: str) -> Path:
        """As alice, of the group: write beside and mv."""
        beside = f"{self.place}/sources/{name}"
        script = f"umask 0007; cat > {beside}; mv {beside} {self.place}/inbox/"
        self.machine.run("sh", "-euc", script, user="alice", stdin=text)
        return self.root / "inbox" / name

    def as_alice(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A ``spork`` command of a person of the group."""
        return self.machine.run(SPORK, "--workspace", self.place, *arguments, user="alice", check=check)

    def close(self) -> None:
        """Stop it, and leave nothing of it to the next test."""
        self.systemctl("stop", UNIT, check=False)
        self.systemctl("reset-failed", UNIT, check=False)
        for path in (self.machine.root / DROP_IN, self.machine.root / "etc/systemd/system/spork.service"):
            path.unlink(missing_ok=True)
        self.systemctl("daemon-reload")
