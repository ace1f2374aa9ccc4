"""``spork approve|reject|resume|cancel JOB``: the same files that people rename, bound to what was shown."""

from __future__ import annotations

import os
import time
from argparse import Namespace

from daemon.catalog import Catalog, file_key, key_of
from daemon.cli.edits import look_at_edits
from daemon.cli.places import holder_of, job_of, workspace_of
from daemon.cli.screen import show, tell
from daemon.doors import Answer, drop_answer, shown_gate, user_name
from daemon.dropping import Dropped
from daemon.errors import CannotWrite, NotPossible, TryAgain
from daemon.model import Job
from daemon.names import DECISIONS
from daemon.workspace import Workspace


class WrongEdit(NotPossible):
    """What would be approved was edited, and cannot be used so."""


POLL_SECONDS = 0.05
GONE_SECONDS = 2.0
SHOWN_SECONDS = 10.0
DECIDED_SECONDS = 30.0


def command(args: Namespace) -> int:
    """Drop the decision; 0 once it is durably there, with ``--wait`` once recorded, 65 if refused."""
    workspace = workspace_of(args)
    catalog, job = job_of(workspace, args.job)
    redo = dict(getattr(args, "redo", None) or ())
    then, from_stage = getattr(args, "then", None), getattr(args, "from_stage", None)
    answer = Answer(
        verb=args.verb,
        by=args.by if args.by is not None else user_name(),
        notes=args.notes,
        # Who names what is to be made again means now; to go back to another stage says so already.
        then="retry" if redo and then is None and from_stage is None else then,
        from_stage=from_stage,
        redo=redo,
        stage=args.stage,
        unbound=getattr(args, "unbound", False),
    )
    if answer.unbound:
        refuse_unbound(workspace)
    if answer.verb == "approve" and job.answerable:
        refuse_wrong_edits(workspace, catalog, job)
    dropped = give(workspace, catalog, job, answer)
    if args.wait:
        await_record(workspace, catalog, job, dropped)
        after = catalog.job(job.id)
        assert after is not None
        show(f"recorded: {job.id} is {after.status}" + (f" ({after.reason})" if after.reason else ""))
        return 0
    show(f"runs/{job.id}/{dropped.name}")
    if holder_of(workspace) is None:
        tell("No daemon runs here; the next one records it.")
    other = {"approve": "reject", "reject": "approve"}.get(answer.verb)
    if other and _undecided(workspace, catalog, job, f"{other}.yaml"):
        tell(f"{other}.yaml lies there too and is not decided yet: where both do, reject wins.")
    return 0


def _undecided(workspace: Workspace, catalog: Catalog, job: Job, name: str) -> bool:
    """Whether an answer of this name lies there that was not looked at yet: a refused one takes part in nothing."""
    try:
        status = os.lstat(workspace.run(job.id) / name)
    except OSError:
        return False
    return catalog.looked_at(job.id, file_key(status)) is None


def give(workspace: Workspace, catalog: Catalog, job: Job, answer: Answer) -> Dropped:
    """Drop the answer, once the gate that was just opened shows itself. Raises what `drop_answer` raises."""
    if not workspace.run(job.id).is_dir():
        raise CannotWrite(f"runs/{job.id} is gone; nothing was written")
    refused = frozenset(key_of(d.identity) for d in catalog.decisions(job.id) if d.verdict == "refused")
    await_shown(workspace, job)
    return drop_answer(workspace, job, answer, refused)


def refuse_unbound(workspace: Workspace) -> None:
    """NotPossible where the policy has such answers refused: not to say 0 and have it refused a moment later."""
    from daemon.settings import load_policy

    if load_policy(workspace).decisions.unbound == "refuse":
        raise NotPossible(
            "the policy says 'unbound: refuse': an answer names the digest of what was looked at; "
            "leave --unbound out; nothing was written"
        )


def refuse_wrong_edits(workspace: Workspace, catalog: Catalog, job: Job) -> None:
    """WrongEdit where the stage itself says that its files cannot be used as somebody has edited them."""
    looked = look_at_edits(workspace, catalog, job)
    if looked is None or not looked.wrong:
        return
    raise WrongEdit(
        f"{looked.wrong}\nnothing was written; mend it and approve again, or approve it as it is: "
        f"mv runs/{job.id}/approve.template.yaml runs/{job.id}/approve.yaml"
    )


def undecided(workspace: Workspace, catalog: Catalog, job: Job) -> bool:
    """Whether any decision lies in the job's directory that was not looked at yet."""
    return any(_undecided(workspace, catalog, job, f"{verb}.yaml") for verb in DECISIONS)


def await_decided(workspace: Workspace, catalog: Catalog, job: Job) -> None:
    """Give the daemon the time to decide what lies there; not for ever, as its writer may never end it."""
    deadline = time.monotonic() + DECIDED_SECONDS
    while undecided(workspace, catalog, job):
        if time.monotonic() > deadline or holder_of(workspace) is None:
            return
        time.sleep(POLL_SECONDS)


def await_shown(workspace: Workspace, job: Job) -> None:
    """Give the daemon a moment to show the gate that it has just opened, if the job is at one.

    The files follow the commit; a daemon that was killed in between writes them when it starts.
    """
    deadline = time.monotonic() + SHOWN_SECONDS
    while job.answerable and shown_gate(workspace.run(job.id), job) is None:
        if time.monotonic() > deadline or holder_of(workspace) is None:
            return
        time.sleep(POLL_SECONDS)


def await_record(workspace: Workspace, catalog: Catalog, job: Job, dropped: Dropped) -> None:
    """Wait until it is recorded. NotPossible, with the reason, if it is refused; TryAgain without daemon."""
    path = workspace.run(job.id) / dropped.name
    gone_since = None
    while True:
        looked = catalog.looked_at(job.id, dropped.key)
        if looked is not None and looked.verdict == "refused":
            raise NotPossible(f"refused: {looked.why}")
        if looked is not None:
            return
        if path.exists():
            gone_since = None
        elif gone_since is None:
            gone_since = time.monotonic()
        elif time.monotonic() - gone_since > GONE_SECONDS:
            # Unlinked without a record: it repeats a decision that was recorded before.
            tell("it was decided so before; nothing changed")
            return
        if path.exists() and holder_of(workspace) is None:
            raise TryAgain(
                f"no daemon runs here: runs/{job.id}/{dropped.name} lies there, the next one records it"
            )
        time.sleep(POLL_SECONDS)
