"""``spork check FILE...``"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from daemon.check import check
from daemon.cli.own_id import taken
from daemon.cli.places import catalog_of, workspace_of
from daemon.cli.screen import show, show_json
from daemon.documents import whole_file
from daemon.errors import Problem
from daemon.names import Ignored, classify_inbox, shown, verb_of
from daemon.workspace import Workspace

BAD_INPUT = 65


def command(args: Namespace) -> int:
    """The daemon's own verdict on each file; 65 if any is wrong."""
    workspace = workspace_of(args)
    found = {name: _problems(Path(name), workspace) for name in args.files}
    if args.json:
        show_json(
            [
                {"file": name, "problems": [{key: getattr(p, key) for key in _KEYS} for p in problems]}
                for name, problems in found.items()
            ]
        )
    else:
        for name, problems in found.items():
            for problem in problems:
                show(str(problem))
            if not problems:
                show(f"{shown(name)}: right")
    return BAD_INPUT if any(found.values()) else 0


def _problems(path: Path, workspace: Workspace) -> list[Problem]:
    """What is wrong with the file, with a request's id, and with a decision in a run directory for its job."""
    problems = check(path, workspace)
    run, verb = Path(os.path.normpath(path.absolute())).parent, verb_of(path.name)
    if problems:
        return problems
    if run == workspace.inbox and (right := _right_name(path.name)):
        return [whole_file(shown(str(path)), f"by this name nobody takes it; rename it to {shown(right)}")]
    if not verb:
        return _taken_id(path, workspace)
    if run.parent != workspace.runs:
        return []
    from daemon.cli.explain_run import objection

    catalog = catalog_of(workspace)
    job = catalog.job(run.name) if catalog is not None else None
    if catalog is None or job is None:
        return [whole_file(shown(str(path)), f"there is no job {shown(run.name)} that it could decide")]
    why = objection(workspace, catalog, job, path, verb)
    return [whole_file(shown(str(path)), why)] if why else []


def _right_name(name: str) -> str:
    """The name of a request that one only looks like; empty for others, also for what is set aside."""
    meant = classify_inbox(name)
    return meant.meant if isinstance(meant, Ignored) else ""


def _taken_id(path: Path, workspace: Workspace) -> list[Problem]:
    from daemon import strictyaml

    data = path.read_bytes()
    facts = strictyaml.parse(data, path.name).plain() if data else {}
    own = facts.get("id")
    # Of all that is checked only a request has an intent.
    return taken(workspace, shown(str(path)), own, data) if "intent" in facts and isinstance(own, str) else []


_KEYS = ("line", "column", "field", "message")
