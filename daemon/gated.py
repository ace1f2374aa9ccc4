"""The files at a gate as they are on the disk now: what they hold, whether that was approved, who is writing them."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

from daemon.beneath import open_beneath
from daemon.lease import Writers, writers
from daemon.model import Artifact, Job, Stage, StageStatus
from daemon.publication import gate_digest
from daemon.rulings import OnDisk
from daemon.unhurried import UnhurriedDigests
from daemon.workspace import Workspace

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.EINVAL, errno.EACCES, errno.EPERM}
"""No file that could be approved is there; after any other error another look may find it as it was."""


class GatedFiles:
    """The files of one workspace that somebody approves, or has approved. What it remembers can be made again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._digests = UnhurriedDigests()

    def on_disk(self, job: Job, stage: Stage, *, fresh: bool) -> OnDisk:
        """The stage's files as they are. ``fresh`` reads every byte; else untouched files are believed.

        Raises Underway while they are large and being read; OSError where they cannot be read now.
        """
        run = self._workspace.run(job.id)
        now: list[Artifact] = []
        missing = []
        found = self._digests.digests(run, [a.path for a in stage.artifacts], fresh=fresh)
        for artifact in stage.artifacts:
            sha = found[artifact.path]
            if isinstance(sha, OSError):
                if sha.errno not in _NOT_THERE:
                    raise sha
                missing.append(artifact.path)
                continue
            now.append(artifact if sha == artifact.sha256 else _edited(run, artifact, sha))
        changed = tuple(a for a, old in zip(now, _present(stage, missing), strict=True) if a is not old)
        return OnDisk(gate_digest((a.path, a.sha256) for a in now), changed, tuple(missing))

    def not_as_approved(self, job: Job) -> tuple[Stage, OnDisk] | None:
        """The first stage whose files are not what was approved, and what they are."""
        for stage in job.stages:
            approved = job.approved(stage)
            if approved is None or stage.status is not StageStatus.COMPLETED:
                continue
            on_disk = self.on_disk(job, stage, fresh=False)
            if on_disk.digest != approved or on_disk.missing:
                return stage, on_disk
        return None

    def being_written(self, job: Job, stage: Stage) -> str | None:
        """The first file of the stage that somebody has open for writing, as far as the kernel can tell."""
        run = self._workspace.run(job.id)
        for artifact in stage.artifacts:
            try:
                fd = open_beneath(run, artifact.path)
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    raise
                continue
            try:
                if writers(fd) is Writers.SOME:
                    return artifact.path
            finally:
                os.close(fd)
        return None

    def forget(self, job_id: str) -> None:
        """Drop what is known of the job's files, and what is being read of them."""
        self._digests.forget(self._workspace.run(job_id))

    def end(self) -> None:
        """Read nothing any more."""
        self._digests.end()


def _present(stage: Stage, missing: list[str]) -> list[Artifact]:
    return [a for a in stage.artifacts if a.path not in missing]


def _edited(run: Path, artifact: Artifact, sha: str) -> Artifact:
    return replace(artifact, sha256=sha, bytes=os.lstat(run / artifact.path).st_size)
