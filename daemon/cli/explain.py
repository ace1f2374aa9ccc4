"""``spork explain PATH``: what a file in ``inbox/`` or ``runs/ID/`` is, and why it was or was not taken."""

from __future__ import annotations

import os
import stat
from argparse import Namespace
from pathlib import Path

from daemon.cli import explain_request, explain_run
from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import show, show_json, tell
from daemon.cli.story import Story, look, story
from daemon.errors import NotPossible
from daemon.lease import install_lease_signal_handler
from daemon.names import DECISIONS, shown
from daemon.workspace import Workspace

DROP_BOXES = ("inbox", "runs", "sources")


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
        show_json([{"path": s.path, "verdict": s.verdict, "why": list(s.lines)} for s in found])
        return 0
    for told in found:
        show(f"{told.path}: {told.verdict}")
        for line in "\n".join(told.lines).split("\n"):
            show(f"  {line}")
    return 0


def explain(workspace: Workspace, text: str) -> Story:
    """The story of one path, which need not be there any more."""
    path = _placed(workspace, text)
    parts = path.relative_to(workspace.root).parts
    try:
        return _told(workspace, path, parts)
    except PermissionError as error:
        return story(workspace, path, "unknown", f"cannot look: {error.strerror}; ask as another user")


def _told(workspace: Workspace, path: Path, parts: tuple[str, ...]) -> Story:
    if _is_folder(path):
        return story(workspace, path, "folder", _folder(parts))
    if parts[0] == "inbox":
        return explain_request.tell(workspace, catalog_of(workspace), path, parts)
    if parts[0] == "runs":
        in_run = len(parts) > 2
        return (
            explain_run.tell(workspace, catalog_of(workspace), path, parts)
            if in_run
            else _in_runs(workspace, path)
        )
    if look(path) is None:
        return story(workspace, path, "gone", "nothing of this name lies there")
    why = "a source: read when a request's params name it; what lies in sources/ stays there"
    return story(workspace, path, "ignored", why)


def _placed(workspace: Workspace, text: str) -> Path:
    """The path within the workspace, links in its folders followed, its own name not."""
    for base in (Path.cwd(), workspace.root):
        path = Path(os.path.normpath(base / text))
        real = Path(os.path.realpath(path.parent)) / path.name
        root = Path(os.path.realpath(workspace.root))
        if any(real.is_relative_to(root / box) for box in DROP_BOXES):
            return workspace.root / real.relative_to(root)
    raise NotPossible(
        f"{shown(text)}: only files in inbox/, in runs/ID/ and in sources/ of {workspace.root} are explained"
    )


def _is_folder(path: Path) -> bool:
    """A folder itself, unless it has the name of a request: that is refused, and its story says so."""
    status = look(path)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return False
    return not (explain_request.is_refused(path) or path.name in {f"{verb}.yaml" for verb in DECISIONS})


def _folder(parts: tuple[str, ...]) -> str:
    box, name = parts[0], shown(parts[1]) if parts[1:] else ""
    if box == "sources":
        return "files that requests name as their sources"
    if box == "runs":
        return _folder_of_runs(parts, name)
    if name == "rejected":
        return "refused requests, each with its reason beside it in NAME.error.txt"
    return (
        f"sources of the request {name}.yaml, or nothing; requests in it are not read"
        if name
        else "where requests are dropped"
    )


def _folder_of_runs(parts: tuple[str, ...], name: str) -> str:
    if not name:
        return "one folder for each job"
    if name.startswith("."):
        return "the daemon's: requests on their way to become jobs"
    if len(parts) > 2:
        return "of the job: what its stages made, or the daemon's"
    return f"of a job; where it is: spork status {name}"


def _in_runs(workspace: Workspace, path: Path) -> Story:
    """A file in runs/ itself, or the directory of a job that is gone."""
    catalog = catalog_of(workspace)
    job = catalog.job(path.name) if catalog is not None else None
    if job is not None and job.final:
        why = f"the directory of job {job.id}, which is {job.status}; it was pruned or removed"
        return story(workspace, path, "gone", why)
    if job is not None:
        why = f"the directory of job {job.id}, which is {job.status}; the daemon makes it anew"
        return story(workspace, path, "gone", why)
    if not os.path.lexists(path):
        return story(workspace, path, "unknown", f"there is no job {shown(path.name)}")
    return story(workspace, path, "ignored", "decisions lie in runs/ID/, the directory of their job")
