"""``spork doctor``: what is wrong with the workspace and the machine, and how it is mended."""

from __future__ import annotations

import json
import os
import stat
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from daemon.catalog import Catalog
from daemon.cli.places import catalog_of, daemon_line, holder_of, workspace_of
from daemon.cli.screen import colorful, one_line, paint, show_json, show_lines
from daemon.errors import BadPolicy, Halt, Invalid
from daemon.exposure import is_root, open_to_all, too_few_files, writable_by_all
from daemon.files import read_regular
from daemon.mounts import needs_polling
from daemon.settings import Policy, load_policy
from daemon.workspace import Workspace

WATCHES_WANTED = 65_536
INSTANCES_WANTED = 16
RECENT = 200
VIDEO_MODULES = (
    "av", "fontpkg_inter", "fontpkg_jetbrains_mono", "hibari", "lucide", "markdown_it", "numpy",
    "onnxruntime", "pypdfium2", "pysubs2", "skia", "trafilatura", "wordllama",
)  # fmt: skip
"""What the [video] extra installs, by the names under which the stages import it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` is empty where it is right, or only to be known."""

    about: str
    said: str
    mend: str = ""


def command(args: Namespace) -> int:
    """Every finding; 1 if one of them wants mending."""
    workspace = workspace_of(args)
    found = list(findings(workspace))
    if args.json:
        show_json([{"about": f.about, "right": not f.mend, "said": f.said, "mend": f.mend} for f in found])
    else:
        on = colorful()
        for finding in found:
            mark = paint("ok    ", "green", on=on) if not finding.mend else paint("MEND  ", "red", on=on)
            show_lines([f"{mark}{finding.about:12} {one_line(finding.said)}"])
            if finding.mend:
                show_lines([f"      {'':12} -> {one_line(finding.mend)}"])
    return 1 if any(f.mend for f in found) else 0


def findings(workspace: Workspace) -> Iterator[Finding]:
    """All that is looked at, in the order in which it would hurt."""
    policy, told = _policy(workspace)
    yield told
    yield from chain(_pipelines(workspace), _folders(workspace), _locks(workspace, policy))
    yield from chain(_disk(workspace, policy), _inotify(workspace), _file_systems(workspace, policy))
    yield from chain(_database(workspace), _packages(), _video(workspace, policy))


def _policy(workspace: Workspace) -> tuple[Policy, Finding]:
    try:
        return load_policy(workspace), Finding("policy", "conf/operator.yaml is right")
    except BadPolicy as error:
        return Policy(), Finding("policy", str(error), "mend the line; a daemon does not start with it")


def _pipelines(workspace: Workspace) -> Iterator[Finding]:
    from daemon.pipelines import load_named

    for path in sorted(workspace.pipelines.glob("*.yaml")):
        try:
            load_named(workspace.pipelines, path.stem)
            yield Finding("pipeline", f"{path.stem} is right")
        except Invalid as error:
            yield Finding("pipeline", str(error), "mend it; requests that name it are refused")


def _folders(workspace: Workspace) -> Iterator[Finding]:
    wanted = {
        workspace.inbox: 0o2770,
        workspace.rejected: 0o2770,
        workspace.runs: 0o2770,
        workspace.jobs: 0o2750,
    }
    for path, mode in wanted.items():
        name = str(path.relative_to(workspace.root))
        try:
            status = path.stat()
        except OSError as error:
            yield Finding("folder", f"{name}: {error.strerror}", "spork init makes what is missing")
            continue
        found = stat.S_IMODE(status.st_mode)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK) and path != workspace.jobs:
            yield Finding(
                "folder", f"{name} is not writable for you", "join its group, or mend owner and mode"
            )
        elif found & stat.S_IWOTH:
            yield Finding(
                "folder", f"{name} is writable for everybody ({found:04o})", f"chmod {mode:04o} {path}"
            )
        elif found != mode:
            yield Finding(
                "folder", f"{name} has mode {found:04o}, not {mode:04o}", f"chmod {mode:04o} {path}"
            )
        else:
            yield Finding("folder", f"{name} {found:04o}")
    for path, found in writable_by_all(workspace):
        if path in wanted:
            continue
        said = f"{path} is writable for everybody ({found:04o})"
        yield Finding("folder", said, f"chmod o-w {path}")


