"""The locked set, what we declare, and what a wheel of ours carries."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from daemon.cli.doctor.packages import VIDEO_MODULES

ROOT = Path(__file__).parents[2]
LOCKS = ["core", "video", "dev"]
OURS = {"daemon", "stages"}


def project() -> dict[str, Any]:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isinstance(found, dict)
    return found


def declared(*extras: str) -> set[str]:
    """Names of the distributions that the project, with these extras, says it needs."""
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def locked(name: str) -> set[tuple[str, str, str]]:
    """Name, version and marker of every requirement in a lock file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [
        re.sub(r"\s--hash=\S+", "", line) for line in text.splitlines() if not line.lstrip().startswith("#")
    ]
    wanted = [Requirement(line) for line in lines if line.strip()]
    return {(canonicalize_name(one.name), str(one.specifier), str(one.marker)) for one in wanted}


@functools.cache
def imported(folder: str) -> frozenset[str]:
    """Top-level modules of others that a package imports anywhere, or takes data files from."""
    names: set[str] = set()
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"files", "resources.files"}:
                names |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
            elif (
                folder == "stages"
                and isinstance(node, ast.Constant)
                and str(node.value).startswith("fontpkg_")
            ):
                names.add(str(node.value))  # of a table of fonts
    return frozenset(names - set(sys.stdlib_module_names) - OURS)


@functools.cache
def modules_of(distribution: str) -> frozenset[str]:
    """The top-level modules that an installed distribution brings."""
    files = metadata.distribution(distribution).files or []
    return frozenset(
        name.partition(".")[0]
        for file in files
        for name in (file.parts[0],)
        if not name.endswith(".dist-info")
    )


def test_no_locked_distribution_ships_our_package_names() -> None:
    """PyPI's python-daemon would overwrite our `daemon` without a word."""
    guilty = {
        f"{distribution.metadata['Name']}: {path}"
        for distribution in metadata.distributions()
        if distribution.metadata["Name"] != "probable-spork"
        for path in distribution.files or []
        if path.parts[0] in OURS | {f"{name}.py" for name in OURS}
    }
    assert not guilty


@pytest.mark.parametrize("package", sorted(OURS))
def test_our_packages_are_the_ones_that_python_finds(package: str) -> None:
    """In the environment of the tests both names mean this checkout."""
    code = f"import {package}; print({package}.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert Path(done.stdout.strip()) == ROOT / package / "__init__.py"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_has_hashes_and_no_address(name: str) -> None:
    """Where to fetch from is the machine's matter; what is fetched is ours."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*-", re.sub(r"^\s+--hash=sha256:[0-9a-f]{64}( \\)?$", "", text, flags=re.MULTILINE), re.MULTILINE
    )
    requirements = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]
    assert all("==" in block and "--hash=sha256:" in block for block in requirements)


def test_the_lock_files_are_one_resolution() -> None:
    """A larger set never changes what a smaller one installed."""
    assert locked("core") < locked("video") < locked("dev")


@pytest.mark.parametrize(
    ("name", "extras"), [("core", []), ("video", ["video"]), ("dev", ["video", "llm", "dev"])]
)
def test_everything_declared_is_locked(name: str, extras: list[str]) -> None:
    """Adding a dependency without `make lock` fails here."""
    assert declared(*extras) <= {name for name, _, _ in locked(name)}


@pytest.mark.parametrize(("folder", "extras"), [("daemon", []), ("stages", ["video", "llm"])])
def test_everything_imported_is_declared(folder: str, extras: list[str]) -> None:
    """What works only because another package happened to bring it along fails here."""
    assert imported(folder) - set().union(*map(modules_of, declared(*extras))) == set()


def test_everything_declared_is_imported() -> None:
    """Nothing is installed on people's machines for no use."""
    used = imported("daemon") | imported("stages")
    assert [name for name in sorted(declared("video", "llm")) if not modules_of(name) & used] == []


def test_doctor_asks_for_what_the_video_extra_installs() -> None:
    """One module of each package, no more, no less."""
    names = [
        canonicalize_name(Requirement(line).name) for line in project()["optional-dependencies"]["video"]
    ]
    assert [len(modules_of(name) & set(VIDEO_MODULES)) for name in names] == [1] * len(VIDEO_MODULES)


def test_a_wheel_carries_the_data_files(tmp_path: Path) -> None:
    """Everything in the two packages that git knows, the units as text, and nothing beside them."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        carried = {name for name in wheel.namelist() if ".dist-info/" not in name}
        unit = wheel.read("daemon/templates/spork.service")
    ours = [path for folder in sorted(OURS) for path in (ROOT / folder).rglob("*") if path.is_file()]
    expected = {str(path.relative_to(ROOT)) for path in ours if "__pycache__" not in path.parts}
    assert carried == expected
    assert unit == (ROOT / "systemd/spork.service").read_bytes()
