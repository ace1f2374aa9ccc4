"""``spork explain PATH``: what a file in ``inbox/`` or ``runs/ID/`` is, and why it was or was not taken."""

from __future__ import annotations

import errno
import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from daemon.catalog import Catalog, Looked, file_key
from daemon.cli.places import catalog_of, holder_of, workspace_of
from daemon.cli.screen import show, show_json, tell
from daemon.errors import NotPossible
from daemon.lease import Writers, install_lease_signal_handler, writer_pids, writers
from daemon.model import Job
from daemon.names import Decision, Ignored, beside, classify_decision, classify_inbox, shown
from daemon.settings import Policy, load_policy
from daemon.spool import TEMPLATE_HEADER, ends_with_mark
from daemon.strangers import no_permission, owner_of, unfit_kind
from daemon.workspace import Workspace

READ_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Explained:
    """A file's story. ``verdict``: taken, recorded, refused, waiting, ignored, gone, ours, artifact..."""

    path: str
    verdict: str
    lines: tuple[str, ...]


def command(args: Namespace) -> int:
    """One story a path; those in no drop-box are told on stderr, NotPossible if there is no other."""
    workspace = workspace_of(args)
    install_lease_signal_handler()
    found, elsewhere = [], []
    for text in args.paths:
        try:
            found.append(explain(workspace, text))
        except NotPossible as error:
            elsewhere.append(str(error))
    if not found:
        raise NotPossible("\n".join(elsewhere))
    for said in elsewhere:
        tell(said)
    if args.json:
        show_json([{"path": e.path, "verdict": e.verdict, "why": list(e.lines)} for e in found])
        return 0
    for story in found:
        show(f"{story.path}: {story.verdict}")
        for line in story.lines:
            show(f"  {line}")
    return 0


def explain(workspace: Workspace, text: str) -> Explained:
    """The story of one path, which need not be there any more."""
    path = _placed(workspace, text)
    catalog = catalog_of(workspace)
    parts = path.relative_to(workspace.root).parts
    if len(parts) <= 2 and path.is_dir() and not path.is_symlink():
        return _said(path, workspace, "folder", _folder(parts))
    if len(parts) == 2 and parts[0] == "inbox" and parts[1] != "rejected":
        return _request(workspace, catalog, path)
    if len(parts) > 2 and parts[:2] == ("inbox", "rejected"):
        return _rejected(path)
    if len(parts) > 2 and parts[0] == "inbox":
        why = "files in a folder of the inbox are sources of the request of that name, or nothing"
        return _said(path, workspace, "ignored", why)
    if len(parts) >= 3 and parts[0] == "runs":
        return _in_run(workspace, catalog, path, parts)
    raise NotPossible(f"{text}: only files in inbox/ and in runs/ID/ are explained")


def _placed(workspace: Workspace, text: str) -> Path:
    """The path within the workspace, links in its folders followed, its own name not."""
    for base in (Path.cwd(), workspace.root):
        path = Path(os.path.normpath(base / text))
        real = Path(os.path.realpath(path.parent)) / path.name
        root = Path(os.path.realpath(workspace.root))
        if real.is_relative_to(root / "inbox") or real.is_relative_to(root / "runs"):
            return workspace.root / real.relative_to(root)
    raise NotPossible(f"{text}: only files in inbox/ and in runs/ID/ of {workspace.root} are explained")


def _folder(parts: tuple[str, ...]) -> str:
    if parts[0] == "runs":
        return f"of a job; where it is: spork status {shown(parts[1])}" if parts[1:] else "one folder a job"
    if parts[1:] == ("rejected",):
        return "refused requests, each with its reason beside it in NAME.error.txt"
    return f"sources of the request {shown(parts[1])}.yaml, or nothing" if parts[1:] else "requests, dropped"


def _said(path: Path, workspace: Workspace, verdict: str, *lines: str) -> Explained:
    return Explained(
        shown(str(path.relative_to(workspace.root))), verdict, tuple(line for line in lines if line)
    )


