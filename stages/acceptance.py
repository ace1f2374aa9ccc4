"""Look at the finished video as a stranger would: probe the real file, write down what was found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stages.checks import captioning, contrast, edges, files, loudness, pace, picture, streams, sync
from stages.checks.evidence import Evidence, gather
from stages.checks.result import Result
from stages.contract import Context, StageError

RESULTS = "acceptance_results.json"
CHECKS = (
    (pace, "script"), (contrast, "assets"), (edges, "assets"), (picture, "animatics"), (loudness, "audio"),
    (sync, "audio"), (captioning, "audio"), (streams, "assemble"), (files, "assemble"),
)  # fmt: skip
"""What is looked at, and the stage that makes it: to the earliest at fault the job goes back."""


READ, WATCHED = 0.04, 0.95
"""Measured on a video of two minutes: when the sound has been read, and when every frame has been seen."""


def run(context: Context) -> None:
    """Write ``acceptance_results.json``, then StageError with every check that failed."""
    context.progress(0.0, "listening to the video")
    evidence = gather(context, lambda share: context.progress(_watched(share), "watching the video"))
    results, blamed = _checked(context, evidence)
    results.sort(key=lambda result: not result.failed)
    _write(context, results)
    for result in results:
        print(f"{result.verdict}  {result}")
    if blamed:
        failed = [result for result in results if result.failed]
        raise StageError(
            f"{len(failed)} of {len(results)} checks failed:\n"
            + "\n".join(f"  {result}" for result in failed),
            hint=f"all values: `spork logs {context.job_id} acceptance`; after mending what is at fault: "
            f"`spork resume {context.job_id} --from {blamed[0]}`",
        )
    context.progress(1.0, f"{len(results)} checks passed")


def _checked(context: Context, evidence: Evidence) -> tuple[list[Result], list[str]]:
    """What every check found, and the stages at fault, the earliest first."""
    results: list[Result] = []
    blamed: list[str] = []
    for number, (checks, stage) in enumerate(CHECKS):
        context.progress(
            _watched(1.0) + (1 - _watched(1.0)) * number / len(CHECKS),
            f"checking {checks.__name__.rsplit('.', 1)[-1]}",
        )
        found = list(checks.check(evidence))
        results += found
        blamed += [stage] if any(result.failed for result in found) else []
    return results, blamed


def _write(context: Context, results: Sequence[Result]) -> None:
    failed = [result.name for result in results if result.failed]
    report = {
        "schema": 1,
        "verdict": "fail" if failed else "pass",
        "failed": failed,
        "checks": [result.printed() for result in results],
    }
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    (context.out_dir / RESULTS).write_text(text, encoding="utf-8")
    context.describe(
        RESULTS,
        "acceptance",
        verdict=report["verdict"],
        checks=len(results),
        failed=failed,
        note=f"{len(results)} checks passed",
        table=[["check", "value", "threshold", "verdict"], *(result.row() for result in results)],
    )


def _watched(share: float) -> float:
    """How far the whole is when that share of the video has been seen."""
    return READ + (WATCHED - READ) * share
