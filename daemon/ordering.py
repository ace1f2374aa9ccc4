"""What an attempt is told, and how long it may take: from its job, the job's pipeline and the policy."""

from __future__ import annotations

from daemon.feedback import waiting
from daemon.model import Job, StageStatus
from daemon.orders import Order
from daemon.page import label
from daemon.settings import Policy, stage_limit_seconds
from daemon.shelf import Shelf
from daemon.workspace import Workspace
from stages.contract import Published


class Ordering:
    """Makes the orders of a workspace's attempts."""

    def __init__(self, workspace: Workspace, shelf: Shelf, policy: Policy) -> None:
        self._workspace, self._shelf = workspace, shelf
        self.apply(policy)

    def apply(self, policy: Policy) -> None:
        """Use this policy for attempts that start from now on."""
        self._policy = policy

    def order(self, job: Job) -> Order:
        """All that the job's open attempt is told. Raises what `Shelf.stage` raises."""
        stage = self._shelf.stage(job, job.stage or "")
        run = self._workspace.run(job.id)
        own, told = job.at(job.stage), waiting(job.told, stage.name)
        mark = label(job, own, job.attempt)
        stages = self._policy.stages
        return Order(
            job_id=job.id,
            stage=stage.name,
            attempt=job.attempt,
            run_dir=run,
            out_dir=run / ".work" / mark,
            log_path=run / "logs" / f"{mark}.log",
            sources=run / "sources",
            pipeline_dir=self._workspace.pipelines,
            run=stage.run or "",
            command=tuple(stage.command or ()),
            env=tuple(dict.fromkeys((*stages.env, *stage.env))),
            outputs=tuple(stage.outputs),
            log_limit_bytes=int(stages.log_limit_mib * 1024 * 1024),
            intent=job.intent,
            params=job.params,
            feedback=told.notes,
            redo=told.redo,
            artifacts=tuple(
                Published(a.path, a.kind, a.bytes, a.sha256, name, a.meta)
                for name in own.needs
                for a in job.at(name).artifacts
            ),
            placeholders=self._policy.placeholders,
            ahead=self._ahead(job),
        )

    def _ahead(self, job: Job) -> tuple[str, ...]:
        """What the stage after this one names to be imported ahead of it."""
        left = (s.name for s in job.stages if s.status is not StageStatus.COMPLETED and s.name != job.stage)
        following = next(left, None)
        return () if following is None else self._shelf.stage(job, following).preload

    def limit_seconds(self, job: Job) -> float:
        """The time limit of the job's next or present attempt. Raises what `Shelf.stage` raises."""
        name = job.at(job.stage).name
        own = self._shelf.stage(job, name).timeout
        return stage_limit_seconds(self._policy, name, job.stage_timeouts, own)
