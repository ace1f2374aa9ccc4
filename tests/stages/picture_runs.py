"""Run directories of short silent scenes, and the stages that draw them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stages import animatics, assets
from stages.contract import Context
from stages.scenes import Storyboard
from tests.stages.storyboards import storyboard

SMALL = {"width": 320, "height": 180, "fps": 15}


def start(run_dir: Path, board: Storyboard) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "storyboard.json").write_text(board.model_dump_json(by_alias=True), encoding="utf-8")


def attempt(run_dir: Path, stage: Any, number: int = 1, **more: Any) -> dict[str, bytes]:
    """Run a stage as the daemon does: made aside, then moved into the run directory; what it made."""
    out = run_dir / ".work" / f"{stage.__name__}.{number}"
    out.mkdir(parents=True)
    stage.run(
        Context(run_dir=run_dir, out_dir=out, job_id="job", stage=stage.__name__, attempt=number, **more)
    )
    made = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.copytree(out, run_dir, dirs_exist_ok=True)
    return made


def drawn(run_dir: Path) -> Path:
    """Four short scenes, drawn."""
    start(run_dir, storyboard(only=[0, 3, 6, 9], seconds=0.8, **SMALL))
    attempt(run_dir, assets)
    attempt(run_dir, animatics)
    return run_dir


def cite_lines_of_their_own(board: Storyboard) -> None:
    """Each scene another line, as the scenes of a real video do."""
    for number, each in enumerate(board.scenes):
        each.citations = [citation.model_copy(update={"line": number + 1}) for citation in each.citations]
