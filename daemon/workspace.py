"""Where everything lies in a workspace, and how one is found. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from daemon.errors import SporkError

MARK = "conf/operator.yaml"
"""The file that makes a folder a workspace."""
VARIABLE = "SPORK_WORKSPACE"

# People write into the first four as members of the group; the set-group-id bit hands the group down.
_FOLDERS = {
    "inbox": 0o2770,
    "inbox/rejected": 0o2770,
    "runs": 0o2770,
    "sources": 0o2770,
    "runs/.incoming": 0o2750,
    "jobs": 0o2750,
    "conf": 0o2755,
    "conf/pipelines": 0o2755,
    "conf/schema": 0o2755,
    "examples": 0o2755,
}


class NoWorkspace(SporkError):
    """There is no workspace where one was looked for; name one or make one."""

    exit_code = 2


class Workspace(NamedTuple):
    """The paths of one workspace (contract 1). ``root`` is absolute."""

    root: Path

    @property
    def conf(self) -> Path:
        return self.root / "conf"

    @property
    def policy_file(self) -> Path:
        return self.root / MARK

    @property
    def pipelines(self) -> Path:
        return self.root / "conf/pipelines"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def rejected(self) -> Path:
        return self.root / "inbox/rejected"

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def db(self) -> Path:
        return self.root / "jobs/spork.db"

    @property
    def ledger(self) -> Path:
        return self.root / "jobs/state.jsonl"

    @property
    def daemon_lock(self) -> Path:
        return self.root / "jobs/daemon.lock"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def incoming(self) -> Path:
        """Run directories in the making; on the file system of ``runs``, into which they are renamed."""
        return self.root / "runs/.incoming"

    @property
    def lost_database(self) -> str:
        """What is wrong where the database is missing although there were jobs; else empty."""
        if self.db.exists() or not (self.ledger.exists() or any(self.runs.glob("*/events.jsonl"))):
            return ""
        return f"{self.db} is missing, and there were jobs; what they left tells all: spork rebuild"

    def shared_folders(self) -> list[tuple[Path, int]]:
        """The folders that people and the daemon work in together, each with its mode."""
        return [
            (self.root / name, mode) for name, mode in _FOLDERS.items() if not name.startswith(("conf", "ex"))
        ]

    def run(self, job_id: str) -> Path:
        """The run directory of a job."""
        return self.root / f"runs/{job_id}"

    def request(self, job_id: str) -> Path:
        """The accepted request of a job, byte for byte."""
        return self.root / "jobs" / f"{job_id}.yaml"


def find(start: Path, explicit: str | Path | None, environ: Mapping[str, str]) -> Workspace:
    """The workspace: ``explicit``, then ``SPORK_WORKSPACE``, then ``start`` or a folder above it, as in git.

    Raises NoWorkspace.
    """
    told = explicit or environ.get(VARIABLE)
    if told:
        root = (start / Path(told).expanduser()).resolve()
        if not (root / MARK).exists():
            source = "--workspace" if explicit else VARIABLE
            raise NoWorkspace(
                f"{source}: {root} is no workspace, it has no {MARK}; `spork init {root}` makes one"
            )
        return Workspace(root)
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / MARK).exists():
            return Workspace(folder)
    raise NoWorkspace(
        f"no workspace here: neither {start} nor a folder above it has {MARK};\n"
        f"go to one, name one with --workspace DIR, or make one with `spork init DIR`"
    )


def ensure_folders(root: Path) -> None:
    """Make the folders that are missing, with the contract's modes; OSError if that cannot be done."""
    # Whatever the umask: who can write here can put another folder in the place of each of ours.
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, mode in sorted(_FOLDERS.items()):
        path = root / name
        if not path.is_dir():
            path.mkdir()
            path.chmod(mode)
