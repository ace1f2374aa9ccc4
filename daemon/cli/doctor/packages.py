"""What is installed: what the daemon imports, what would overwrite it, what videos need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from itertools import chain

from daemon.cli.doctor.finding import Finding
from daemon.settings import Policy
from daemon.workspace import Workspace

VIDEO_MODULES = (
    "av", "fontpkg_inter", "fontpkg_jetbrains_mono", "fontpkg_montserrat", "fontpkg_source_serif_4", "hibari",
    "lucide", "markdown_it", "numpy", "onnxruntime", "pygments", "pypdfium2", "pysubs2", "skia", "trafilatura",
    "wordllama",
)  # fmt: skip
"""What the [video] extra installs, by the names under which the stages import it."""


def findings(workspace: Workspace, policy: Policy) -> Iterator[Finding]:
    """What is missing or in the way."""
    yield from chain(_packages(), _video(workspace, policy))


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
            "in a clone of spork: make demo, or pip install '.[video]'",
        )
        return
    try:
        __import__("skia")
        yield Finding("video", "its libraries are there")
    except ImportError as error:
        yield Finding("video", f"skia cannot be loaded: {error}", "apt install libegl1 libgl1")
