"""Run one stage by itself: ``python -m stages.alone stages.outline --run DIR --params '{"minutes": 1}'``.

The stage works in a temporary folder; what it made is then moved into the run directory.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from stages.contract import META_NAME, Context, StageError


def main(arguments: list[str] | None = None) -> int:
    """Run the stage; 0 if it succeeded, 1 if it said why it cannot."""
    options = _parser().parse_args(arguments)
    run_dir = options.run.resolve()
    with tempfile.TemporaryDirectory(prefix="stage-") as folder:
        context = Context(
            run_dir=run_dir,
            out_dir=Path(folder),
            job_id=run_dir.name,
            stage=options.stage.rsplit(".", 1)[-1],
            attempt=1,
            intent=options.intent,
            params=json.loads(options.params),
            feedback=options.feedback,
            redo=json.loads(options.redo),
            sources=(options.sources or run_dir / "sources").resolve(),
            progress_file=Path("/dev/stderr") if options.progress else None,
        )
        run = importlib.import_module(options.stage).run
        os.chdir(folder)
        try:
            run(context)
        except StageError as error:
            print(f"{context.stage}: {error}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
            return 1
        for path in publish(Path(folder), run_dir):
            print(path)
        os.chdir(run_dir)
    return 0


def publish(made: Path, run_dir: Path) -> list[Path]:
    """Move what a stage made into the run directory, and say what that was."""
    moved: list[Path] = []
    for path in sorted(path for path in made.rglob("*") if path.is_file() and path.name != META_NAME):
        target = run_dir / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        moved.append(target)
    return moved


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stages.alone", description="Run one stage by itself.")
    parser.add_argument("stage", help="the module, for example stages.outline")
    parser.add_argument(
        "--run", type=Path, required=True, help="the run directory: artifacts are read from and moved to it"
    )
    parser.add_argument(
        "--sources", type=Path, help="the folder with the source documents (default: RUN/sources)"
    )
    parser.add_argument("--params", default="{}", help="the job's params as JSON")
    parser.add_argument("--intent", default="", help="the job's intent")
    parser.add_argument("--feedback", default="", help="the notes of a rejection")
    parser.add_argument("--redo", default="{}", help="the parts to make again, as JSON")
    parser.add_argument("--progress", action="store_true", help="print progress to stderr")
    return parser


if __name__ == "__main__":
    sys.exit(main())
