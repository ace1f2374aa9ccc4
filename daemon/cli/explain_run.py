"""The story of a file in a run directory: the decision it was or would be, an artifact, ours, or nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import get_args

from daemon.answers import Decision as Ruled
from daemon.answers import Refused, Repeated, Verb, answer
from daemon.catalog import Catalog, Looked, file_key
from daemon.cli.story import Story, by_its_name, held_up, look, reason_beside, story
from daemon.cli.waits import unfinished, unfit, waits
from daemon.digests import FileDigests
from daemon.documents import load_decision
from daemon.errors import Invalid
from daemon.looking import read_regular
from daemon.model import Job, Stage
from daemon.names import Decision, Ignored, classify_decision, is_ours, shown
from daemon.rulings import GateTerms, OnDisk
from daemon.settings import Policy, load_policy
from daemon.spool import LIMIT_BYTES
from daemon.workspace import Workspace

_OURS = ("decisions", "history", "logs", "sources", ".work")


def tell(workspace: Workspace, catalog: Catalog | None, path: Path, parts: tuple[str, ...]) -> Story:
    """The story of what lies, or lay, in ``runs/ID/``."""
    job = catalog.job(parts[1]) if catalog is not None else None
    if job is None or catalog is None:
        return story(workspace, path, "unknown", f"there is no job {shown(parts[1])}")
    meant = classify_decision(path.name)
    if len(parts) > 3 or isinstance(meant, Ignored):
        return _other(workspace, catalog, job, path, "/".join(parts[2:]))
    status = look(path)
    if status is not None:
        return _lying(workspace, catalog, job, path, meant, status)
    known = [_recorded(d) for d in catalog.decisions(job.id) if d.name == path.name]
    return story(workspace, path, "recorded" if known else "gone", *(known or ["none was ever looked at"]))


def _lying(
    workspace: Workspace,
    catalog: Catalog,
    job: Job,
    path: Path,
    meant: Decision,
    status: os.stat_result,
) -> Story:
    """A decision file that lies in the run directory."""
    looked = catalog.looked_at(job.id, file_key(status))
    if looked is not None:
        return story(workspace, path, looked.verdict, _recorded(looked))
    wrong = unfit(status)
    if wrong:
        return story(workspace, path, "refused", wrong)
    if job.final:
        why = f"the job is {job.status}: nothing can be decided any more"
        return story(workspace, path, "ignored", why)
    policy = load_policy(workspace)
    why_not_yet = waits(path, policy.inbox.settle_seconds, policy.inbox.empty_seconds)
    said = _would(workspace, job, path, meant, policy)
    both = _both(path) if meant.verb == "approve" else []
    return story(workspace, path, "waiting", *why_not_yet, *both, *said, *held_up(workspace, policy))


def _both(path: Path) -> list[str]:
    there = os.path.lexists(path.with_name("reject.yaml"))
    return ["reject.yaml lies there too: it is looked at first, and wins"] if there else []


def objection(workspace: Workspace, catalog: Catalog, job: Job, path: Path, verb: str) -> str:
    """Why the decision that lies there was refused, or would be; nothing where it counts or repeats one."""
    looked = catalog.looked_at(job.id, file_key(os.lstat(path)))
    if looked is not None:
        return looked.why.removeprefix(f"{path.name}: ") if looked.verdict == "refused" else ""
    if job.final:
        return f"job {job.id} is {job.status}: nothing can be decided any more"
    try:
        _rule(workspace, job, path, verb, load_policy(workspace))
    except Refused as error:
        return str(error)
    except (OSError, Invalid, Repeated):
        pass  # told by whoever read it, or nothing to object to
    return ""


def _would(workspace: Workspace, job: Job, path: Path, meant: Decision, policy: Policy) -> list[str]:
    """What the rules would say of it, once it is whole."""
    try:
        if not unfinished(read_regular(path.parent, path.name, LIMIT_BYTES)):
            _rule(workspace, job, path, meant.verb, policy)
    except OSError:
        return []
    except (Invalid, Refused) as error:
        return [f"it would be refused: {error}"]
    except Repeated:
        return ["it repeats a decision that was recorded before: nothing new, it is taken away"]
    return []


def _rule(workspace: Workspace, job: Job, path: Path, wanted: str, policy: Policy) -> None:
    """Ask the rules. Raises what they raise: Refused, Repeated; Invalid, OSError."""
    verb = next(verb for verb in get_args(Verb) if verb == wanted)
    data = read_regular(path.parent, path.name, LIMIT_BYTES)
    document = load_decision(data, verb, path.name)
    decision = Ruled(
        verb, "", "", job=document.job, stage=document.stage, attempt=document.attempt,
        digest=document.digest, then=document.then, from_stage=document.from_, redo=document.redo or {},
    )  # fmt: skip
    terms = GateTerms(None, auto_approve=False, on_timeout="pause", expires_at=None)
    unbound = policy.decisions.unbound == "refuse"
    answer(job, decision, "", _on_disk(workspace, job), refuse_unbound=unbound, terms=terms)


def _on_disk(workspace: Workspace, job: Job) -> OnDisk | None:
    """The gate's files as they are; as they were where we may not read them."""
    from daemon.doors import digest_now

    if job.gate is None:
        return None
    return OnDisk(digest_now(workspace.run(job.id), job) or job.gate.digest)


