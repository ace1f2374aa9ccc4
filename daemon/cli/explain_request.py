"""The story of a file in the inbox: the job it became, what it waits for, why it was refused or means nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from daemon.catalog import Catalog, file_key
from daemon.cli.beside import COPYING, refused_content, request_by_content
from daemon.cli.story import Story, by_its_name, held_up, look, reason_beside, story
from daemon.cli.waits import unfinished, unfit, waits
from daemon.incoming import is_copying
from daemon.looking import read_regular
from daemon.names import NO_REQUEST, Decision, Ignored, classify_decision, classify_inbox, shown
from daemon.settings import Policy, load_policy
from daemon.spool import LIMIT_BYTES
from daemon.workspace import Workspace

_DECISION_HINT = "a decision belongs into runs/ID/, the directory of its job"


def tell(workspace: Workspace, catalog: Catalog | None, path: Path, parts: tuple[str, ...]) -> Story:
    """The story of what lies, or lay, below ``inbox/``."""
    if len(parts) == 2:
        told = _request(workspace, catalog, path)
        taken_away = told.verdict == "waiting" and look(path) is None
        return _gone(workspace, catalog, path) if taken_away else told
    if parts[1] == "rejected":
        name = path.name.removesuffix(".error.txt")
        reason = reason_beside(path.parent, name) or "no reason lies beside it"
        return story(workspace, path, "refused", reason)
    why = "files in a folder of the inbox are sources of the request of that name, or nothing"
    return story(workspace, path, "ignored", why)


def is_refused(path: Path) -> bool:
    """Whether a folder of this name in the inbox is refused, because the name is a request's."""
    return path.parent.name == "inbox" and not isinstance(classify_inbox(path.name), Ignored)


def _request(workspace: Workspace, catalog: Catalog | None, path: Path) -> Story:
    meant = classify_inbox(path.name)
    if isinstance(meant, Ignored):
        right = "" if meant.meant else request_by_content(path)
        lines = by_its_name(meant._replace(meant=right) if right else meant)
        if meant.rule == NO_REQUEST and len(lines) == 1:
            lines.append("so it is no request; it may be a source that a request names in its params")
        return story(workspace, path, "ignored", *lines)
    status = look(path)
    if status is None:
        return _gone(workspace, catalog, path)
    claimed = catalog.claimed(file_key(status)) if catalog is not None else None
    if claimed is not None:
        return story(workspace, path, "taken", f"as job {claimed[0]} at {claimed[1]}; the daemon removes it")
    wrong = meant.unfit or unfit(status)
    if wrong:
        return story(workspace, path, "refused", reason_beside(workspace.rejected, path.name) or wrong)
    if note := refused_content(workspace, path):
        return story(workspace, path, "refused", note)
    policy = load_policy(workspace)
    copying = [COPYING] if is_copying(workspace, file_key(status)) else []
    why = [*copying, *waits(path, policy.inbox.settle_seconds, None)]
    said = _content(workspace, catalog, path, policy) if status.st_size else []
    return story(
        workspace, path, "waiting", *why, *said, *held_up(workspace, policy, work=f"inbox/{path.name}")
    )


def _content(workspace: Workspace, catalog: Catalog | None, path: Path, policy: Policy) -> list[str]:
    """What the daemon would say of the content, once it is whole."""
    data = _bytes(path)
    if not data or unfinished(data):
        return []
    from daemon.check import check_request

    problems = check_request(path, workspace)
    if not problems:
        return [_taken_id(catalog, path.name, data) or "its content is right"]
    missing = [p for p in problems if p.field.startswith("params.") and "put it there" in p.message]
    if len(missing) == len(problems):
        wait = policy.inbox.sources_wait_seconds
        return [f"waits at most {wait:g} s for a source: {p.message}" for p in missing]
    return [f"it would be refused: {problem}" for problem in problems[:3]] + _hint(path)


def _hint(path: Path) -> list[str]:
    return [_DECISION_HINT] if isinstance(classify_decision(path.name), Decision) else []


def _bytes(path: Path) -> bytes:
    """The content; nothing where we may not read it."""
    try:
        return read_regular(path.parent, path.name, LIMIT_BYTES)
    except OSError:
        return b""


def _taken_id(catalog: Catalog | None, name: str, data: bytes) -> str:
    """What the request's own id comes to; nothing where it is free or was left to the daemon."""
    from daemon import strictyaml

    wanted = strictyaml.parse(data, name).plain().get("id")
    known = catalog.request_sha256(str(wanted)) if catalog is not None and wanted is not None else None
    if known is None:
        return ""
    if known == hashlib.sha256(data).hexdigest():
        return f"it repeats job {wanted}, byte for byte: nothing new, it is taken away"
    return f"it would be refused: id {wanted} is taken by an earlier job with other content; choose another"


def _gone(workspace: Workspace, catalog: Catalog | None, path: Path) -> Story:
    taken = catalog.claimed_as_name(shown(path.name)) if catalog is not None else []
    lines = [f"a file of this name became job {job_id} at {at}" for job_id, at in taken]
    refused = reason_beside(workspace.rejected, path.name)
    if refused:
        lines += [f"a file of this name was refused: {refused}", *_hint(path)]
    if taken:
        return story(workspace, path, "taken", *lines)
    if refused:
        return story(workspace, path, "refused", *lines)
    return story(
        workspace,
        path,
        "gone",
        "no file of this name was ever taken; one that repeats a job, same id and same bytes, is only removed",
    )
