"""Look at the finished video as a stranger would: probe the real file, write down what was found."""

from __future__ import annotations

import json

from stages.checks import captioning, contrast, files, loudness, pace, picture, streams, sync
from stages.checks.evidence import gather
from stages.checks.result import Result
from stages.contract import Context, StageError

RESULTS = "acceptance_results.json"
CHECKS = (files, streams, loudness, sync, captioning, picture, contrast, pace)


def run(context: Context) -> None:
    """Write ``acceptance_results.json``, then StageError with every check that failed."""
    context.progress(0.1, "watching the video")
    evidence = gather(context)
    results: list[Result] = []
    for number, checks in enumerate(CHECKS):
        context.progress(0.5 + 0.5 * number / len(CHECKS), f"checking {checks.__name__.rsplit('.', 1)[-1]}")
        results += checks.check(evidence)
    failed = [result for result in results if result.failed]
    report = {
        "schema": 1,
        "verdict": "fail" if failed else "pass",
        "failed": [result.name for result in failed],
        "checks": [result.printed() for result in results],
    }
    text = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    (context.out_dir / RESULTS).write_text(text, encoding="utf-8")
    context.describe(
        RESULTS, "acceptance", verdict=report["verdict"], checks=len(results), failed=report["failed"]
    )
    for result in results:
        print(f"{result.verdict}  {result}")
    if failed:
        raise StageError(
            f"{len(failed)} of {len(results)} checks failed:\n"
            + "\n".join(f"  {result}" for result in failed),
            hint="send the job back to the stage at fault, for example `spork resume JOB --from storyboard`",
        )
    context.progress(1.0, f"{len(results)} checks passed")
