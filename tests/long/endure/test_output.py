"""What a stage prints without end, and stages without number: what daemon and keeper hold meanwhile."""

from __future__ import annotations

import time

import pytest

from tests.studio import QUICK, Studio
from tests.support import wait_for
from tests.vitals import keeper_of, process, zombies

FLOOD = """\
name: flood
stages:
  - {{name: flood, command: [sh, -c, '{script}; echo end >&2; echo made > made.txt'], outputs: [made.txt]}}
"""
SCRIPTS = {
    "lines": "yes | head -c 5000000000",
    "binary": "head -c 5000000000 /dev/zero",
    "errors": "yes | head -c 1000000000 >&2",
}
GROWTH_KIB = 8192


@pytest.mark.fault(112)
@pytest.mark.parametrize("kind", SCRIPTS)
def test_gigabytes_leave_memory_flat_and_a_capped_log(studio: Studio, kind: str) -> None:
    """Five gigabytes of lines, or binary without one: memory below 8 MiB more, first and last half MiB in the log."""
    policy = QUICK.replace("stages: {", "stages: {log_limit_mib: 1, ")
    (studio.root / "conf/operator.yaml").write_text(policy)
    studio.pipeline("flood", FLOOD.format(script=SCRIPTS[kind]))
    daemon = studio.start().pid
    studio.submit("n-1", "note")
    studio.wait("n-1", "needs_approval")
    keeper = wait_for(lambda: keeper_of(daemon), "the keeper")
    before = {pid: process(pid).rss for pid in (daemon, keeper)}
    studio.submit("f-1", "flood")
    peak = dict(before)

    def over() -> bool:
        for pid, most in peak.items():
            peak[pid] = max(most, process(pid).rss)
        return studio.state("f-1").get("status") in ("completed", "failed")

    wait_for(over, "the end of the flood", 600)
    assert studio.state("f-1")["status"] == "completed", studio.state("f-1")["error"]
    grown = {pid: peak[pid] - before[pid] for pid in peak}
    assert max(grown.values()) < GROWTH_KIB, grown
    log = (studio.run("f-1") / "logs/01-flood.1.log").read_bytes()
    assert len(log) < (1 << 20) + 200
    assert b"bytes left out here" in log
    assert log.endswith(b"end\n")


QUICK_STAGE = """\
name: quick
stages:
  - {name: only, command: ["true"]}
"""


@pytest.mark.fault(116)
def test_a_thousand_quick_stages_leave_no_zombie(studio: Studio) -> None:
    """Looked for all the while: whatever ended is reaped."""
    studio.pipeline("quick", QUICK_STAGE)
    daemon = studio.start().pid
    jobs = [studio.submit(f"q-{number:04d}", "quick") for number in range(1000)]
    samples, left = 0, set(jobs)
    deadline = time.monotonic() + 900
    while left:
        assert not zombies(daemon)
        samples += 1
        left -= {job for job in list(left)[:50] if studio.state(job).get("status") == "completed"}
        assert time.monotonic() < deadline
    print(f"{len(jobs)} stages, {samples} samples, 0 zombies")
    assert samples > 20
