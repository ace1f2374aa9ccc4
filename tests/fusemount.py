"""A folder on FUSE: sshfs, with the SFTP server as its child in place of a connection."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
SERVER = next((path for path in SERVERS if os.access(path, os.X_OK)), "")

needs_sshfs = pytest.mark.skipif(
    not (shutil.which("sshfs") and SERVER and os.path.exists("/dev/fuse") and os.getuid() == 0),
    reason="needs root, sshfs and openssh-sftp-server",
)


@contextmanager
def sshfs(source: Path, mount: Path) -> Iterator[None]:
    """``source``, seen at ``mount`` for the time of the block."""
    server = source.with_name(f"{source.name}.server")
    server.write_text(f"#!/bin/sh\nexec {SERVER}\n")
    server.chmod(0o755)
    options = f"ssh_command={server},allow_other,default_permissions"
    subprocess.run(["sshfs", "-o", options, f"nowhere:{source}", str(mount)], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run(["umount", str(mount)], check=True, timeout=30)
