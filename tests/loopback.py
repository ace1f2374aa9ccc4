"""An sshd of our own on the loopback, with a key of its own, for scp, sftp and rsync as they are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.support import wait_for

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
NEEDED = [name for name in ("ssh", "scp", "sftp", "ssh-keygen") if shutil.which(name) is None]
MISSING = " and ".join([*([] if SSHD else ["sshd"]), *NEEDED])
"""What is not installed; empty where all is."""


class Loopback:
    """A running sshd; ``close`` ends it."""

    def __init__(self, folder: Path) -> None:
        assert SSHD is not None
        folder.mkdir(mode=0o700)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        # sshd insists on it where it separates privileges; a package makes it at boot only.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        settings = {
            "Port": self.port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": folder / "pid",
            "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no", "UsePAM": "no",
            "PermitRootLogin": "yes", "Subsystem": "sftp internal-sftp",
        }  # fmt: skip
        (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log
            )
        self.options = [
            "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
        ]  # fmt: skip
        wait_for(self._listens, "sshd to listen")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def scp(self, source: Path, target: Path, *more: str) -> list[str]:
        """The command that copies a file to the same machine by way of the server."""
        return ["scp", "-q", "-P", str(self.port), *self.options, *more, str(source), f"127.0.0.1:{target}"]

    def sftp(self, source: Path, target: Path, *more: str) -> list[str]:
        """The command that puts a file by sftp; ``.part`` first and renamed, if ``rename`` is among the more."""
        put = (
            f"put {source} {target}.part\\nrename {target}.part {target}"
            if "rename" in more
            else f"put {source} {target}"
        )
        sftp = " ".join(
            [
                "sftp",
                "-q",
                "-P",
                str(self.port),
                *self.options,
                *[m for m in more if m != "rename"],
                "127.0.0.1",
            ]
        )
        return ["sh", "-c", f"printf '{put}\\n' | {sftp} > /dev/null"]

    def rsync(self, source: Path, target: Path, *more: str) -> list[str]:
        """The command that copies a file by rsync through ssh."""
        shell = " ".join(["ssh", "-p", str(self.port), *self.options])
        return ["rsync", "-e", shell, *more, str(source), f"127.0.0.1:{target}"]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