# -- requests


def _request(workspace: Workspace, catalog: Catalog | None, path: Path) -> Explained:
    name = path.name
    meant = classify_inbox(name)
    if isinstance(meant, Ignored):
        return _said(path, workspace, "ignored", *_ignored(meant))
    status = _lstat(path)
    if status is None:
        return _gone_request(workspace, catalog, path)
    claimed = catalog.claimed(file_key(status)) if catalog is not None else None
    if claimed is not None:
        return _said(path, workspace, "taken", f"as job {claimed[0]} at {claimed[1]}; the daemon removes it")
    note = _note(workspace.rejected / beside(name, ".error.txt"))
    unfit = meant.unfit or unfit_kind(status)
    if unfit:
        return _said(path, workspace, "refused", note or unfit)
    policy = load_policy(workspace)
    waits = _waits(path, status, policy.inbox.settle_seconds, None)
    return _said(
        path, workspace, "waiting", *waits, *_vetted(workspace, path, policy, waits), *_nobody(workspace)
    )


def _vetted(workspace: Workspace, path: Path, policy: Policy, waits: list[str]) -> list[str]:
    """What the daemon would say of the content, once it is whole."""
    if waits[:1] == ["it is empty"]:
        return []
    from daemon.check import check

    problems = check(path, workspace)
    if not problems:
        return ["its content is right"]
    missing = [p for p in problems if p.field.startswith("params.") and "put it there" in p.message]
    if len(missing) == len(problems):
        wait = policy.inbox.sources_wait_seconds
        return [f"waits at most {wait:g} s for a source: {p.message}" for p in missing]
    return [f"it would be refused: {problem}" for problem in problems[:3]]


def _gone_request(workspace: Workspace, catalog: Catalog | None, path: Path) -> Explained:
    taken = catalog.claimed_as_name(shown(path.name)) if catalog is not None else []
    lines = [f"a file of this name became job {job_id} at {at}" for job_id, at in taken]
    refused = _note(workspace.rejected / beside(path.name, ".error.txt"))
    if refused:
        lines.append(f"a file of this name was refused: {refused}")
    if taken:
        return _said(path, workspace, "taken", *lines)
    return _said(
        path, workspace, "refused" if refused else "gone", *(lines or ["no file of this name was ever taken"])
    )


def _rejected(path: Path) -> Explained:
    name = path.name.removesuffix(".error.txt")
    note = _note(path.with_name(beside(name, ".error.txt")))
    return Explained(f"inbox/rejected/{shown(path.name)}", "refused", (note or "no reason lies beside it",))


# -- decisions and artifacts


def _in_run(workspace: Workspace, catalog: Catalog | None, path: Path, parts: tuple[str, ...]) -> Explained:
    job = catalog.job(parts[1]) if catalog is not None else None
    if job is None or catalog is None:
        return _said(path, workspace, "unknown", f"there is no job {shown(parts[1])}")
    if len(parts) > 3 or isinstance(classify_decision(path.name), Ignored):
        return _other(workspace, job, path, "/".join(parts[2:]))
    status = _lstat(path)
    if status is not None:
        return _lying(workspace, catalog, job, path, status)
    known = [_recorded(d) for d in catalog.decisions(job.id) if d.name == path.name]
    return _said(path, workspace, "recorded" if known else "gone", *(known or ["none was ever looked at"]))


def _lying(workspace: Workspace, catalog: Catalog, job: Job, path: Path, status: os.stat_result) -> Explained:
    """A decision file that lies in the run directory."""
    looked = catalog.looked_at(job.id, file_key(status))
    if looked is not None:
        return _said(path, workspace, looked.verdict, _recorded(looked))
    if unfit_kind(status):
        return _said(path, workspace, "refused", unfit_kind(status))
    if job.final:
        return _said(path, workspace, "ignored", f"the job is {job.status}: nothing can be decided any more")
    policy = load_policy(workspace)
    waits = _waits(path, status, policy.inbox.settle_seconds, policy.inbox.empty_seconds)
    return _said(path, workspace, "waiting", *waits, *_would(job, path), *_nobody(workspace))