def _locks(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    holder = holder_of(workspace)
    yield Finding("daemon", daemon_line(holder))
    lane = policy.lane.path if policy.lane.path.is_absolute() else workspace.root / policy.lane.path
    for name, path in (("daemon.lock", workspace.daemon_lock), ("lane", lane)):
        if path.is_symlink():
            yield Finding("lock", f"{path} is a link", f"rm {path}; locks are files of their own")
        elif path.exists() and needs_polling(path.parent):
            kind = needs_polling(path.parent)
            yield Finding("lock", f"{name} lies on {kind}", "locks and database need a local file system")
        elif not path.parent.is_dir():
            yield Finding("lock", f"{name}: {path.parent} is missing", f"mkdir -p {path.parent}")
    if is_root():
        yield Finding("user", "you are root", "run daemon and commands as a user of their own")
    umask = os.umask(0o077)
    os.umask(umask)
    if open_to_all(umask):
        said = f"umask {umask:04o} lets everybody write to what you make"
        yield Finding("user", said, "umask 0027, in your profile or UMask= in the unit")
    if why := too_few_files():
        yield Finding("user", *why.split("; raise it: "))


def _disk(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    for path in (workspace.runs, workspace.jobs):
        if not path.is_dir():
            continue
        room = os.statvfs(path)
        free = room.f_bavail * room.f_frsize // (1 << 20)
        said = f"{path.relative_to(workspace.root)}: {free} MiB free"
        low = free < policy.min_free_mib
        yield Finding(
            "disk", said, f"below min_free_mib ({policy.min_free_mib:g}): spork prune" if low else ""
        )
        if room.f_files and room.f_favail < 10_000:
            yield Finding(
                "disk", f"{room.f_favail} inodes free", "remove files: spork prune --older-than 30d"
            )


def _inotify(workspace: Workspace) -> Iterator[Finding]:
    for name, wanted in (("max_user_watches", WATCHES_WANTED), ("max_user_instances", INSTANCES_WANTED)):
        try:
            limit = int(Path(f"/proc/sys/fs/inotify/{name}").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        mend = f"sysctl fs.inotify.{name}={wanted}; until then more is polled" if limit < wanted else ""
        yield Finding("inotify", f"{name} {limit}", mend)


def _file_systems(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    kind = needs_polling(workspace.jobs)
    if kind:
        yield Finding("files", f"jobs/ lies on {kind}", "move the workspace: jobs/ needs a local file system")
    for path in (workspace.inbox, workspace.runs):
        kind = needs_polling(path)
        if kind:
            mend = (
                "watch.mode: inotify hears nothing there; set auto or poll"
                if policy.watch.mode == "inotify"
                else ""
            )
            yield Finding(
                "files", f"{path.name}/ lies on {kind}: polled every {policy.watch.poll_seconds:g} s", mend
            )


def _database(workspace: Workspace) -> Iterator[Finding]:
    try:
        catalog = catalog_of(workspace)
        if catalog is None:
            yield Finding("database", "there is none yet: no daemon has run here")
            return
        verdict = catalog.quick_check()
    except Halt as error:
        yield Finding("database", str(error), "stop the daemon, then: spork rebuild")
        return
    if verdict != "ok":
        yield Finding("database", f"damaged: {verdict}", "stop the daemon, then: spork rebuild")
        return
    yield Finding("database", f"sound, {sum(catalog.counts().values())} jobs")
    yield from _copies(workspace, catalog)


def _copies(workspace: Workspace, catalog: Catalog) -> Iterator[Finding]:
    """Whether state.json and the ledger say what the database says; one a moment behind is not told."""
    behind = []
    jobs = [*catalog.open_jobs(RECENT), *catalog.finished_jobs(RECENT)]
    for summary in jobs:
        run, job = workspace.run(summary.id), catalog.job(summary.id)
        if job is None or not run.is_dir():
            continue
        try:
            shown_seq = int(json.loads(read_regular(run, "state.json", 1 << 26))["seq"])
        except (OSError, ValueError, KeyError, TypeError):
            shown_seq = -1
        now = catalog.job(summary.id)
        if shown_seq != job.seq and now is not None and now.seq == job.seq:
            behind.append(summary.id)
    mend = (
        "start the daemon: it catches up by itself" if holder_of(workspace) is None else "restart the daemon"
    )
    if behind:
        yield Finding("copies", f"state.json is behind the database: {', '.join(behind[:5])}", mend)
    else:
        yield Finding("copies", f"state.json of the {len(jobs)} latest jobs says what the database says")
    last, ledger = catalog.last_seq(), _ledger_seq(workspace.ledger)
    if ledger != last and catalog.last_seq() == last:
        yield Finding("copies", f"jobs/state.jsonl ends at event {ledger}, the database at {last}", mend)


def _ledger_seq(path: Path) -> int:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - (1 << 20), 0))
            return int(json.loads(file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1])["seq"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _packages() -> Iterator[Finding]:
    try:
        clash = metadata.version("python-daemon")
        yield Finding(
            "packages",
            f"python-daemon {clash} is installed and overwrites our package `daemon`",
            "pip uninstall python-daemon, then install probable-spork again, in an environment of its own",
        )
    except metadata.PackageNotFoundError:
        pass
    missing = [
        name for name in ("filelock", "pydantic", "yaml", "rich", "watchdog") if find_spec(name) is None
    ]
    if missing:
        yield Finding("packages", f"missing: {', '.join(missing)}", "make install")


def _video(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    """Whether videos can be made, where the default pipeline makes one."""
    try:
        if b"stages." not in (workspace.pipelines / f"{policy.pipeline.default}.yaml").read_bytes():
            return
    except OSError:
        return
    absent = [name for name in VIDEO_MODULES if not find_spec(name)]
    if absent:
        yield Finding(
            "video",
            f"cannot make videos: {', '.join(absent)} not installed",
            "pip install 'probable-spork[video]'",
        )
        return
    try:
        __import__("skia")
        yield Finding("video", "its libraries are there")
    except ImportError as error:
        yield Finding("video", f"skia cannot be loaded: {error}", "apt install libegl1 libgl1")
