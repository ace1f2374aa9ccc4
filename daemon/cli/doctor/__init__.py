"""``spork doctor``: what is wrong with the workspace and the machine, and how it is mended."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import chain

from daemon.cli.doctor import ground, packages, records
from daemon.cli.doctor.finding import Finding
from daemon.cli.places import workspace_of
from daemon.cli.screen import colorful, one_line, paint, show_json, show_lines
from daemon.workspace import Workspace


def command(args: Namespace) -> int:
    """Every finding; 1 if one of them wants mending."""
    workspace = workspace_of(args)
    found = list(findings(workspace, full=args.full))
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


def findings(workspace: Workspace, *, full: bool = False) -> Iterator[Finding]:
    """All that is looked at, in the order in which it would hurt. ``full``: every copy of every job."""
    policy, told = ground.policy(workspace)
    yield told
    yield from chain(ground.findings(workspace, policy), records.findings(workspace, full=full))
    yield from packages.findings(workspace, policy)