def _other(workspace: Workspace, job: Job, path: Path, relative: str) -> Explained:
    for stage in job.stages:
        for artifact in stage.artifacts:
            if artifact.path == relative:
                return _said(path, workspace, "artifact", f"made by {stage.name}, attempt {stage.attempts}")
    top = relative.split("/", 1)[0]
    if top in ("decisions", "history", "logs", "sources", ".work"):
        return _said(path, workspace, "ours", f"{top}/ is the daemon's: nothing in it is read as an answer")
    meant = classify_decision(path.name)
    if isinstance(meant, Ignored) and "/" not in relative:
        return _said(
            path, workspace, "ours" if "the daemon writes" in meant.rule else "ignored", *_ignored(meant)
        )
    return _said(
        path, workspace, "ignored", "no artifact of this job, and decisions lie in the run directory itself"
    )


def _would(job: Job, path: Path) -> list[str]:
    meant = classify_decision(path.name)
    assert isinstance(meant, Decision)
    from typing import cast

    from daemon.documents import Verb, load_decision
    from daemon.errors import Invalid

    try:
        load_decision(_read(path), cast(Verb, meant.verb), path.name)
    except (Invalid, OSError) as error:
        return [f"it would be refused: {error}"]
    if meant.verb in ("approve", "reject") and not job.answerable:
        return [f"the job is {job.status}: no gate waits for an answer"]
    return []


def _recorded(looked: Looked) -> str:
    place = f"{looked.stage}.{looked.attempt}" if looked.stage else "the job"
    if looked.verdict == "refused":
        return f"refused at {looked.at}: {looked.why}"
    return f"recorded at {looked.at} about {place}, by {looked.by}; kept in decisions/"


# -- what both share


def _ignored(meant: Ignored) -> list[str]:
    lines = [f"by its name: {meant.rule}"]
    if meant.meant:
        lines.append(f"did you mean {shown(meant.meant)}? Rename it to that")
    if meant.editing:
        lines.append(f"an editor seems to have {shown(meant.editing)} open; such markers can be left over")
    return lines


def _waits(path: Path, status: os.stat_result, settle: float, empty: float | None) -> list[str]:
    """What the settling rule waits for, as far as one look can say."""
    if status.st_size == 0:
        return ["it is empty" if empty is None else f"it is empty: that counts after {empty:g} quiet seconds"]
    lines: list[str] = []
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM)
        return [no_permission(status) if denied else f"cannot read: {error.strerror}"]
    try:
        held = writers(fd)
        data = os.read(fd, READ_LIMIT)
    finally:
        os.close(fd)
    if held is Writers.SOME:
        pids = writer_pids(status.st_dev, status.st_ino)
        who = f" by pid {', '.join(map(str, pids))}" if pids else " by a process we cannot see"
        return [f"it is still open for writing{who}"]
    if status.st_nlink > 1:
        lines.append(f"it has {status.st_nlink} hard links: taken once it has rested, or is the only one")
    if data.startswith(TEMPLATE_HEADER) and not ends_with_mark(data):
        return [*lines, "incomplete: a template whose last line, `...`, is missing"]
    if ends_with_mark(data):
        lines.append("it is complete: it ends with `...`")
    else:
        lines.append(f"complete once unchanged for {settle:g} s; `...` as its last line makes it so at once")
    if held is Writers.UNKNOWN:
        lines.append(f"it is {owner_of(status.st_uid)}'s: whether somebody writes it, only resting can tell")
    return lines


def _nobody(workspace: Workspace) -> list[str]:
    return [] if holder_of(workspace) else ["no daemon runs here, so nobody takes it"]


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() if not path.is_symlink() else ""
    except OSError:
        return ""


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        return file.read(READ_LIMIT)
