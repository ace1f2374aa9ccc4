"""Making a folder a workspace: folders, a policy, sample pipelines and requests, schemas for editors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from daemon.errors import CannotWrite
from daemon.schemas import KINDS, schema
from daemon.workspace import ensure_folders

SAMPLES = Path(__file__).parent / "samples"

_FILE_MODE = 0o644


def init(folder: Path) -> list[Path]:
    """Make ``folder`` a workspace, or complete one; gives the files it wrote. What is there stays as it is.

    Schemas are the exception: they belong to this version and are written anew. Raises CannotWrite.
    """
    root = folder.expanduser().absolute()
    try:
        ensure_folders(root)
        return [path for path, data in _contents(root) if _put(path, data)]
    except OSError as error:
        raise CannotWrite(f"{error.filename or root}: {error.strerror}; no workspace was made") from error


def _contents(root: Path) -> Iterator[tuple[Path, bytes]]:
    for sample in sorted(SAMPLES.rglob("*.*")):
        if sample.is_file():
            target = root / sample.relative_to(SAMPLES)
            if not target.exists():
                yield target, sample.read_bytes()
    for kind in KINDS:
        data = json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"
        yield root / "conf/schema" / f"{kind}.schema.json", data.encode()


def _put(path: Path, data: bytes) -> bool:
    """Write a file whole, unless it has these bytes already."""
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".spork-{os.getpid()}-{path.name}")
    temporary.write_bytes(data)
    temporary.chmod(_FILE_MODE)
    temporary.rename(path)
    return True
