"""A workspace under git, and a colleague with a clone of it: what a person's own git puts into run directories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

IDENTITY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")


class Clone:
    """One checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git here, with nobody's settings."""
        env = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
        }
        done = subprocess.run(
            ["git", *IDENTITY, *arguments],
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"git {arguments}: {done.stdout}{done.stderr}"
        return done

    def commit(self, name: str, text: str | bytes, message: str = "an answer") -> None:
        """Write a file and commit it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.add(name, message)

    def add(self, name: str, message: str = "an answer") -> None:
        """Commit what lies there; what the daemon removed of what was committed stays out of it."""
        self.git("add", "-f", name)
        self.git("commit", "-q", "-m", message, "--", name)

    def push(self) -> None:
        self.git("push", "-q", "origin", "HEAD:main")

    def pull(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.git("pull", "-q", *arguments, "origin", "main", check=check)


def share(root: Path, beside: Path) -> tuple[Clone, Clone]:
    """Put the workspace's settings under git; gives it, and a colleague's clone."""
    beside.mkdir()
    origin, ours, theirs = Clone(beside / "origin.git"), Clone(root), Clone(beside / "colleague")
    origin.root.mkdir()
    origin.git("init", "-q", "--bare", "-b", "main")
    ours.git("init", "-q", "-b", "main")
    ours.git("remote", "add", "origin", str(origin.root))
    (root / ".gitignore").write_text("*\n")
    ours.add("conf/operator.yaml", "the policy")
    ours.push()
    Clone(beside).git("clone", "-q", str(origin.root), "colleague")
    return ours, theirs
