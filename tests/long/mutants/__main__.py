"""``python -m tests.long.mutants [WORD...]``: take each one out, see a test fail, and write docs/removals.md.

With words, only those whose description holds one of them, or that are of that kind; the page keeps what it says
of the others. Exit code 1 if one was missed by its tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.long.mutants.removals import ROOT, Removal, removals

SIDE_BY_SIDE = 2
PATIENCE_SECONDS = 600
TESTS_FAILED = 1
"""pytest's exit code."""
PAGE = ROOT / "docs/removals.md"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)

HEAD = """\
# Removing any one of these makes a test fail

Made by `make mutants` (last on {when}): each line was taken out of a copy of the daemon, and the test named beside it
failed. {caught} of {total} were caught.

| kind | taken out of the daemon | module | the test that fails |
|---|---|---|---|
"""


def main(words: Sequence[str]) -> int:
    """Try them two at a time, each in a copy of the tree."""
    chosen = [r for r in removals() if not words or any(word in r.what or word == r.kind for word in words)]
    with tempfile.TemporaryDirectory(prefix="spork-mutants-") as base:
        trees = [_copy(Path(base) / str(number)) for number in range(SIDE_BY_SIDE)]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            found = list(pool.map(lambda one: _tried(one, trees), chosen))
    missed = [removal.what for removal, test in zip(chosen, found, strict=True) if not test]
    print(
        f"{len(chosen) - len(missed)} of {len(chosen)} were caught"
        + "".join(f"\nmissed: {what}" for what in missed)
    )
    _write({_row(one): test for one, test in zip(chosen, found, strict=True)})
    return 1 if missed else 0


def _copy(tree: Path) -> Path:
    leave_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "runs", "jobs", "inbox")
    shutil.copytree(ROOT, tree, ignore=leave_out)
    return tree


def _tried(removal: Removal, trees: list[Path]) -> str:
    """The first test that fails without it, or nothing."""
    tree = trees.pop()
    try:
        module = tree / "daemon" / removal.module
        kept = module.read_text(encoding="utf-8")
        module.write_text(removal.applied(tree), encoding="utf-8")
        try:
            failed = _failing(tree, removal.tests)
        finally:
            module.write_text(kept, encoding="utf-8")
    finally:
        trees.append(tree)
    print(f"{removal.kind:6} {removal.what}: {failed or 'MISSED'}", flush=True)
    return failed


def _failing(tree: Path, tests: Sequence[str]) -> str:
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end of {tests[0]}"
    if done.returncode != TESTS_FAILED:
        if done.returncode:
            # What cannot be imported or collected shows nothing of the removal.
            print(done.stdout[-2000:], flush=True)
        return ""
    found = _FAILED.search(done.stdout)
    return found[1] if found else tests[0]


def _row(one: Removal) -> str:
    """How its row begins."""
    return f"| {one.kind} | {one.what} | `{one.module}` |"


def _write(found: Mapping[str, str]) -> None:
    """What was tried now, and of the others what the page said before."""
    old = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = []
    for row in map(_row, removals()):
        before = next((line for line in old if line.startswith(row)), f"{row} not tried yet |")
        now = f"{row} {f'`{found[row]}`' if found[row] else '**missed**'} |" if row in found else before
        rows.append(now.replace("tests/", ""))
    caught = sum(row.endswith("` |") for row in rows)
    head = HEAD.format(when=f"{datetime.now(UTC):%Y-%m-%d}", caught=caught, total=len(rows))
    PAGE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
