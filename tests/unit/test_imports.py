"""Imports go one way: down the layers, never up, and never around."""

from __future__ import annotations

import ast
import functools
import graphlib
from pathlib import Path

ROOT = Path(__file__).parents[2]

# From the doors down to the leaves. A module imports from its own layer or a lower one.
LAYERS = """
__main__ cli
doors submission
dropping
serve
opening
recovery
loop
looks
starts copies
runs
watchlist parts
attempts ordering inbox decisions ground
gates decisionfiles
kept gated
current recorder sources taken carrier retention review drafts shelf rebuild evidence generation twin
setup
check service schemas runnable modules page
runner watcher projection publication
workroom keeper child strays lane harness harvest stagelog processes inotify mounts
anchor catalog exposure storm
checkup answers store tables database spool unhurried errands digests codec finding lease sightings strangers
received changes
settings tightening pipelines documents params explain strictyaml tree rulings logs repeats logstream notify
machine
gate_transitions
transitions
ledger eventfile clashes feedback
room
workspace orders files looking below beneath renames birth incoming names escapes clock patience lull deadlines suspects
leisure listings thrift
model errors endmark identity scope difference
"""
RANK = {name: rank for rank, line in enumerate(reversed(LAYERS.split("\n"))) for name in line.split()}

PURE = ("model", "machine", "transitions", "gate_transitions", "rulings", "answers", "feedback")
PURE_MAY_IMPORT = {"__future__", "collections", "dataclasses", "enum", "typing", "daemon", "types"}


@functools.cache
def imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def modules() -> dict[str, set[str]]:
    """Each module of the daemon with the modules of ours it imports; a package counts as one."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "daemon").rglob("*.py"):
        if "templates" in path.parts or path == ROOT / "daemon/__init__.py":
            continue
        name = path.relative_to(ROOT / "daemon").with_suffix("").parts[0]
        ours = {i.split(".")[1] for i in imports(path) if i.startswith("daemon.")}
        found[name] = found.get(name, set()) | (ours - {name})
    return found


def test_every_module_has_its_layer() -> None:
    """Whoever adds a module says where it stands."""
    assert set(modules()) - set(RANK) == set()


def test_imports_go_down() -> None:
    """No module imports one of a higher layer."""
    wrong = [f"{m} -> {i}" for m, ours in modules().items() for i in ours if i in RANK and RANK[i] > RANK[m]]
    assert wrong == []


def test_there_is_no_way_around() -> None:
    """No module imports itself through others."""
    graph = {m: {i for i in ours if i in RANK} for m, ours in modules().items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) >= len(graph)


def test_stages_do_not_know_the_daemon() -> None:
    """A stage runs and is tested with a temporary folder and nothing else."""
    wrong = [
        f"{path.name}: {name}"
        for path in (ROOT / "stages").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "daemon"
    ]
    assert wrong == []


def test_the_rules_are_pure() -> None:
    """No clock, no disk, no processes: the rules import nouns and nothing that could reach out."""
    for name in PURE:
        outside = {i.split(".")[0] for i in imports(ROOT / f"daemon/{name}.py")} - PURE_MAY_IMPORT
        assert outside == set(), name
