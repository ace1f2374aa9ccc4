"""What a scene is made of is all that its picture depends on, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stages
from stages.shot import DRAWN_BY

pytestmark = pytest.mark.video

ROOT = Path(stages.__file__).parent
DATA = {"scenes.py", "contract.py", "__init__.py"}
"""Types of what is in the digest by value, and the errors."""


def test_all_code_that_draws_is_in_the_digest() -> None:
    """Every module that shot.py, picture.py and clips.py import, directly or not: a change there draws anew."""
    wanted, known = {"shot.py", "picture.py", "clips.py"}, set[str]()
    while wanted - known:
        name = sorted(wanted - known)[0]
        known.add(name)
        wanted |= _imported(ROOT / name)
    layouts = {name for name in known if name.startswith("layouts/")}
    assert known - layouts - DATA - set(DRAWN_BY) == set()
    assert set(DRAWN_BY) - known == set()


def _imported(path: Path) -> set[str]:
    """Files of ``stages`` that a module imports, those for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")[1:] if name.split(".")[0] == "stages" else []
            found |= {f for f in ("/".join(parts) + ".py",) if parts and (ROOT / f).is_file()}
            found |= {
                f"layouts/{other.name}"
                for other in (ROOT / "layouts").glob("*.py")
                if parts[:1] == ["layouts"]
            }
    return found
