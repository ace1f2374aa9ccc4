"""What Python would find where a pipeline names a module or a file, and what that defines: told by reading alone.

Nothing is imported, not even the packages that a module is in. In doubt there is no answer.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from pkgutil import iter_modules

_SIZE_LIMIT = 4 * 1024 * 1024
_DYNAMIC = frozenset(("globals", "exec", "setattr", "__getattr__", "__dict__"))
"""Names that a file mentions which may define functions in ways that cannot be read off it."""
_MAKES_MODULES = _DYNAMIC | {"modules", "__path__", "extend_path"}
"""The same of a package, which may have modules that lie elsewhere or nowhere."""


class Absent(Exception):
    """There is no such module; ``beside`` are those that are where it would be."""

    def __init__(self, name: str, beside: Sequence[str]) -> None:
        super().__init__(name)
        self.name, self.beside = name, beside


def source_of(module: str) -> Path | None:
    """The file that an import of this module would read; None where only an import can tell. Absent, if none is there.

    As this process would find it: its path, its finders.
    """
    found: ModuleSpec | None = None
    folders: list[str] | None = None
    parts = module.split(".")
    for depth in range(len(parts)):
        name = ".".join(parts[: depth + 1])
        try:
            inside = _spec(name, folders)
        except Exception:  # noqa: BLE001  # a finder that somebody installed: what it cannot do here an import may
            return None
        if inside is None:
            if found is not None and _may_make_modules(found):
                return None
            raise Absent(name, _siblings(parts[:depth], folders))
        if depth < len(parts) - 1:
            if not inside.submodule_search_locations:
                return None
            try:
                folders = list(inside.submodule_search_locations)
            except KeyError:
                # A namespace within one looks its parent up among the imported.
                return None
        found = inside
    assert found is not None
    return Path(found.origin) if isinstance(found.loader, SourceFileLoader) and found.origin else None


def parsed(file: Path) -> ast.Module | None:
    """The file's tree; None where it cannot be read now or is too large. SyntaxError."""
    try:
        if file.stat().st_size > _SIZE_LIMIT:
            return None
        return ast.parse(file.read_bytes())
    except SyntaxError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError):
        return None


def lacks(tree: ast.Module, name: str) -> bool:
    """Whether the file certainly defines no such name at its top level."""
    known = set(_defined(tree.body))
    return not (name in known or "*" in known or _mentions(tree, _DYNAMIC))


def functions(tree: ast.Module) -> list[str]:
    """The functions that it plainly defines."""
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _spec(name: str, folders: Sequence[str] | None) -> ModuleSpec | None:
    """As importlib does it, but for the parents, which `importlib.util.find_spec` imports."""
    for finder in sys.meta_path:
        if (spec := finder.find_spec(name, folders)) is not None:
            return spec
    return None


def _siblings(package: Sequence[str], folders: Sequence[str] | None) -> list[str]:
    """The modules of a package; of the top level those that are neither Python's own nor private."""
    found = sorted({".".join((*package, one.name)) for one in iter_modules(folders) if one.name[0] != "_"})
    return found if package else [name for name in found if name not in sys.stdlib_module_names]


def _may_make_modules(package: ModuleSpec) -> bool:
    if package.origin is None:
        return False
    if not isinstance(package.loader, SourceFileLoader):
        return True
    try:
        tree = parsed(Path(package.origin))
    except SyntaxError:
        return False
    return tree is None or _mentions(tree, _MAKES_MODULES)


def _defined(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a module's top level may define, in ``if``, ``try`` and the like too; ``*`` for a star."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            yield from _defined(ast.iter_child_nodes(node))


def _mentions(tree: ast.Module, what: frozenset[str]) -> bool:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return not names.isdisjoint(what) or any(isinstance(node, ast.Global) for node in ast.walk(tree))
