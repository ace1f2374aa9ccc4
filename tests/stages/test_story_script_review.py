"""What the gate of the script shows: every sentence with its place, and what the sources had beside it."""

from __future__ import annotations

import json
from pathlib import Path

from stages import script
from stages.contract import META_NAME
from tests.stages.story_runs import Run


def test_the_gate_shows_the_script_and_what_it_leaves_out(tmp_path: Path) -> None:
    """Which sentences rest on nothing is said, and which parts, tables and figures of the sources are not told."""
    run = Run(tmp_path, "Explain how a starter is fed", 0.3)
    run.source(
        "dough.md",
        "# Dough\n\nA starter lives in flour and water. It is fed once a day. It doubles in 8 hours.\n\n"
        "## Warmth\n\nHeat makes it fast.\n\n| at | hours |\n|---|---|\n| 18 °C | 12 |\n| 28 °C | 4 |\n\n"
        "## Trouble\n\nMould ruins a starter that nobody feeds for many weeks in a row.\n"
        "Throw such a starter away, wash the jar with hot water, and begin again with clean flour.\n",
    )
    for stage in ("outline", "research"):
        run.stage(stage)
    context = run.context("script")
    context.out_dir.mkdir(parents=True, exist_ok=True)
    script.run(context)
    meta = json.loads((context.out_dir / META_NAME).read_text())["script.txt"]["meta"]
    head, first, *rest = meta["table"]
    assert head == ["part", "what is said", "source"]
    assert first == ["Opening", "A starter lives in flour and water.", "dough.md:3"]
    assert rest[-1][1:] == ["The source of this video is on screen.", "none"]
    notes = " ".join(meta["notes"])
    assert "without a source: “The source of this video is on screen.”" in notes
    assert "the sources have more" in notes