def _other(workspace: Workspace, catalog: Catalog, job: Job, path: Path, relative: str) -> Story:
    for stage in job.stages:
        if relative in (artifact.path for artifact in stage.artifacts):
            said = f"made by {stage.name}, attempt {stage.attempts}"
            return story(workspace, path, "artifact", said, *_edits(workspace, catalog, job, stage, relative))
    top = relative.split("/", 1)[0]
    if top in _OURS:
        why = f"{top}/ is the daemon's: nothing in it is read as an answer"
        return story(workspace, path, "ours", why, *_kept(catalog, job, path, top))
    meant = classify_decision(path.name)
    if "/" in relative or not isinstance(meant, Ignored):
        why = (
            "nothing to the daemon: no artifact of this job, and decisions lie in the run directory itself;"
            " a stage may read it"
        )
        return story(workspace, path, "ignored", why)
    if look(path) is None and not meant.meant and not is_ours(path.name):
        return story(workspace, path, "gone", "nothing of this name lies there, and no stage made it")
    about = path.name.removesuffix(".error.txt")
    reason = reason_beside(path.parent, about) if about != path.name else ""
    verdict = "ours" if "the daemon writes" in meant.rule else "ignored"
    lines = [f"why {shown(about)} does not count: {reason}"] if reason else by_its_name(meant)
    if meant.meant and job.final:
        lines = [lines[0], f"and the job is {job.status}: nothing can be decided any more"]
    return story(workspace, path, verdict, *lines)


def _edits(workspace: Workspace, catalog: Catalog, job: Job, stage: Stage, relative: str) -> list[str]:
    """Whether a person changed what the stage made."""
    at = [
        event.ts
        for event in catalog.events(job.id)
        if event.type == "artifact_edited"
        and (event.stage, event.attempt) == (stage.name, stage.attempts)
        and relative in (artifact["path"] for artifact in event.payload["artifacts"])
    ]
    lines = [f"edited at its gate, noted at {at[-1]}"] if at else []
    known = next(a.sha256 for a in stage.artifacts if a.path == relative)
    try:
        now = FileDigests().digest(workspace.run(job.id), relative)
    except OSError:
        return lines
    return lines if now == known else [*lines, "changed since then: other bytes than the job knows of"]


def _kept(catalog: Catalog, job: Job, path: Path, top: str) -> list[str]:
    """Which decision a file in decisions/ is."""
    if top != "decisions":
        return []
    try:
        sha = hashlib.sha256(read_regular(path.parent, path.name, LIMIT_BYTES)).hexdigest()
    except OSError:
        return []
    return [_recorded(d) for d in catalog.decisions(job.id) if d.sha256 == sha]


def _recorded(looked: Looked) -> str:
    place = f"{looked.stage}.{looked.attempt}" if looked.stage else "the job"
    if looked.verdict == "refused":
        return f"refused at {looked.at}: {looked.why}"
    return f"recorded at {looked.at} about {place}, by {looked.by}; kept in decisions/"
