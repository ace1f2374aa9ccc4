"""Find what an earlier attempt of the same job has made, so that unchanged parts are not made again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stages.contract import Context


def earlier(context: Context, path: str) -> list[Path]:
    """Files published as ``path`` before: the present one, then those in ``history/``, newest first."""
    kept = [*context.run_dir.glob(f"history/*/{path}")]
    kept.sort(key=lambda file: (file.stat().st_mtime_ns, str(file)), reverse=True)
    present = context.run_dir / path
    return [file for file in (present, *kept) if file.is_file() and not file.is_symlink()]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
