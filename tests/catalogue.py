"""``python -m tests.catalogue``: docs/faults.md, made of tests/faults.yaml and the marks in the tests.

A test says which faults it holds with ``@pytest.mark.fault(12, 13)``; the marks are read from the source, so that
nothing needs to be imported or run.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FAULTS = ROOT / "tests/faults.yaml"
PAGE = ROOT / "docs/faults.md"
SHOWN = 3
"""Tests named for a row; the marks name them all."""

HEAD = """\
# Faults, and the tests that hold what is promised

Made by `python -m tests.catalogue` from `tests/faults.yaml` and the marks in the tests; edit those.
`tests/long/` is run by the `make` target in brackets, everything else by `make test`.

**W** waits: nothing happens, status and log say which file and why. **R** refuses: the input is kept, the
message has file, place and mend, other work goes on. **S** survives: nothing lost, nothing doubled.
**H** halts loudly, or takes no new work; never guesses.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. ``why``: the reason where no test can hold it, or what of it is not tested."""

    number: int
    fault: str
    promise: str
    why: str = ""


def parts() -> list[tuple[str, list[Row]]]:
    """The catalogue: each part's title with its rows."""
    read: list[dict[str, Any]] = yaml.safe_load(FAULTS.read_text(encoding="utf-8"))
    return [(part["part"], [Row(**row) for row in part["rows"]]) for part in read]


@functools.cache
def marked(root: Path = ROOT) -> dict[int, list[str]]:
    """The tests of each fault, as ``path::name``."""
    found: dict[int, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, number in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            tests = found.setdefault(number, [])
            label = f"{path.relative_to(root / 'tests')}::{name}"
            if label not in tests:
                tests.append(label)
    return found


def _marks(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            # Also those within a parametrization: pytest.param(..., marks=pytest.mark.fault(59)).
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
                    yield from ((node.name, ast.literal_eval(number)) for number in call.args)


def page(tests: Mapping[int, list[str]]) -> str:
    """The page as it stands in docs/."""
    lines = [HEAD]
    for title, rows in parts():
        lines += [f"## {title}\n", "| # | fault | promise | tests |", "|---|---|---|---|"]
        lines += [_line(row, tests.get(row.number, [])) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row, tests: list[str]) -> str:
    named = [_test(test) for test in tests[:SHOWN]]
    more = [f"and {len(tests) - SHOWN} more"] if len(tests) > SHOWN else []
    why = [row.why] if row.why else []
    cells = (str(row.number), row.fault, row.promise, "; ".join([*named, *more, *why]))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _test(label: str) -> str:
    path, name = label.split("::")
    target = f" (`make {Path(path).parts[1]}`)" if path.startswith("long/") else ""
    return f"`{Path(path).stem}` {name.removeprefix('test_').replace('_', ' ')}{target}"


if __name__ == "__main__":
    PAGE.write_text(page(marked()), encoding="utf-8")
